/** A wrong environment names no database: the default one that would be created is empty, and looks healthy. */
import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { startCli } from '../support/running-cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

describe('without a database in the default place', () => {
  // Every command, run in its usual way, is in every-command.test.ts.
  it.each([
    'status --exit-code',
    'status --format {level}',
    'limits set hourly=2800 --dry-run',
    'limits apply --profile paced --dry-run',
    'reset --list',
    'reset --undo 1 --yes',
    'wait --below 80% --timeout 1s',
    'token revoke nobody --yes',
    'alerts silence --off',
    'db verify --repair',
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

  it.each(['serve', 'gateway'])('%s creates it', async (command) => {
    const running = startCli(cli, [command, '--port', '0', '--json']);
    await running.prints('stderr', `created the database ${cli.database}`);
    await running.prints('stdout', /\n/);
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
  });
});
