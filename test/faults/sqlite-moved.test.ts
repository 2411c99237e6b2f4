/** An SQLite file that is moved, deleted or replaced while it is open: nobody spends where nobody else looks. */
import Sqlite from 'better-sqlite3';
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSqliteSchema } from '../../src/ledger/schema/sqlite-state.ts';
import type { Settings } from '../../src/budget/limits.ts';
import { openApi } from '../support/api.ts';
import { counts, guardOn, idOf, openBudget, sql, tokens, type Budget } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { openTestApp } from '../support/databases.ts';
import {
  backupOf,
  besideOf,
  integrityOf,
  moveAside,
  moveBack,
  putInPlace,
  remove,
} from '../support/moving.ts';
import { startBackend } from '../support/processes.ts';
import { startCli } from '../support/running-cli.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

/** Real processes share it, and their clock. */
const budgetOfNow = (): Promise<Budget> =>
  openBudget('sqlite', { start: new Date().toISOString() });

const rowsOf = async (target: Budget['target']): Promise<string[]> =>
  (await sql(target, 'SELECT id FROM token_usage_logs ORDER BY rowid')).map(({ id }) => String(id));

const TIMEOUT_MS = 300;
const GONE = 'the file is gone: it was moved or deleted since it was opened';

/** Denied in time, and not before it was waited for; what the denial says. */
async function deniedOf({ guard }: Pick<Budget, 'guard'>, timeoutMs: number): Promise<string> {
  const start = performance.now();
  const denied = await guard.reserve(tokens(10));
  const tookMs = performance.now() - start;
  expect(denied).toMatchObject({ admitted: false, reasons: [{ code: 'ledger_unavailable' }] });
  expect(denied.reasons).toHaveLength(1);
  expect(tookMs).toBeGreaterThanOrEqual(timeoutMs);
  expect(tookMs).toBeLessThan(timeoutMs + 1_000);
  return denied.reasons[0]!.message;
}

describe('an SQLite file that was moved away', () => {
  it('admits, settles and shows nothing until it is back, then goes on where it was', async () => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    const id = idOf(await hasty.guard.reserve(tokens(5)));
    const aside = moveAside(budget.target);
    const gone = `(${budget.target.url}) could not be reached for 300 ms: ${GONE}`;
    expect(await deniedOf(hasty, TIMEOUT_MS)).toContain(gone);
    const unavailable = {
      code: 'ledger_unavailable',
      message: expect.stringContaining(GONE) as string,
    };
    await expect(hasty.guard.settle(id, { unknown: true })).rejects.toMatchObject(unavailable);
    await expect(hasty.app.status()).rejects.toMatchObject(unavailable);
    await expect(hasty.app.verify({ repair: true })).rejects.toMatchObject(unavailable);
    expect(await hasty.guard.check(tokens(1))).toMatchObject({ admitted: false });
    // Nothing has come to lie there by being asked for.
    expect(existsSync(budget.target.url)).toBe(false);
    moveBack(aside, budget.target);
    await hasty.guard.settle(id, { unknown: true });
    idOf(await hasty.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([5, 7]);
  });

  it('without what belongs to it, too', async () => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    idOf(await hasty.guard.reserve(tokens(5)));
    const { url } = budget.target;
    renameSync(url, `${url}.away`);
    expect(await deniedOf(hasty, TIMEOUT_MS)).toContain('is gone');
    renameSync(`${url}.away`, url);
    idOf(await hasty.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([0, 12]);
  });

  it('is waited for: a call whose time is not over yet is admitted when it is back', async () => {
    const budget = await openBudget('sqlite');
    idOf(await budget.guard.reserve(tokens(5)));
    const aside = moveAside(budget.target);
    let answered = false;
    const waiting = budget.guard.reserve(tokens(7)).finally(() => (answered = true));
    // A read is not waited for, and has been refused meanwhile.
    await expect(budget.app.status()).rejects.toMatchObject({ code: 'ledger_unavailable' });
    expect(answered).toBe(false);
    moveBack(aside, budget.target);
    const id = idOf(await waiting);
    expect(await rowsOf(budget.target)).toContain(id);
    expect((await counts(budget.app))['month']).toEqual([0, 12]);
  });

  it('in the middle of a change takes nothing of it', async () => {
    const budget = await openBudget('sqlite');
    const aside = { at: budget.target };
    await expect(
      budget.app.ledger.write(function* (ops) {
        yield ops.query(
          {
            name: 'log',
            sql: `INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES ('sandbox', 9, 9)`,
          },
          {},
        );
        aside.at = moveAside(budget.target);
      }),
    ).rejects.toMatchObject({
      code: 'ledger_unavailable',
      message: expect.stringContaining('was moved or replaced since it was opened') as string,
    });
    expect(await rowsOf(aside.at)).toEqual([]);
    moveBack(aside.at, budget.target);
    idOf(await budget.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([0, 7]);
  });
});

describe('an SQLite file that was deleted', () => {
  it('denies, makes none, and goes on with a backup that is put in its place', async () => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    const kept = idOf(await hasty.guard.reserve(tokens(5)));
    const backup = await backupOf(budget.target);
    const lost = idOf(await hasty.guard.reserve(tokens(6)));
    remove(budget.target);
    expect(await deniedOf(hasty, TIMEOUT_MS)).toContain('is gone');
    expect(existsSync(budget.target.url)).toBe(false);
    putInPlace(backup, budget.target);
    // What was reserved after the backup is not known there.
    await expect(hasty.guard.settle(lost, { unknown: true })).rejects.toMatchObject({
      code: 'reservation_not_found',
    });
    await hasty.guard.settle(kept, { unknown: true });
    idOf(await hasty.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([5, 7]);
  });
});

describe('an SQLite file in whose place a backup was put', () => {
  it('is used by every process that had the old one open, beside those that come', async () => {
    const budget = await budgetOfNow();
    const [old, older] = [await startBackend(budget.target), await startBackend(budget.target)];
    const spend = { do: 'spend', tokens: 10, callers: 1, most: 1 } as const;
    const spent = async (backend: typeof old): Promise<string[]> =>
      (await backend.ask<{ ids: string[] }>(spend)).ids;
    const before = [...(await spent(old)), ...(await spent(older))];
    const backup = await backupOf(budget.target);
    const after = [...(await spent(old)), idOf(await budget.guard.reserve(tokens(10)))];
    const aside = moveAside(budget.target);
    putInPlace(backup, budget.target);
    const fresh = await startBackend(budget.target);
    const first = await spent(fresh);
    const beside = besideOf(budget.target);
    // Each closes the old file as it notices, of which the last one would clear the -wal away.
    const now = [...first, ...(await spent(old)), ...(await spent(older))];
    now.push(idOf(await budget.guard.reserve(tokens(10))), ...(await spent(fresh)));
    expect(besideOf(budget.target)).toEqual(beside);
    expect((await counts(budget.app))['month']).toEqual([0, 70]);
    // What was committed is in the -wal that its writers leave behind.
    await Promise.all([old, older, fresh].map((backend) => backend.kill()));
    expect(await rowsOf(budget.target)).toEqual([...before, ...now]);
    expect(await rowsOf(aside)).toEqual([...before, ...after]);
    expect([integrityOf(budget.target), integrityOf(aside)]).toEqual(['ok', 'ok']);
  });

  it('is not harmed by who closes the old one without having noticed', async () => {
    const budget = await budgetOfNow();
    const old = await openTestApp(budget.target);
    idOf(await budget.guard.reserve(tokens(10)));
    const backup = await backupOf(budget.target);
    await budget.app.close();
    moveAside(budget.target);
    putInPlace(backup, budget.target);
    const fresh = await startBackend(budget.target);
    const spend = { do: 'spend', tokens: 10, callers: 1, most: 3 } as const;
    await fresh.ask(spend);
    const beside = besideOf(budget.target);
    await old.close();
    expect(besideOf(budget.target)).toEqual(beside);
    await fresh.ask(spend);
    await fresh.kill();
    expect(await rowsOf(budget.target)).toHaveLength(7);
    expect(integrityOf(budget.target)).toBe('ok');
  });

  it('decides by the limits in it, also where their revision has the number of others', async () => {
    const budget = await openBudget('sqlite');
    const note = { source: 'test', actor: null, reason: null };
    const hourly = (amount: number) => (settings: Settings) => ({
      ...settings,
      global: { ...settings.global, hourly: amount },
    });
    const backup = await backupOf(budget.target);
    const other = await guardOn(backup, budget.clock, 5_000);
    expect((await other.app.changeLimits(hourly(20), note)).after.revision).toBe(2);
    await other.app.close();
    expect((await budget.app.changeLimits(hourly(1_000), note)).after.revision).toBe(2);
    idOf(await budget.guard.reserve(tokens(21)));
    moveAside(budget.target);
    putInPlace(backup, budget.target);
    expect((await budget.guard.reserve(tokens(21))).reasons).toMatchObject([
      { code: 'window_exceeded', window: 'hour', limit: 20 },
    ]);
  });

  it('over a -wal that is not its own is refused until that is gone', async () => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    idOf(await hasty.guard.reserve(tokens(5)));
    const backup = await backupOf(budget.target);
    idOf(await hasty.guard.reserve(tokens(6)));
    const { url } = budget.target;
    putInPlace(backup, budget.target);
    const whole = readFileSync(url);
    expect(await deniedOf(hasty, TIMEOUT_MS)).toMatch(
      /was replaced .* the one before, which would damage it: remove \S+-wal and \S+-shm$/,
    );
    expect(readFileSync(url).equals(whole)).toBe(true);
    remove(budget.target, ['-wal']);
    expect(await deniedOf(hasty, TIMEOUT_MS)).toContain('was replaced');
    remove(budget.target, ['-shm']);
    idOf(await hasty.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([0, 12]);
    expect(integrityOf(budget.target)).toBe('ok');
  });

  it('and is still on its way is waited for until it is whole', async () => {
    const budget = await openBudget('sqlite');
    idOf(await budget.guard.reserve(tokens(5)));
    const backup = readFileSync((await backupOf(budget.target)).url);
    moveAside(budget.target);
    writeFileSync(budget.target.url, backup.subarray(0, backup.length / 2));
    let answered = false;
    const waiting = budget.guard.reserve(tokens(7)).finally(() => (answered = true));
    await expect(budget.app.status()).rejects.toMatchObject({
      code: 'ledger_unavailable',
      message: expect.stringContaining('is damaged') as string,
    });
    expect(answered).toBe(false);
    writeFileSync(budget.target.url, backup);
    idOf(await waiting);
    expect((await counts(budget.app))['month']).toEqual([0, 12]);
    expect(integrityOf(budget.target)).toBe('ok');
  });
});

describe('an SQLite file in whose place was put', () => {
  const latest = (path: string): string => readSqliteSchema(path).applied.at(-1)!;
  const change = (path: string, text: string, ...values: string[]): void => {
    const database = new Sqlite(path);
    database.prepare(text).run(...values);
    database.close();
  };

  it.each([
    [
      'what is no database',
      (path: string) => writeFileSync(path, 'nothing of the kind, '.repeat(100)),
      'is no SQLite database',
      'ledger_unavailable',
    ],
    [
      'an empty file',
      (path: string) => writeFileSync(path, ''),
      'has no tables of tokenctl',
      'database_not_migrated',
    ],
    [
      'a ledger of an older version',
      (path: string) =>
        change(path, 'DELETE FROM _prisma_migrations WHERE migration_name = ?', latest(path)),
      'lacks 1 migration(s) of this version',
      'database_not_migrated',
    ],
    [
      'a ledger of a newer version',
      (path: string) =>
        change(
          path,
          `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
           VALUES ('later', '', ?, CURRENT_TIMESTAMP)`,
          '29990101000000_later',
        ),
      'was migrated by a newer tokenctl',
      'database_newer',
    ],
  ])('%s: denies, saying so, until the ledger is back', async (_, make, message, code) => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    idOf(await hasty.guard.reserve(tokens(5)));
    const other = (await backupOf(budget.target)).url;
    make(other);
    const bytes = readFileSync(other);
    const aside = moveAside(budget.target);
    copyFileSync(other, budget.target.url);
    const denied = await hasty.guard.reserve(tokens(10));
    expect(denied).toMatchObject({ admitted: false, reasons: [{ code: 'ledger_unavailable' }] });
    expect(denied.reasons[0]!.message).toContain(message);
    await expect(hasty.app.status()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    expect(readFileSync(budget.target.url).equals(bytes)).toBe(true);
    moveBack(aside, budget.target);
    idOf(await hasty.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([0, 12]);
  });
});

describe('the -wal or -shm of an SQLite file in use', () => {
  it.each(['-wal', '-shm'])('%s: moved away denies until it is back', async (end) => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    idOf(await hasty.guard.reserve(tokens(5)));
    const file = budget.target.url + end;
    const away = join(temporaryDirectory(), 'away');
    renameSync(file, away);
    const message = await deniedOf(hasty, TIMEOUT_MS);
    expect(message).toContain(`${file} was moved, removed or replaced while it was in use`);
    expect(message).toMatch(/put it back, or stop every process that has the database open$/);
    renameSync(away, file);
    idOf(await hasty.guard.reserve(tokens(7)));
    expect((await counts(budget.app))['month']).toEqual([0, 12]);
  });

  it('removed: what was in them is in the database when the last process has closed it', async () => {
    const budget = await openBudget('sqlite');
    const hasty = await budget.another(budget.clock, TIMEOUT_MS);
    const id = idOf(await hasty.guard.reserve(tokens(5)));
    remove(budget.target, ['-wal', '-shm']);
    expect(await deniedOf(hasty, TIMEOUT_MS)).toContain('was moved, removed or replaced');
    await Promise.all([hasty.app.close(), budget.app.close()]);
    expect(await rowsOf(budget.target)).toEqual([id]);
    expect(integrityOf(budget.target)).toBe('ok');
  });
});

describe('a process that stays, whose SQLite file is replaced', () => {
  it('serve: is not ready and denies while it is away; then it serves what lies there', async () => {
    const { api, ask, target, guard } = await openApi('sqlite');
    const reservation = { aiType: 'imperium', estimate: { input: 10, output: 0 } };
    idOf(await guard.reserve(tokens(10)));
    const backup = await backupOf(target);
    expect((await ask('/api/v1/reservations', { body: reservation })).status).toBe(201);
    expect((await ask('/readyz')).status).toBe(200);
    const aside = moveAside(target);
    const lost = await ask('/readyz');
    // It is open to strangers.
    expect([lost.status, JSON.stringify(lost.body)]).toEqual([
      503,
      expect.not.stringContaining(target.url),
    ]);
    await api.prints('stderr', /can't be reached: [^]*is gone: it was moved or deleted/);
    moveBack(aside, target);
    expect((await ask('/readyz')).status).toBe(200);
    await api.prints('stderr', 'the database answers again');
    moveAside(target);
    putInPlace(backup, target);
    expect((await ask('/readyz')).status).toBe(200);
    expect((await ask('/api/v1/reservations', { body: reservation })).status).toBe(201);
    expect(await rowsOf(target)).toHaveLength(2);
    expect((await ask('/api/v1/status')).body).toMatchObject({ windows: [{ held: 20 }, {}, {}] });
    api.child.kill('SIGTERM');
    expect((await api.done).code).toBe(0);
  });

  it('monitor: is lost while it is away, and looks at what lies there afterwards', async () => {
    const budget = await budgetOfNow();
    const { target } = budget;
    const backup = await backupOf(target);
    idOf(await budget.guard.reserve(tokens(10)));
    const held = (tokensHeld: number) => `"held":${String(tokensHeld)},"limit"`;
    const args = ['monitor', '--interval', '1', '--json', '--database', target.url];
    const running = startCli(temporaryCli(), args);
    await running.prints('stdout', held(10));
    moveAside(target);
    await running.prints('stdout', /is gone: it was moved or deleted/);
    putInPlace(backup, target);
    const fresh = await startBackend(target);
    await fresh.ask({ do: 'spend', tokens: 30, callers: 1, most: 1 });
    await running.prints('stdout', held(30));
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
  });
});
