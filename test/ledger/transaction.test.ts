import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import { foreignClient } from '../support/foreign-client.ts';
import { until } from '../support/processes.ts';

/** Another process in the middle of a transaction of the ledger. */
interface Holder {
  run(statement: string): Promise<unknown>;
  /** Resolves when somebody waits for the lock. On SQLite nobody does: it is tried again and again. */
  awaited(): Promise<void>;
  commit(): Promise<unknown>;
}

const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('tokenctl.' || current_schema(), 0))`;
const WAITING = `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

async function holdLock(target: DatabaseTarget): Promise<Holder> {
  if (target.kind === 'sqlite') {
    const database = new Sqlite(target.url);
    onTestFinished(() => {
      database.close();
    });
    database.exec('BEGIN IMMEDIATE');
    return {
      run: async (statement) => database.exec(statement),
      awaited: async () => undefined,
      commit: async () => database.exec('COMMIT'),
    };
  }
  const client = await foreignClient(target);
  await client.query('BEGIN');
  await client.query(LOCK);
  return {
    run: (statement) => client.query(statement),
    awaited: () => until(async () => (await client.query<{ n: number }>(WAITING)).rows[0]!.n > 0),
    commit: () => client.query('COMMIT'),
  };
}

/** Lets every row in, and refuses the transaction at its COMMIT. */
const REFUSE_AT_COMMIT: Record<DatabaseName, string[]> = {
  sqlite: [
    'CREATE TABLE audits (id INTEGER PRIMARY KEY)',
    'CREATE TABLE audited (id INTEGER REFERENCES audits DEFERRABLE INITIALLY DEFERRED)',
    'CREATE TRIGGER refuse AFTER INSERT ON token_usage_logs BEGIN INSERT INTO audited VALUES (1); END',
  ],
  postgresql: [
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'no audit' USING ERRCODE = '23503'; END $$`,
    `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON token_usage_logs
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
  ],
};

describe.each(DATABASES)("the ledger's transaction on %s", (kind) => {
  it('begins no decision before it has the lock', async () => {
    const { app, target } = await openBudget(kind);
    const holder = await holdLock(target);
    let begun = 0;
    const deciding = app.ledger.write(function* () {
      begun += 1;
    });
    await Promise.race([holder.awaited(), deciding]);
    expect(begun).toBe(0);
    await holder.commit();
    await deciding;
    expect(begun).toBe(1);
  });

  it('decides on what was committed while it waited for the lock', async () => {
    const { app, guard, target } = await openBudget(kind, { global: { hourly: 100 } });
    const holder = await holdLock(target);
    await holder.run(
      `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at)
       VALUES ('guardian', '2025-06', 60, 0, 60, '2025-06-15 12:00:00')`,
    );
    const asked = guard.reserve(tokens(41));
    await Promise.race([holder.awaited(), asked]);
    await holder.commit();
    expect((await asked).reasons).toMatchObject([{ window: 'hour', used: 60, requested: 41 }]);
    idOf(await guard.reserve(tokens(40)));
    expect(await counts(app)).toEqual(everywhere(60, 40));
  });

  it('answers nobody before its COMMIT', async () => {
    const { app, guard, target } = await openBudget(kind);
    for (const statement of REFUSE_AT_COMMIT[kind]) await sql(target, statement);
    await expect(guard.reserve(tokens(10))).rejects.toThrow();
    expect(await sql(target, 'SELECT id FROM token_usage_logs')).toEqual([]);
    expect(await counts(app)).toEqual(everywhere(0, 0));
  });
});

describe("a decision's time", () => {
  it('is read while the lock is held on sqlite', async () => {
    const { another, clock, target } = await openBudget('sqlite');
    const other = new Sqlite(target.url, { timeout: 0 });
    onTestFinished(() => {
      other.close();
    });
    const locked: boolean[] = [];
    const isLocked = (): boolean => {
      try {
        other.exec('BEGIN IMMEDIATE; ROLLBACK');
        return false;
      } catch {
        return true;
      }
    };
    const { guard } = await another({
      ...clock,
      nowMs() {
        locked.push(isLocked());
        return clock.nowMs();
      },
    });
    locked.length = 0;
    idOf(await guard.reserve(tokens(1)));
    expect(locked).toEqual([true]);
  });

  it("is the database's, after the wait for the lock, on postgresql", async () => {
    const { another, target } = await openBudget('postgresql');
    const { app } = await another(systemRuntime);
    const holder = await holdLock(target);
    const deciding = app.ledger.write(function* (ops) {
      return ops.nowMs;
    });
    await holder.awaited();
    await holder.run('SELECT pg_sleep(0.02)');
    const [row] = await sql(
      target,
      'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    );
    await holder.commit();
    expect(await deciding).toBeGreaterThanOrEqual(Number(row!['ms']));
  });
});
