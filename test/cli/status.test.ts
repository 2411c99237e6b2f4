import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { emptyDatabase, migratedDatabase, DATABASES } from '../support/databases.ts';
import { sql } from '../support/budget.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

describe('status --format', () => {
  it('prints one line, and nothing else', async () => {
    await cli.run(['status']);
    expect(await cli.run(['status', '--format', '{level} {month.percent} {hour.left}'])).toEqual({
      code: 0,
      stdout: 'ok 0.00 194\n',
      stderr: '',
    });
  });

  it('names a placeholder that it does not know, and those that it does; no database is made', async () => {
    const { code, stdout, stderr } = await cli.run(['status', '--format', '{levle}']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /^tokenctl: --format: does not know \{levle\}\n {2}-> it knows: level, /,
    );
    expect((await cli.run(['db', 'info'])).stdout).toMatch(/there is no such database/);
  });

  it.each([['--json'], ['--nagios']])('can not be used with %s', async (flag) => {
    const { code, stderr } = await cli.run(['status', '--format', '{level}', flag]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--format.*can ?not be used with.*--(json|nagios)/);
  });

  it('is of the whole budget: --ai-type is refused, and the placeholder named', async () => {
    const args = ['status', '--format', '{level}', '--ai-type', 'sandbox'];
    const { code, stdout, stderr } = await cli.run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /^tokenctl: --ai-type: has no sense with --format.*\n.*\{ai:TYPE\.used\}/,
    );
  });

  it('exits with the level where it is asked for, and with 4 where there is no database', async () => {
    const args = ['status', '--format', '{level}'];
    await cli.run(['import', '-', '--format', 'csv', '--ai-type', 'sandbox'], {
      input: `timestamp,input,output\n${new Date().toISOString()},7,0\n`,
    });
    await cli.run(['limits', 'set', 'enforcedMonthly=8']);
    expect(await cli.run([...args, '--exit-code'])).toMatchObject({
      code: 10,
      stdout: 'warning\n',
    });
    const lost = await cli.run([...args, '--database', 'file:none.db']);
    expect([lost.code, lost.stdout]).toEqual([4, '']);
  });
});

describe('status --nagios', () => {
  it.each([
    ['a missing database', (): string[] => ['--database', 'file:none.db'], /no database at/],
    [
      'a database that does not answer',
      (): string[] => ['--database', 'postgresql://a:secret@127.0.0.1:1/b'],
      /can't be reached/,
    ],
    [
      'a file that is no database',
      (): string[] => {
        writeFileSync(join(cli.home, 'text.db'), 'no database'.repeat(1_000));
        return ['--database', 'file:text.db'];
      },
      /text\.db/,
    ],
    ['a wrong month', (): string[] => ['--month', '2025-13'], /is no month/],
    ['an AI type', (): string[] => ['--ai-type', 'sandbox'], /--ai-type: .*of the whole budget/],
  ])('is UNKNOWN, 3, for %s; with --json one document', async (_, args, message) => {
    const all = ['status', '--nagios', ...args()];
    const { code, stdout } = await cli.run(all);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^TOKENCTL UNKNOWN - [^|\n]+\n$/);
    expect(stdout).toMatch(message);
    expect(stdout).not.toContain('secret');
    const json = await cli.run([...all, '--json']);
    expect(json.code).toBe(3);
    const { error } = JSON.parse(json.stdout) as { error: { message: string } };
    expect(error.message).toMatch(message);
  });
});

describe.each(DATABASES)('an AI type that is not known, on %s', (kind) => {
  it('is said, with the one that may have been meant', async () => {
    const database = ['--database', (await migratedDatabase(kind)).url];
    const run = (...args: string[]) => cli.run([...args, ...database]);
    const input = `timestamp,input,output\n${new Date().toISOString()},7,0\n`;
    await cli.run(['import', '-', '--format', 'csv', '--ai-type', 'sandbox', ...database], {
      input,
    });
    const near = 'tokenctl: nothing is known of sandbx: did you mean sandbox?\n';
    const found = await run('status', '--ai-type', 'sandbx');
    expect(found).toMatchObject({ code: 0, stderr: near });
    expect(found.stdout).toMatch(/^sandbx has used nothing in \d{4}-\d{2}\.$/m);
    expect(found.stdout).toMatch(/^global month /m);
    expect(await run('log', '--ai-type', 'sandbx')).toMatchObject({ code: 0, stderr: near });
    const reset = ['reset', '--reason', 'test', '--dry-run', '--ai-type'];
    expect(await run(...reset, 'sandbx')).toMatchObject({ code: 0, stderr: near });
    expect(await run(...reset, 'sandbx', 'sandbox')).toMatchObject({ code: 0, stderr: near });
    for (const name of ['sandbox', 'conquest']) {
      expect((await run('status', '--ai-type', name)).stderr).toBe('');
    }
    expect((await run('status', '--ai-type', 'sandbx', '--quiet')).stderr).toBe('');
    const { stdout } = await run('status', '--ai-type', 'sandbx', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ aiType: 'sandbx', aiTypes: [] });
  });
});

describe.each(DATABASES)('status on %s', (kind) => {
  it('says of each AI type what was used today, failed and denied', async () => {
    const target = await emptyDatabase(kind);
    const database = ['--database', target.url];
    await cli.run(['db', 'migrate', ...database]);
    await sql(
      target,
      `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, success, state, denied_count)
       VALUES ('sandbox', 40, 2, 42, true, 'settled', 1), ('sandbox', 0, 0, 0, false, 'settled', 1),
              ('sandbox', 0, 0, 0, false, 'denied', 5)`,
    );
    const { stdout } = await cli.run(['status', '--json', ...database]);
    expect(JSON.parse(stdout)).toMatchObject({
      thresholds: {
        warningAt: 112_000,
        criticalAt: 133_000,
        emergencyAt: 137_200,
        criticalRequest: 250,
      },
      aiTypes: [{ aiType: 'sandbox', used: 42, today: 42, requests: 2, failed: 1, denied: 5 }],
    });
    const past = await cli.run(['status', '--json', '--month', '2025-06', ...database]);
    expect(JSON.parse(past.stdout)).toMatchObject({ month: '2025-06', aiTypes: [] });
  });
});
