import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { TokenctlError } from '../budget/errors.ts';

/** Makes the directory that a file will lie in. @throws database_unusable when it can't */
export function makeDirectoryOf(path: string): void {
  const directory = dirname(path);
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new TokenctlError('database_unusable', `the directory ${directory} can't be made`, {
      cause: error,
      fix: 'check its permissions, or name another file with --database file:PATH',
    });
  }
}
