import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

/** What was wrong on one line, what to do on others, and no stack. */
function expectClear(stderr: string, problem: RegExp): void {
  expect(stderr).toMatch(problem);
  expect(stderr).toMatch(/^tokenctl: /);
  expect(stderr).not.toMatch(/\n\s+at /);
}

describe('wrong usage exits 2', () => {
  it.each([
    [['stats'], /unknown command 'stats'\n.*did you mean status/],
    [['limits', 'sett'], /unknown command 'sett'\n.*did you mean set/],
    [['status', '--jsn'], /unknown option '--jsn'\n.*--json/],
    [['explain'], /missing required argument 'request'\n.*tokenctl explain --help/],
    [['db', 'backup'], /argument 'file'\n.*tokenctl db backup --help/],
    [['status', '--month', '2026-13'], /--month: "2026-13" is no month/],
    [['status', '--month', '9999-01'], /has not begun/],
    [['status', '--ai-type', 'global'], /reserved/],
    [['check', '--tokens', '5'], /--ai-type/],
    [['check', '--ai-type', 'x'], /--tokens N, or --prompt-file/],
    [['check', '--ai-type', 'Bad Name', '--tokens', '5'], /"Bad Name" is no AI type/],
    [['check', '--ai-type', 'x', '--tokens', '-5'], /--tokens: must be at least 1, not -5/],
    [['check', '--ai-type', 'x', '--tokens', '1.5'], /whole number, not 1.5/],
    [['check', '--ai-type', 'x', '--tokens', '9999999999999'], /at most 1000000000000/],
    [['check', '--ai-type', 'x', '--prompt-file', 'none.txt', '--max-tokens', '5'], /no such file/],
    [['limits', 'set', 'hourly'], /KEY=VALUE/],
    [['limits', 'set', 'warning=101'], /warning: must be at most 100/],
    [['limits', 'set', 'daily=150%'], /daily: must be at most 100/],
    [['limits', 'set', 'warning=96'], /critical: 95 % is not above warning/],
    [['limits', 'set', 'enforcedMonthly=300000'], /300000 is above monthly \(200000\)/],
    [['limits', 'set', 'hourly=-1'], /at least 0/],
    [['limits', 'set', 'warning=50', '--ai-type', 'x'], /no limit that an AI type can have/],
    [['limits', 'apply'], /needs one of --file F, --profile P and --env/],
    [['limits', 'apply', '--profile', 'fast'], /"fast" is no profile/],
    [['reset'], /--reason: is needed/],
    [['reset', '--undo', 'last'], /--undo: must be a whole number.*\n.*tokenctl reset --list/],
    [['reset', '--undo', '2147483648'], /--undo: must be at most 2147483647/],
    [['reset', '--reason', 'x', '--window', 'year'], /"year" is no window/],
    [['monitor', '--interval', '0'], /--interval: must be at least 1/],
    [['status', '--database', 'mysql://bob:s3cret@h/x'], /--database: .*"mysql:"/],
    [['status', '--database', 'postgresql://bob:s3cret@h:port/x'], /no URL/],
    [['status', '--config', 'none.json'], /--config: there is no file/],
  ])('%j', async (args, problem) => {
    const { code, stdout, stderr } = await cli.run(args);
    expectClear(stderr, problem);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toContain('s3cret');
  });

  it('with --json, standard output is one document with code, message, field and fix', async () => {
    const { code, stdout } = await cli.run(['status', '--json', '--month', 'x']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'invalid_input', field: '--month', message: '--month: "x" is no month' },
    });
    const unknown = await cli.run(['stats', '--json']);
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: { fix: 'did you mean status?' } });
  });

  it('names a variable whose limit is wrong, and creates nothing', async () => {
    const { code, stderr } = await cli.run(['status'], { env: { GLOBAL_MONTHLY_LIMIT: 'lots' } });
    expect(code).toBe(2);
    expectClear(stderr, /GLOBAL_MONTHLY_LIMIT/);
    expect(existsSync(cli.database)).toBe(false);
  });
});

describe('a database that can not be used exits 4', () => {
  it.each([
    ['that is missing', () => undefined, /there is no database/],
    [
      'that is no SQLite file',
      (file: string) => writeFileSync(file, 'x'.repeat(5_000)),
      /no SQLite database/,
    ],
  ])('%s', async (_, make, problem) => {
    const file = join(cli.home, 'budget.db');
    make(file);
    const before = existsSync(file) ? readFileSync(file, 'utf8') : null;
    const { code, stdout, stderr } = await cli.run(['status', '--database', file]);
    expectClear(stderr, problem);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(existsSync(file) ? readFileSync(file, 'utf8') : null).toBe(before);
  });

  it('that a newer tokenctl has migrated', async () => {
    const file = join(cli.home, 'newer.db');
    await cli.run(['db', 'migrate', '--database', file]);
    const database = new Database(file);
    database.exec(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, applied_steps_count, finished_at)
       VALUES ('x', 'x', '99990101000000_future', 1, 1, 1)`,
    );
    database.close();
    const { code, stderr } = await cli.run(['status', '--database', file]);
    expect(code).toBe(4);
    expectClear(stderr, /newer/);
  });

  it('that does not answer, without its password', async () => {
    const url = 'postgresql://bob:s3cret@127.0.0.1:1/x';
    const { code, stderr } = await cli.run(['status', '--debug', '--database', url]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^tokenctl: the ledger \(postgresql:\/\/bob@127.0.0.1:1\/x\)/);
    expect(stderr).not.toContain('s3cret');
  });

  it('whose directory can not be made', async () => {
    writeFileSync(join(cli.home, 'data'), 'a file in the way');
    const { code, stderr } = await cli.run(['status']);
    expect(code).toBe(4);
    expectClear(stderr, /can't be made/);
  });
});

describe('a usage log that is wrong changes nothing', () => {
  async function load(
    input: string,
    ...args: string[]
  ): Promise<{ code: number | null; stderr: string; logs: number }> {
    const { code, stderr } = await cli.run(['import', '-', '--ai-type', 'x', ...args], { input });
    const { stdout } = await cli.run(['db', 'info', '--json']);
    const { logRows } = JSON.parse(stdout) as { logRows: number | null };
    return { code, stderr, logs: logRows ?? 0 };
  }

  it('and every line of it is named', async () => {
    const good = '2026-01-02 03:04:05,1,2';
    const bad = [
      '2026-02-30 00:00:00,1,2',
      'yesterday,1,2',
      '9999-01-01 00:00:00,1,2',
      '2026-01-02 03:04:05,-1,2',
      '2026-01-02 03:04:05,1,2.5',
      '2026-01-02 03:04:05,1,',
      '2026-01-02 03:04:05,1',
      '2026-01-02 03:04:05,1,9999999999999',
    ];
    const { code, stderr, logs } = await load(
      ['timestamp,input,output', good, ...bad, good, ''].join('\r\n'),
    );
    expect(code).toBe(2);
    expect(logs).toBe(0);
    expect(stderr.replaceAll('\r', '').split('\n')).toEqual([
      'tokenctl: standard input: 8 lines are wrong, nothing was imported',
      expect.stringMatching(/^ {2}line 3: timestamp: "2026-02-30 00:00:00" is no time/),
      expect.stringMatching(/^ {2}line 4: timestamp: "yesterday" is no time/),
      expect.stringMatching(/^ {2}line 5: timestamp: .* lies in the future/),
      expect.stringMatching(/^ {2}line 6: input: must be at least 0, not -1/),
      expect.stringMatching(/^ {2}line 7: output: must be a whole number, not 2.5/),
      expect.stringMatching(/^ {2}line 8: output: must be a whole number, not ""/),
      expect.stringMatching(/^ {2}line 9: has 2 fields, the header 3/),
      expect.stringMatching(/^ {2}line 10: output: must be at most/),
      '',
    ]);
  });

  it('and no more than 20 lines are listed', async () => {
    const lines = Array.from({ length: 50 }, () => 'x,1,2');
    const { stderr } = await load(['timestamp,input,output', ...lines].join('\n'));
    expect(stderr).toMatch(/50 lines are wrong/);
    expect(stderr.match(/ line \d+:/g)).toHaveLength(20);
    expect(stderr).toMatch(/and 30 more/);
  });

  it.each([
    ['a,b,c\n1,2,3\n', [], /no column is known to hold the timestamp/],
    ['timestamp,input,output\n', ['--columns', 'input=X'], /the file has no column "X"/],
    ['timestamp,input,output\n', ['--columns', 'tokens=X'], /"tokens=X" is no FIELD=COLUMN/],
    ['timestamp,input,output\n"2026-01-02 03:04:05,1,2\n', [], /line \d: is no CSV/],
    ['', [], /the file is empty/],
    ['{"timestamp":1\n', ['--format', 'jsonl'], /line 1: is no JSON object/],
    ['x', ['--format', 'xml'], /"xml" is no format/],
  ])('%j %j', async (input, args, problem) => {
    const { code, stderr, logs } = await load(input, ...args);
    expectClear(stderr, problem);
    expect({ code, logs }).toEqual({ code: 2, logs: 0 });
  });

  it('or that is not there', async () => {
    const { code, stderr } = await cli.run(['import', 'none.csv', '--ai-type', 'x']);
    expect(code).toBe(2);
    expectClear(stderr, /none.csv: can't be read: there is no such file/);
  });
});
