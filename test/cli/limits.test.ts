import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { openBudget, sql, tokens } from '../support/budget.ts';
import { finished, temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES, migratedDatabase } from '../support/databases.ts';
import { foreignClient } from '../support/foreign-client.ts';
import { until, untilHourLasts } from '../support/processes.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const json = ({ stdout }: CliResult): unknown => JSON.parse(stdout);
const limits = (...args: string[]): Promise<CliResult> => cli.run(['limits', ...args]);

const FILE = `
monthly: 500_000
hourly: 2%
request: off
aiTypes:
  sandbox:
    monthly: 50000
`;
const SETTINGS = {
  global: { monthly: 500_000, hourly: '2%', request: 'off' },
  aiTypes: { sandbox: { monthly: 50_000 } },
};

async function inForce(): Promise<{ revision: number; settings: unknown }> {
  return json(await limits('--json')) as { revision: number; settings: unknown };
}

describe('limits apply --file', () => {
  const file = (text: string): string => {
    const path = join(cli.home, 'limits.yaml');
    writeFileSync(path, text);
    return path;
  };

  it('plans, changes, and the second time changes nothing', async () => {
    await cli.run(['status']);
    const path = file(FILE);
    const planned = await limits('apply', '--file', path, '--dry-run');
    expect(planned.stdout).toMatch(/^Would change .*--dry-run/);
    expect(planned.stdout).toMatch(/\nhourly +194 +7,000\n/);
    expect(planned.stdout).toMatch(/\nsandbox monthly +- +50,000\n/);
    expect(await inForce()).toMatchObject({ revision: 1 });
    const applied = await limits('apply', '--file', path, '--reason', 'pilot', '--json');
    expect(json(applied)).toMatchObject({ revision: 2, changed: true, dryRun: false });
    const again = await limits('apply', '--file', path);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toBe('Nothing to change: revision 2 says so already.\n');
    expect(json(await limits('apply', '--file', path, '--prune', '--json'))).toMatchObject({
      revision: 2,
      changed: false,
      changes: [],
      effect: null,
    });
    expect(json(await limits('history', '--json'))).toMatchObject({
      revisions: [
        { revision: 2, source: 'file', reason: 'pilot', settings: SETTINGS },
        { revision: 1 },
      ],
    });
  });

  it('keeps what it does not name, and with --prune takes it back', async () => {
    await limits('apply', '--file', file(FILE));
    const input = '{"hourly": "3%"}';
    await cli.run(['limits', 'apply', '--file', '-'], { input });
    expect(await inForce()).toMatchObject({
      settings: { global: { monthly: 500_000, hourly: '3%' }, aiTypes: SETTINGS.aiTypes },
    });
    await cli.run(['limits', 'apply', '--file', '-', '--prune'], { input });
    expect((await inForce()).settings).toEqual({ global: { hourly: '3%' }, aiTypes: {} });
  });

  it.each([
    ['hourly: 1\nhourlly: 5\n', /limits.yaml:2: hourlly: is no limit\n.*did you mean hourly\?/],
    ['hourly: 1\ndaily: lots\n', /limits.yaml:2: daily: must be a whole number, not "lots"\n/],
    ['warning: 96\n', /critical: 95 % is not above warning \(96 %\)\n/],
    [`# ${'x'.repeat(64 * 1024)}\n`.slice(-65 * 1024), /limits.yaml: is above 64 KiB\n/],
  ])('refuses a wrong one and changes nothing (%#)', async (text, problem) => {
    await cli.run(['status']);
    const path = file(text);
    const { code, stdout, stderr } = await limits('apply', '--file', path);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(problem);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await inForce()).toMatchObject({ revision: 1, settings: { global: {} } });
  });

  it.each([
    [['--file', 'none.yaml'], /--file: none.yaml can't be read: there is no such file/],
    [['--file', '.'], /--file: . can't be read: is a directory/],
    [['--file', 'a', '--env'], /needs one of --file F, --profile P and --env/],
    [['--env', '--prune'], /--prune: .* it needs --file F/],
  ])('refuses %j', async (args, problem) => {
    const { code, stderr } = await limits('apply', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(problem);
  });
});

describe('limits export', () => {
  it('prints what apply --prune finds in force already', async () => {
    await cli.run(['limits', 'apply', '--file', '-'], { input: FILE });
    const { stdout, code } = await limits('export');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^# .*revision 2, \d{4}-\d\d-\d\d [\d:]+ UTC\.\n#/);
    expect(stdout).toContain('\nmonthly: 500000\nhourly: 2%\nrequest: off\naiTypes:\n  sandbox:\n');
    for (const input of [stdout, (await limits('export', '--json')).stdout]) {
      const back = await cli.run(['limits', 'apply', '--file', '-', '--prune'], { input });
      expect(back.stdout).toBe('Nothing to change: revision 2 says so already.\n');
    }
    await limits('apply', '--profile', 'default');
    await limits('unset', 'monthly', '--ai-type', 'sandbox');
    const nothing = await limits('export');
    expect(nothing.stdout).toMatch(/\n\{\}\n$/);
    const back = await cli.run(['limits', 'apply', '--file', '-', '--prune'], {
      input: nothing.stdout,
    });
    expect(back.stdout).toMatch(/^Nothing to change/);
  });
});

describe('limits rollback', () => {
  it('appends a revision with the settings of an earlier one', async () => {
    await cli.run(['limits', 'apply', '--file', '-'], { input: FILE });
    await limits('set', 'hourly=5', '--reason', 'oops');
    const planned = await limits('rollback', '2', '--dry-run');
    expect(planned.stdout).toMatch(/\nhourly +5 +7,000\n/);
    expect(await inForce()).toMatchObject({ revision: 3 });
    expect(planned.stdout).not.toContain('takes it back');
    const back = json(await limits('rollback', '2', '--json'));
    expect(back).toMatchObject({ revision: 4, revisionBefore: 3 });
    expect(await inForce()).toEqual(expect.objectContaining({ revision: 4, settings: SETTINGS }));
    expect((await limits('rollback', '2')).stdout).toMatch(/^Nothing to change: revision 4/);
    await limits('rollback', '1', '--reason', 'the pilot is over');
    const history = await limits('history');
    expect(history.stdout).toMatch(/\n +5 +\S+ [\d:]+ UTC +rollback by \S+@\S+/);
    const shown = history.stdout.replaceAll(/\s+/g, ' ');
    expect(shown).toContain('(back to revision 1: the pilot is over)');
    expect(shown).toContain('hourly 5 -> 2% (back to revision 2)');
    expect(json(await limits('history', '--json'))).toMatchObject({
      revisions: [{ revision: 5 }, { revision: 4 }, { revision: 3, reason: 'oops' }, {}, {}],
    });
  });

  it.each([
    ['77', /REV: there is no revision 77\n.*tokenctl limits history/],
    ['0', /REV: must be at least 1, not 0\n.*tokenctl limits history/],
    ['99999999999', /REV: must be at most 2147483647.*\n.*tokenctl limits history/],
    ['last', /REV: must be a whole number, not "last"\n.*tokenctl limits history/],
  ])('refuses %s', async (revision, problem) => {
    await cli.run(['status']);
    const { code, stdout, stderr } = await limits('rollback', revision);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(problem);
  });
});

describe.each(DATABASES)('on %s', (kind) => {
  it('a file applied twice changes nothing, and neither does what export prints', async () => {
    const { url } = await migratedDatabase(kind);
    const apply = (input: string, ...args: string[]): Promise<CliResult> =>
      cli.run(['limits', 'apply', '--file', '-', '--json', '--database', url, ...args], { input });
    expect(json(await apply(FILE))).toMatchObject({ revision: 2, changed: true });
    const same = { revision: 2, changed: false, changes: [], effect: null };
    expect(json(await apply(FILE))).toMatchObject(same);
    for (const flags of [[], ['--json']]) {
      const exported = await cli.run(['limits', 'export', '--database', url, ...flags]);
      expect(json(await apply(exported.stdout))).toMatchObject(same);
      expect(json(await apply(exported.stdout, '--prune'))).toMatchObject(same);
    }
    const history = await cli.run(['limits', 'history', '--json', '--database', url]);
    expect(json(history)).toMatchObject({ revisions: [{ settings: SETTINGS }, {}] });
  });

  it('a change says what it would change now, in words and in JSON', async () => {
    await untilHourLasts(60_000);
    const start = new Date().toISOString();
    const { target, guard } = await openBudget(kind, {
      start,
      global: { hourly: 194, request: 1_000 },
    });
    for (const size of [195, 500, 900, 2_000]) await guard.reserve(tokens(size));
    const set = ['limits', 'set', 'hourly=2800', '--database', target.url];
    const effect = {
      aiType: null,
      largestAdmissible: { before: 194, after: 1_000 },
      binding: {
        before: { window: 'hour', limit: 194 },
        after: { window: 'request', limit: 1_000 },
      },
      denialsToday: 4,
      wouldHavePassed: { before: 0, after: 3 },
      cut: false,
    };
    expect(json(await cli.run([...set, '--dry-run', '--json']))).toMatchObject({
      dryRun: true,
      effect,
    });
    const done = await cli.run(set);
    expect(done.stdout).toMatch(/\nhourly +194 +2,800\n/);
    expect(done.stdout).toContain('Largest request that passes now: 194 tokens -> 1,000 tokens\n');
    expect(done.stdout).toMatch(/Binds first: the limit of 194 tokens an hour \(194 left\) ->/);
    expect(done.stdout).toContain(
      'Of the 4 requests that were denied today (UTC), 3 would have passed.\n',
    );
    expect(done.stdout).toMatch(
      /\nThis takes it back:\n {2}-> tokenctl --database \S+ limits rollback \d+\n$/,
    );
  });

  it('of two changes at once, the second to come is refused with what to do, and may come again', async () => {
    const target = await migratedDatabase(kind);
    const set = (assignment: string): string[] => [
      'limits',
      'set',
      assignment,
      '--database',
      target.url,
    ];
    const held = await holdLimits(target);
    const children = ['hourly=500', 'daily=5000'].map((assignment) => cli.start(set(assignment)));
    const results = children.map((child) => finished(child));
    // Both have read the limits, and wait to write theirs.
    await until(() => held.waiting(children.map(({ pid }) => pid!)), 30_000);
    await held.release();
    const [first, second] = await Promise.all(results);
    expect([first!.code, second!.code].toSorted()).toEqual([0, 1]);
    const [won, lost] = first!.code === 0 ? [first!, second!] : [second!, first!];
    expect(won.stdout).toMatch(/^Revision 2 is in force/);
    expect(lost.stderr).toMatch(
      /^tokenctl: the limits were changed by someone else meanwhile\n.*tokenctl --database \S+ limits/,
    );
    expect(lost.stdout).toBe('');
    const again = await cli.run(set(lost === first ? 'hourly=500' : 'daily=5000'));
    expect(again.stdout).toMatch(/^Revision 3 is in force/);
    expect(json(await cli.run(['limits', '--json', '--database', target.url]))).toMatchObject({
      revision: 3,
      settings: { global: { hourly: 500, daily: 5_000 } },
    });
  });
});

interface Held {
  /** Whether each process has read what it needs, and comes no further. */
  waiting(pids: readonly number[]): Promise<boolean>;
  release(): Promise<void>;
}

/** Keeps everyone from writing limits. */
async function holdLimits(target: DatabaseTarget): Promise<Held> {
  if (target.kind === 'sqlite') {
    const database = new Sqlite(target.url);
    database.exec('BEGIN IMMEDIATE');
    return {
      // A process opens the file a second time to write limits, after it has read them.
      waiting: async (pids) =>
        pids.every((pid) => openFiles(pid).filter((path) => path === target.url).length >= 2),
      release: async () => {
        database.exec('ROLLBACK');
        database.close();
      },
    };
  }
  const client = await foreignClient(target);
  await client.query('BEGIN; LOCK TABLE limit_revisions IN SHARE ROW EXCLUSIVE MODE');
  return {
    waiting: async (pids) => {
      const [row] = await sql(
        target,
        `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND relation = 'limit_revisions'::regclass`,
      );
      return row!['n'] === pids.length;
    },
    release: async () => {
      await client.query('ROLLBACK');
    },
  };
}

function openFiles(pid: number): string[] {
  const directory = `/proc/${String(pid)}/fd`;
  return readdirSync(directory).flatMap((name) => {
    try {
      return [readlinkSync(join(directory, name))];
    } catch {
      return [];
    }
  });
}
