/** A wrong environment names no database: the default one that would be created is empty, and looks healthy. */
import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

describe('without a database in the default place', () => {
  it.each([
    'status --exit-code',
    'status --format {level}',
    'log',
    'explain nobody',
    'reset --reason test --yes',
    'reset --list',
    'reset --undo 1 --yes',
    'wait --below 80% --timeout 1s',
    'limits rollback 1',
    'db verify',
    'db prune --before 2025-01 --dry-run',
  ])('%s says so and creates none: exit 4', async (line) => {
    const { code, stdout, stderr } = await cli.run(line.split(' '));
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain(`there is no database at ${cli.database}`);
    expect(stderr).toMatch(/that is the default place: .*: tokenctl db migrate$/m);
    expect(readdirSync(cli.home)).toEqual([]);
  });

  it('status --nagios is UNKNOWN, 3', async () => {
    const { code, stdout } = await cli.run(['status', '--nagios']);
    expect(code).toBe(3);
    expect(stdout).toBe(`TOKENCTL UNKNOWN - there is no database at ${cli.database}\n`);
    expect(readdirSync(cli.home)).toEqual([]);
  });

  it.each(['status', 'limits', 'limits set hourly=2800', 'monitor --once'])(
    '%s creates it',
    async (line) => {
      const { code, stderr } = await cli.run(line.split(' '));
      expect(code).toBe(0);
      expect(stderr).toContain(`created the database ${cli.database}`);
    },
  );
});
