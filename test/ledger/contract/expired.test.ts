import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EXPIRED, readExpired, type ExpiredRequests } from '../../../src/ledger/expired.ts';
import { byNumber } from '../../../src/ledger/postgres-statements.ts';
import { postgresTarget } from '../../../src/ledger/postgres-url.ts';
import { connectPostgres } from '../../../src/ledger/postgres.ts';
import { step } from '../../../src/ledger/steps.ts';
import { idOf, openBudget, sql, tokens, type Budget } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

/** Those of each AI type added up: `{ imperium: [month, day, hour] }`. */
async function expired({ app }: Budget): Promise<Record<string, number[]>> {
  const read = await app.ledger.read(function* (ops) {
    return yield* readExpired(ops, yield* step(ops.dueHolds()));
  });
  const sums: Record<string, number[]> = {};
  const amounts = ({ month, day, hour }: ExpiredRequests) => [month, day, hour];
  for (const each of read) {
    const before = sums[each.aiType] ?? [0, 0, 0];
    sums[each.aiType] = amounts(each).map((requests, index) => requests + before[index]!);
  }
  return sums;
}

/** How the ledger's session runs the statement, in the database's words. */
async function planner({ target }: Budget): Promise<() => Promise<string>> {
  if (target.kind === 'sqlite') {
    const database = new Sqlite(target.url);
    onTestFinished(() => {
      database.close();
    });
    return () => {
      const planned = database.prepare(`EXPLAIN QUERY PLAN ${EXPIRED.sql}`);
      const steps = planned.all({ month: 0, day: 0, hour: 0 }) as { detail: string }[];
      return Promise.resolve(steps.map(({ detail }) => detail).join('\n'));
    };
  }
  const client = await connectPostgres(postgresTarget(target.url), 5_000);
  onTestFinished(() => client.end());
  await client.query(`PREPARE expired (bigint, bigint, bigint) AS ${byNumber(EXPIRED.sql, {})[0]}`);
  return async () => {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      'EXPLAIN EXECUTE expired (0, 0, 0)',
    );
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
}

describe.each(DATABASES)('expired requests on %s', (kind) => {
  const open = (start = '2025-06-15T12:30:00Z'): Promise<Budget> =>
    openBudget(kind, { start, global: { reservationTtl: 60 } });
  /** A batch of a guard, which charges what is due. */
  const charge = async ({ guard }: Budget): Promise<void> => {
    await guard.release(idOf(await guard.reserve(tokens(1, 0, 'other'))));
  };

  it('count from the time that the hold is due, and once, before and after it is charged', async () => {
    const budget = await open();
    idOf(await budget.guard.reserve(tokens(10)));
    idOf(await budget.guard.reserve(tokens(10, 0, 'guardian')));
    idOf(await budget.guard.reserve({ ...tokens(10), ttlSeconds: 3_600 }));
    budget.clock.advance(59_999);
    expect(await expired(budget)).toEqual({});
    budget.clock.advance(1);
    const both = { imperium: [1, 1, 1], guardian: [1, 1, 1] };
    expect(await expired(budget)).toEqual(both);
    await charge(budget);
    expect(
      await sql(budget.target, `SELECT state FROM token_usage_logs WHERE state = 'expired'`),
    ).toHaveLength(2);
    expect(await expired(budget)).toEqual(both);
  });

  it('are read without being charged', async () => {
    const budget = await open();
    idOf(await budget.guard.reserve(tokens(10)));
    budget.clock.advance(60_000);
    expect(await expired(budget)).toEqual({ imperium: [1, 1, 1] });
    expect(await sql(budget.target, 'SELECT state FROM token_usage_logs')).toEqual([
      { state: 'reserved' },
    ]);
  });

  it.each(['charged', 'due'])(
    'count in the windows that they were reserved in, %s',
    async (how) => {
      const budget = await open('2025-06-30T21:59:30Z');
      const turn = async (time: string) => {
        budget.clock.set(time);
        if (how === 'charged') await charge(budget);
        return (await expired(budget))['imperium'] ?? [0, 0, 0];
      };
      idOf(await budget.guard.reserve(tokens(10)));
      expect(await turn('2025-06-30T22:00:30Z')).toEqual([1, 1, 0]);
      if (how === 'due') idOf(await budget.guard.reserve({ ...tokens(10), ttlSeconds: 86_400 }));
      budget.clock.set('2025-06-30T23:59:30Z');
      idOf(await budget.guard.reserve(tokens(10)));
      expect(await turn('2025-07-01T00:00:30Z')).toEqual([0, 0, 0]);
    },
  );

  it('of a batch are as many as it has items', async () => {
    const budget = await open();
    const items = [1, 2, 3].map((input) => ({ input, output: 0 }));
    idOf(await budget.guard.reserve({ aiType: 'imperium', estimate: { items } }));
    budget.clock.advance(60_000);
    expect(await expired(budget)).toEqual({ imperium: [3, 3, 3] });
    await charge(budget);
    expect(await expired(budget)).toEqual({ imperium: [3, 3, 3] });
  });

  it('are none any more once they are settled or released late', async () => {
    const budget = await open();
    const settled = idOf(await budget.guard.reserve(tokens(10)));
    const released = idOf(await budget.guard.reserve(tokens(10)));
    const unknown = idOf(await budget.guard.reserve(tokens(10)));
    budget.clock.advance(60_000);
    await charge(budget);
    expect(await expired(budget)).toEqual({ imperium: [3, 3, 3] });
    await budget.guard.settle(settled, { inputTokens: 1, outputTokens: 1 });
    await budget.guard.release(released);
    await budget.guard.settle(unknown, { unknown: true });
    expect(await expired(budget)).toEqual({ imperium: [1, 1, 1] });
  });

  it('are found by their own index alone, in an empty log and in one that has grown since', async () => {
    const budget = await open();
    const plan = await planner(budget);
    const byIndex =
      kind === 'sqlite'
        ? 'USING COVERING INDEX token_usage_logs_expired_idx (counted_at_ms>?)'
        : 'token_usage_logs_expired_idx';
    expect(await plan()).toContain(byIndex);
    await sql(
      budget.target,
      `INSERT INTO token_usage_logs (ai_type, total_tokens, state, created_at)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
       SELECT 'imperium', 1, CASE WHEN i % 1000 = 0 THEN 'expired' ELSE 'settled' END, '2025-06-15 12:00:00' FROM n`,
    );
    expect(await plan()).toContain(byIndex);
    await sql(budget.target, 'ANALYZE token_usage_logs');
    expect(await plan()).toContain(byIndex);
    expect(await expired(budget)).toEqual({ imperium: [5, 5, 5] });
  });
});
