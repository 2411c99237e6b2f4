import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { foreignClient } from '../support/foreign-client.ts';
import { until } from '../support/processes.ts';

const GUARDS = `FROM pg_stat_activity WHERE application_name = 'tokenctl' AND datname = current_database()`;

/** Ends the guards' sessions as an administrator would; how many there were. */
async function terminate(target: DatabaseTarget): Promise<number> {
  const [row] = await sql(
    target,
    `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) AS many ${GUARDS}`,
  );
  return Number(row!['many']);
}

describe('a guard whose connection an administrator ends (pg_terminate_backend)', () => {
  it('while it is idle: neither a reserve, a settle, a check nor a status notices', async () => {
    const { target, app, guard } = await openBudget('postgresql');
    const id = idOf(await guard.reserve(tokens(10)));
    const untilGone = async (): Promise<void> => {
      expect(await terminate(target)).toBe(1);
      await until(async () => (await sql(target, `SELECT pid ${GUARDS}`)).length === 0);
    };
    await untilGone();
    idOf(await guard.reserve(tokens(20)));
    await untilGone();
    expect((await guard.check(tokens(1))).admitted).toBe(true);
    await untilGone();
    expect(await counts(app)).toEqual(everywhere(0, 30));
    await untilGone();
    await guard.settle(id, { inputTokens: 7, outputTokens: 0 });
    expect(await counts(app)).toEqual(everywhere(7, 20));
  });

  it('while it waits for the lock: it waits again, and what was asked is admitted once', async () => {
    const { target, app, guard } = await openBudget('postgresql');
    const other = await foreignClient(target);
    await other.query('BEGIN');
    await other.query(
      `SELECT pg_advisory_xact_lock(hashtextextended('tokenctl.' || current_schema(), 0))`,
    );
    const waiting = Promise.all([1, 2, 3].map((n) => guard.reserve(tokens(n * 10))));
    for (let times = 0; times < 3; times += 1) {
      await until(
        async () =>
          (await sql(target, `SELECT pid ${GUARDS} AND wait_event = 'advisory'`)).length > 0,
      );
      expect(await terminate(target)).toBe(1);
    }
    await other.query('COMMIT');
    (await waiting).forEach(idOf);
    expect(await counts(app)).toEqual(everywhere(0, 60));
    expect(await sql(target, 'SELECT id FROM token_usage_logs')).toHaveLength(3);
  });

  it('at random moments: goes on without a restart, and counts nothing twice', async () => {
    const { target, app, guard } = await openBudget('postgresql');
    const ids: string[] = [];
    let terminated = 0;
    const spending = { go: true };
    const caller = async (): Promise<void> => {
      while (spending.go) ids.push(idOf(await guard.reserve(tokens(10))));
    };
    const callers = Array.from({ length: 8 }, caller);
    while (terminated < 15 || ids.length < 40) {
      terminated += await terminate(target);
      await systemRuntime.sleep(Math.random() * 40);
    }
    spending.go = false;
    await Promise.all(callers);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await counts(app)).toEqual(everywhere(0, ids.length * 10));
    expect(await sql(target, 'SELECT id FROM token_usage_logs')).toHaveLength(ids.length);
    for (const id of ids.slice(0, 20)) await guard.release(id);
    expect(await counts(app)).toEqual(everywhere(0, (ids.length - 20) * 10));
  });
});
