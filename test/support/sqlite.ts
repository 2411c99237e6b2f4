/** Places for SQLite files that go when the test ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new directory, removed when the running test ends. Call it in a test or a `beforeEach`. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-test-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}
