import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { nodeCheck, versionCheck } from '../../src/cli/doctor/program.ts';
import { foreignLog, openBudget, sql, tokens, idOf } from '../support/budget.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES, emptyDatabase, migratedDatabase } from '../support/databases.ts';
import { clockAt, startBackend } from '../support/processes.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

interface Check {
  name: string;
  state: 'ok' | 'note' | 'problem';
  message: string;
  fix: string | null;
}

interface Examined {
  code: number | null;
  stderr: string;
  /** The checks of each name. */
  of: (name: string) => Check[];
  /** The names of those that are not ok, limits left out: the default ones contradict each other. */
  wrong: string[];
}

async function examine(
  { url }: Pick<DatabaseTarget, 'url'>,
  env: Record<string, string> = {},
  on = cli,
): Promise<Examined> {
  const { code, stdout, stderr } = await on.run(['doctor', '--json', '--database', url], { env });
  const { checks, problems } = JSON.parse(stdout) as { checks: Check[]; problems: number };
  expect(problems).toBe(checks.filter(({ state }) => state === 'problem').length);
  for (const { message, fix } of checks) expect(`${message}${fix ?? ''}`).not.toContain('\n');
  return {
    code,
    stderr,
    of: (name) => checks.filter((check) => check.name === name),
    wrong: checks.flatMap(({ name, state }) => (state === 'ok' || name === 'limits' ? [] : [name])),
  };
}

describe.each(DATABASES)('doctor on %s', (kind) => {
  it('finds nothing wrong in a sound database, and exits 0', async () => {
    const target = await migratedDatabase(kind);
    const contradicting = await examine(target);
    expect([contradicting.code, contradicting.wrong]).toEqual([3, []]);
    expect(contradicting.of('limits')[0]).toMatchObject({
      state: 'problem',
      fix: `tokenctl --database ${target.location} limits apply --profile paced`,
    });
    await cli.run(['limits', 'apply', '--profile', 'paced', '--database', target.url]);
    const { code, wrong, stderr, of } = await examine(target);
    expect([code, wrong, stderr]).toEqual([0, [], '']);
    expect(of('database')[0]?.message).toMatch(/named by flag; up to date/);
    expect(of('versions')[0]?.message).toMatch(
      kind === 'sqlite' ? /better-sqlite3 \d.*, SQLite 3/ : /pg \d.*, PostgreSQL 18/,
    );
    expect(of('holds')[0]?.message).toBe('no open reservation');
    const shown = await cli.run(['doctor', '--database', target.url]);
    expect(shown.stdout).toMatch(/^ok node .*\n[^]*\n\nNo problem\.\n$/);
  });

  it('notes access tokens in use whose end stops somebody', async () => {
    const target = await migratedDatabase(kind);
    const { of: none } = await examine(target);
    expect(none('tokens')).toMatchObject([{ state: 'ok' }]);
    const day = 86_400_000;
    const now = Date.now();
    for (const [name, created, used, expires, revoked] of [
      ['soon', -351, -1, 13.5, null],
      ['later', -340, -1, 15, null],
      ['over', -366, -2, -1, null],
      ['over for long, and not used since', -400, -30, -29, null],
      ['never used', -351, null, 13, null],
      ['of a few days', -1, -1, 1, null],
      ['revoked', -351, -1, 13, -1],
      ['without an end', -351, -1, null, null],
    ] as const) {
      const times = [created, expires, revoked, used].map((days) =>
        days === null ? null : Math.round(now + days * day),
      );
      await sql(
        target,
        `INSERT INTO access_tokens (id, name, token_hash, prefix, scopes, created_at_ms, expires_at_ms, revoked_at_ms, last_used_at_ms)
         VALUES (?, ?, ?, 'tkc_4fQx9TzA', '["reserve"]', ?, ?, ?, ?)`,
        [name, name, name, ...times],
      );
    }
    expect((await examine(target)).of('tokens')).toMatchObject([
      { state: 'note', message: '"over" (tkc_4fQx9TzA) is in use and ended 1 d ago' },
      {
        state: 'note',
        message: expect.stringMatching(/^"soon" .* ends in 13 d 1[12] h$/) as string,
      },
    ]);
  });

  it('finds channels that can not be used, messages that were given up and a forgotten silence', async () => {
    const target = await migratedDatabase(kind);
    const sound = await examine(target);
    expect(sound.of('alerts')).toMatchObject([{ state: 'ok' }]);
    expect(sound.of('channels')).toMatchObject([{ state: 'ok' }]);
    await sql(
      target,
      `INSERT INTO alert_deliveries (alert_id, event, channel, state, next_try_at_ms) VALUES ('x', 'raised', 'hook', 'dead', 0)`,
    );
    await sql(
      target,
      `INSERT INTO alert_silences (id, from_ms, until_ms, reason) VALUES ('x', ?, ?, 'test')`,
      [Date.now() - 26 * 3_600_000, Date.now() + 10_000_000],
    );
    const directory = join(cli.home, 'config', 'tokenctl');
    mkdirSync(directory, { recursive: true });
    const channel = { type: 'slack', name: 'ops', url: { file: 'slack-url' } };
    writeFileSync(
      join(directory, 'config.json'),
      JSON.stringify({ alerts: { channels: [channel] } }),
    );
    const found = await examine(target);
    expect(found.code).toBe(3);
    expect(found.of('channels')).toMatchObject([
      {
        state: 'problem',
        message: expect.stringMatching(
          /alerts\.channels\[0\]\.url in .*: there is no file/,
        ) as string,
      },
    ]);
    expect(found.of('alerts')).toMatchObject([
      {
        state: 'note',
        message: '1 message of alerts could not be told and was given up',
        fix: expect.stringMatching(/alerts retry$/) as string,
      },
      { state: 'note', message: expect.stringMatching(/^silent for 1 d 2 h, and 2 h/) as string },
    ]);
    writeFileSync(
      join(directory, 'config.json'),
      JSON.stringify({ alerts: { kinds: { blind: 'no' } } }),
    );
    expect((await examine(target)).of('channels')).toMatchObject([
      { message: expect.stringContaining('alerts.kinds.blind') as string },
    ]);
  });

  it('says what is not migrated, and what a newer version migrated: exit 4', async () => {
    const empty = await emptyDatabase(kind);
    if (kind === 'sqlite') new Sqlite(empty.url).exec('CREATE TABLE other (a)').close();
    const found = await examine(empty);
    expect(found.code).toBe(4);
    expect(found.of('database')[0]).toMatchObject({
      state: 'problem',
      message: expect.stringMatching(/has no tables of tokenctl/) as string,
      fix: `tokenctl --database ${empty.location} db migrate`,
    });
    expect((await sql(empty, 'SELECT 1 AS one'))[0]).toEqual({ one: 1 });

    const newer = await migratedDatabase(kind);
    await sql(
      newer,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '29990101000000_later', ?)`,
      ['2026-01-01 00:00:00'],
    );
    const later = await examine(newer);
    expect(later.code).toBe(4);
    expect(later.of('database')[0]?.message).toMatch(/newer tokenctl/);
  });

  it('names what is missing of the tables and triggers', async () => {
    const target = await migratedDatabase(kind);
    const on = kind === 'sqlite' ? '' : ' ON token_usage_logs';
    const trigger =
      kind === 'sqlite' ? 'token_usage_logs_insert_count' : 'token_usage_logs_count_insert';
    await sql(target, `DROP TRIGGER ${trigger}${on}`);
    await sql(target, 'DROP TABLE alerts');
    await sql(target, 'DROP INDEX token_usage_logs_open_idx');
    const { code, wrong, of } = await examine(target);
    expect([code, wrong]).toEqual([3, ['tables']]);
    for (const object of [
      `trigger ${trigger}`,
      'table alerts',
      'index token_usage_logs_open_idx',
    ]) {
      expect(of('tables')[0]?.message).toContain(object);
    }
  });

  it('goes on where a table that it reads is gone', async () => {
    const target = await migratedDatabase(kind);
    await sql(target, `DROP TABLE limit_revisions${kind === 'sqlite' ? '' : ' CASCADE'}`);
    const { code, of, stderr } = await examine(target);
    expect([code, stderr]).toEqual([3, '']);
    expect(of('tables')[0]?.message).toContain('table limit_revisions');
    expect(of('limits')[0]).toMatchObject({ state: 'problem' });
    expect(of('logs')[0]).toMatchObject({ state: 'ok' });
  });

  it('counts rows whose month or time is not what they say', async () => {
    const target = await migratedDatabase(kind);
    const insert = `INSERT INTO token_usage_logs (ai_type, month_year, total_tokens, created_at) VALUES ('x', ?, 1, ?)`;
    await sql(target, insert, ['2026-03', '2026-02-10 00:00:00']);
    await sql(target, insert, ['2026-02', '2026-02-10 00:00:00']);
    await sql(target, insert, ['2999-02', '2999-02-10 00:00:00']);
    const { code, wrong, of } = await examine(target);
    expect([code, wrong]).toEqual([3, ['months', 'times']]);
    expect(of('months')[0]).toMatchObject({
      state: 'note',
      message: '1 row has another month_year than its created_at, by which it counts',
    });
    expect(of('times')[0]?.message).toMatch(/^1 of a time in the future: counted when/);
  });

  it('says which holds nobody charged for long, and how old the last log is', async () => {
    const { guard, target } = await openBudget(kind, { start: '2025-06-15T12:30:00Z' });
    idOf(await guard.reserve(tokens(120)));
    await foreignLog(target, '2025-06-15 11:00:00', 5);
    const { of } = await examine(target);
    expect(of('holds')[0]).toMatchObject({
      state: 'note',
      message: expect.stringMatching(
        /^1 open reservation holds 120 tokens; 1 past their time, the oldest by \d+ d/,
      ) as string,
    });
    expect(of('logs')[0]?.message).toMatch(/^2 rows, the newest \d+ d( \d+ h)? old$/);
    const [row] = await sql(
      target,
      `SELECT count(*) AS n FROM token_usage_logs WHERE state = 'reserved'`,
    );
    expect(Number(row?.['n'])).toBe(1);
  });

  it("says which of the environment's limits are not in force", async () => {
    const target = await migratedDatabase(kind);
    const { code, of } = await examine(target, { GLOBAL_MONTHLY_LIMIT: '300000' });
    expect(code).toBe(3);
    expect(of('environment')).toEqual([
      {
        name: 'environment',
        state: 'problem',
        message: 'GLOBAL_MONTHLY_LIMIT asks for 300000, in force is 200000',
        fix: `tokenctl --database ${target.location} limits apply --env`,
      },
    ]);
  });
});

describe('doctor of a file', () => {
  it('creates no database, neither the default one nor a named one', async () => {
    const none = await cli.run(['doctor']);
    expect([none.code, none.stderr]).toEqual([4, '']);
    expect(none.stdout).toMatch(/there is no database at\s+\S+\s+\(named\s+by\s+default\)/);
    expect((await examine({ url: join(cli.home, 'none.db') })).code).toBe(4);
    expect(readdirSync(cli.home)).toEqual([]);
  });

  it('leaves a file as it is that is not in WAL mode, as db info does', async () => {
    const { url } = await migratedDatabase('sqlite');
    const database = new Sqlite(url);
    database.pragma('journal_mode = DELETE');
    database.close();
    const before = readFileSync(url);
    const { of } = await examine({ url });
    expect(of('wal')[0]).toMatchObject({ state: 'note' });
    expect((await cli.run(['db', 'info', '--database', url])).code).toBe(0);
    expect(readFileSync(url).equals(before)).toBe(true);
    expect(readdirSync(dirname(url))).toEqual(['budget.db']);
  });

  it('says what may not be written, and leaves nothing beside it', async () => {
    const { url } = await migratedDatabase('sqlite');
    const bound = temporaryCli({ boundByModes: true });
    chmodSync(url, 0o444);
    const file = await examine({ url }, {}, bound);
    expect([file.code, file.of('write')[0]]).toEqual([
      4,
      expect.objectContaining({ state: 'problem', message: `this user may not write ${url}` }),
    ]);
    chmodSync(dirname(url), 0o555);
    const both = await examine({ url }, {}, bound);
    expect(both.of('write')[0]?.message).toBe(`this user may not write ${url}, ${dirname(url)}`);
    chmodSync(dirname(url), 0o755);
    expect(readdirSync(dirname(url))).toEqual(['budget.db']);
  });

  it('tells a damaged file, and one that is none, without a stack', async () => {
    const { url } = await migratedDatabase('sqlite');
    truncateSync(url, Math.floor(statSync(url).size / 2 / 4_096) * 4_096);
    const damaged = await examine({ url });
    expect([damaged.code === 0, damaged.stderr]).toEqual([false, '']);
    expect(damaged.wrong.length).toBeGreaterThan(0);
    const text = join(cli.home, 'text.db');
    writeFileSync(text, 'not a database, but long enough to have a header of its own');
    const none = await examine({ url: text });
    expect([none.code, none.of('database')[0]?.message]).toEqual([
      4,
      expect.stringMatching(/is no SQLite database/),
    ]);
    mkdirSync(join(cli.home, 'directory.db'));
    expect((await examine({ url: join(cli.home, 'directory.db') })).code).toBe(4);
  });

  it('says when another process does not let go of the write lock', async () => {
    const target = await migratedDatabase('sqlite');
    const backend = await startBackend(target);
    const locked = backend.ask({ do: 'lock', forMs: 60_000 });
    expect(await locked).toBe('locked');
    const { code, wrong, of } = await examine(target);
    expect([code, wrong]).toEqual([3, ['lock']]);
    expect(of('lock')[0]?.message).toMatch(/another process has had the write lock/);
  });

  it('shows a wrong configuration as a finding, and a wrong flag as wrong usage', async () => {
    const file = join(cli.home, 'config', 'tokenctl', 'config.json');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '{"databas": "x"}');
    const { code, stdout, stderr } = await cli.run(['doctor', '--json']);
    expect([code, stderr]).toEqual([4, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      problems: 1,
      checks: [{ name: 'node' }, { name: 'configuration', state: 'problem' }],
    });
    const usage = await cli.run(['doctor', '--config', 'none.json']);
    expect([usage.code, usage.stdout]).toEqual([2, '']);
    expect(existsSync(cli.database)).toBe(false);
  });
});

describe('doctor of a server', () => {
  it('that refuses the login, has no such database, or is not there: exit 4', async () => {
    const { url } = await migratedDatabase('postgresql');
    const changed = (change: (url: URL) => void): { url: string } => {
      const other = new URL(url);
      change(other);
      return { url: other.href };
    };
    for (const [other, message] of [
      [changed((to) => (to.password = 'wrong-s3cret')), /the login was refused/],
      [changed((to) => (to.pathname = '/none_such')), /there is no database at/],
      [changed((to) => (to.port = '1')), /nothing listens there/],
    ] as const) {
      const { code, stderr, of } = await examine(other);
      expect([code, stderr]).toEqual([4, '']);
      expect(of('database')[0]).toMatchObject({ state: 'problem' });
      expect(of('database')[0]?.message).toMatch(message);
      expect(of('database')[0]?.message).not.toContain('s3cret');
    }
  });

  it("says that this machine's clock is not the server's", async () => {
    const target = await migratedDatabase('postgresql');
    const { code, wrong, of } = await examine(target, clockAt(Date.now() - 3_600_000));
    expect([code, wrong]).toEqual([3, ['clock']]);
    expect(of('clock')[0]?.message).toMatch(
      /^this machine's clock is (1 h|59 min \d+ s|1 h \d+ s) behind the server's/,
    );
  });

  it('says what a role may not, which triggers are disabled, and what the database sets', async () => {
    const target = await migratedDatabase('postgresql');
    const database = new URL(target.url).pathname.slice(1);
    const role = `viewer_${database}`;
    await sql(target, `CREATE ROLE ${role} LOGIN PASSWORD 'v'`);
    onTestFinished(async () => {
      await sql(target, `DROP OWNED BY ${role}`);
      await sql(target, `DROP ROLE ${role}`);
    });
    await sql(
      target,
      `GRANT SELECT ON _prisma_migrations, limit_revisions, token_usage_logs, usage_windows_now, usage_adjustments TO ${role}`,
    );
    await sql(target, 'ALTER TABLE token_usage_logs DISABLE TRIGGER token_usage_logs_count_insert');
    await sql(target, `ALTER DATABASE ${database} SET synchronous_commit = off`);
    const viewer = new URL(target.url);
    viewer.username = role;
    viewer.password = 'v';
    const { code, wrong, of } = await examine({ url: viewer.href });
    expect([code, wrong]).toEqual([3, ['write', 'durability', 'tables']]);
    expect(of('write')[0]?.message).toMatch(
      /may not reserve: it lacks .*INSERT on token_usage_logs, UPDATE on token_usage_logs/,
    );
    expect(of('tables')[0]?.message).toContain('trigger token_usage_logs_count_insert');
    expect(of('durability')[0]).toMatchObject({ state: 'note' });
  });

  it('says that sessions are read-only', async () => {
    const target = await migratedDatabase('postgresql');
    const database = new URL(target.url).pathname.slice(1);
    await sql(target, `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    const { code, of } = await examine(target);
    expect(code).toBe(3);
    expect(of('write')[0]?.message).toMatch(/read-only by default_transaction_read_only/);
  });
});

describe('what runs', () => {
  it.each([
    ['20.19.0', 'ok'],
    ['20.18.3', 'problem'],
    ['18.20.0', 'problem'],
    ['22.1.0', 'ok'],
  ])('Node.js %s is %s for >=20.19', (version, state) => {
    expect(nodeCheck(version, '>=20.19').state).toBe(state);
  });

  it('is named with its versions, and a package that is lost is a problem', () => {
    expect(versionCheck({ tokenctl: '1.0.0', pg: '8.1.0' }).message).toBe(
      'tokenctl 1.0.0, pg 8.1.0',
    );
    expect(versionCheck({ tokenctl: '1.0.0', pg: null }).state).toBe('problem');
  });
});
