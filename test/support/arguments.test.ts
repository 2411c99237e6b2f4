import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('a long run with wrong arguments', () => {
  it.each([
    ['test/crashes/main.ts', ['--kills', 'x'], '--kills: takes a whole number from 1, not "x"'],
    ['test/crashes/main.ts', ['--kill', '3'], "Unknown option '--kill'"],
    ['test/simulation/main.ts', ['--steps', '1.5'], '--steps: takes a whole number from 1'],
    ['test/simulation/main.ts', ['--database', 'mysql'], '--database: there is no "mysql"'],
    ['test/mutants/main.ts', ['none'], 'no mutant is named none'],
    ['bench/main.ts', ['none'], 'bench: there is no "none"'],
  ])('%s %j says so in one line, and exits 2', (script, args, problem) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', script, ...args],
      { cwd: root, encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).toContain(problem);
  });
});
