import { describe, expect, it } from 'vitest';
import { EVERYTHING, findRequest, LogFollower, readLog } from '../../../src/ledger/log.ts';
import type { LogEntry, LogFilter } from '../../../src/ledger/port.ts';
import { foreignLog, idOf, openBudget, sql, tokens, type Budget } from '../../support/budget.ts';
import { DATABASES, type DatabaseName } from '../../support/databases.ts';

/** So many rows a second and more apart, without the guard, in one statement. */
async function manyRows(
  { target }: Budget,
  kind: DatabaseName,
  many: number,
  failedEach: number,
): Promise<void> {
  const at =
    kind === 'sqlite'
      ? "strftime('%Y-%m-%d %H:%M:%f000', '2025-06-01', '+' || n || ' seconds')"
      : "timestamp '2025-06-01' + n * interval '1 second'";
  const numbers =
    kind === 'sqlite'
      ? `WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < ${String(many)})`
      : `WITH s(n) AS (SELECT generate_series(0, ${String(many - 1)}))`;
  await sql(
    target,
    `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at, success, request_id)
     ${numbers} SELECT 'guardian', '2025-06', 1, 0, 1, ${at}, n % ${String(failedEach)} <> 0, 'r' || n FROM s`,
  );
}

describe.each(DATABASES)('the log on %s', (kind) => {
  const read = (budget: Budget, filter: Partial<LogFilter> = {}, limit = 100, rest = {}) =>
    readLog(budget.app.ledger, {
      filter: { ...EVERYTHING, ...filter },
      sinceMs: null,
      untilMs: null,
      limit,
      ...rest,
    });
  const states = (entries: readonly LogEntry[]) => entries.map(({ state }) => state);

  /** One request of each state, a second apart. */
  async function oneOfEach(): Promise<Budget> {
    const budget = await openBudget(kind, { global: { request: 500, reservationTtl: 60 } });
    const { guard, clock, target } = budget;
    idOf(await guard.reserve({ ...tokens(30, 10), requestId: 'due' }));
    clock.advance(60_000);
    await guard.settle(idOf(await guard.reserve({ ...tokens(40, 20), model: 'claude' })), {
      inputTokens: 40,
      outputTokens: 5,
    });
    clock.advance(1_000);
    await guard.release(idOf(await guard.reserve(tokens(9, 0, 'sandbox'))), { error: 'HTTP 529' });
    clock.advance(1_000);
    await guard.reserve({ ...tokens(501), requestId: 'big' });
    clock.advance(1_000);
    await sql(
      target,
      `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at, success, error_message)
       VALUES ('guardian', '2025-06', 7, 1, 8, '2025-06-15 12:31:03', false, 'cut')`,
    );
    clock.advance(1_000);
    idOf(await guard.reserve({ ...tokens(8, 3), requestId: 'open' }));
    return budget;
  }

  it('has every state with its tokens, the newest last', async () => {
    const budget = await oneOfEach();
    const entries = await read(budget);
    expect(entries).toMatchObject([
      { state: 'expired', charged: 40, reservedTokens: 40, requestId: 'due' },
      {
        state: 'settled',
        tokensIn: 40,
        tokensOut: 5,
        charged: 45,
        reservedTokens: 60,
        model: 'claude',
      },
      { state: 'released', charged: 0, error: 'HTTP 529', aiType: 'sandbox' },
      { state: 'denied', charged: 0, deniedCount: 1, requestId: 'big' },
      { state: 'failed', charged: 8, error: 'cut', aiType: 'guardian', reservedTokens: 0 },
      { state: 'held', charged: 0, reservedTokens: 11, reservedInputTokens: 8 },
    ]);
    expect(entries.map(({ atMs }) => atMs)).toEqual(
      entries.map(({ atMs }) => atMs).toSorted((a, b) => a - b),
    );
    expect(JSON.parse(entries[3]!.verdict!)).toMatchObject({ admitted: false });
    expect(entries[5]!.expiresAtMs).toBe(entries[5]!.atMs + 60_000);
    expect(entries[1]!.endedAtMs).toBe(entries[1]!.atMs);
  });

  it('shows a hold past its time as expired, before any guard has charged it', async () => {
    const budget = await openBudget(kind, { global: { reservationTtl: 60 } });
    idOf(await budget.guard.reserve(tokens(30, 10)));
    expect(states(await read(budget))).toEqual(['held']);
    budget.clock.advance(60_000);
    const due = { state: 'expired', charged: 40, tokensIn: 30, tokensOut: 10 };
    expect(await read(budget)).toMatchObject([due]);
    expect(states(await read(budget, { state: 'held' }))).toEqual([]);
    expect(states(await read(budget, { failed: true }))).toEqual(['expired']);
  });

  it('is filtered by AI type, state, model, name and failure, and by time', async () => {
    const budget = await oneOfEach();
    expect(states(await read(budget, { aiType: 'sandbox' }))).toEqual(['released']);
    for (const state of ['held', 'settled', 'failed', 'released', 'expired', 'denied'] as const) {
      expect(states(await read(budget, { state }))).toEqual([state]);
    }
    expect(states(await read(budget, { model: 'claude' }))).toEqual(['settled']);
    expect(states(await read(budget, { name: 'big' }))).toEqual(['denied']);
    const failed = await read(budget, { failed: true });
    expect(states(failed)).toEqual(['expired', 'released', 'failed']);
    const counted = (await budget.app.status()).windows[0]!.failed;
    expect(counted).toBe(failed.length);
    const [first, second, third] = await read(budget);
    const between = { sinceMs: second!.atMs, untilMs: third!.atMs };
    expect(states(await read(budget, {}, 100, between))).toEqual(['settled']);
    expect(first!.atMs).toBeLessThan(second!.atMs);
    expect(states(await read(budget, {}, 2))).toEqual(['failed', 'held']);
  });

  it('of many rows is read whole, in pages, however few match', async () => {
    const budget = await openBudget(kind);
    await manyRows(budget, kind, 45_000, 15_000);
    const failed = await read(budget, { failed: true });
    expect(failed.map(({ requestId }) => requestId)).toEqual(['r0', 'r15000', 'r30000']);
    expect(await read(budget, { failed: true }, 2)).toEqual(failed.slice(1));
    const newest = await read(budget, {}, 10_000);
    expect(newest).toHaveLength(10_000);
    expect(newest[0]!.requestId).toBe('r35000');
    expect(newest.at(-1)!.requestId).toBe('r44999');
    expect(await findRequest(budget.app.ledger, 'r3')).toMatchObject({ count: 1 });
    expect(await findRequest(budget.app.ledger, 'none')).toBeNull();
  });

  it('finds a request by id, request id and key: the newest, and how many', async () => {
    const budget = await openBudget(kind, { global: { request: 500 } });
    const { guard, clock, app } = budget;
    await guard.reserve({ ...tokens(501), requestId: 'same' });
    clock.advance(1_000);
    const id = idOf(await guard.reserve({ ...tokens(50), requestId: 'same' }));
    idOf(await guard.reserve({ ...tokens(50), idempotencyKey: 'a-key' }));
    const find = (name: string) => findRequest(app.ledger, name);
    expect(await find('same')).toMatchObject({ count: 2, entry: { id, state: 'held' } });
    expect(await find(id)).toMatchObject({ count: 1, entry: { requestId: 'same' } });
    expect(await find('a-key')).toMatchObject({ count: 1, entry: { idempotencyKey: 'a-key' } });
    expect(await find("'; DROP TABLE token_usage_logs; --")).toBeNull();
  });

  it('is followed: each request once, also what was committed late', async () => {
    const budget = await openBudget(kind);
    const { app, target, clock } = budget;
    const follower = new LogFollower(EVERYTHING);
    const next = async (): Promise<number[]> => {
      const all: number[] = [];
      for await (const entries of follower.next(app.ledger)) {
        all.push(...entries.map(({ charged }) => charged));
      }
      return all;
    };
    await foreignLog(target, '2025-06-15 12:00:00', 1);
    await foreignLog(target, '2025-06-15 12:29:59', 2);
    await foreignLog(target, '2025-06-15 12:30:00', 3);
    const first = await follower.start(app.ledger, null, 2);
    expect(first.map(({ charged }) => charged)).toEqual([2, 3]);
    expect(await next()).toEqual([]);
    clock.advance(2_000);
    await foreignLog(target, '2025-06-15 12:30:01', 4);
    await foreignLog(target, '2025-06-15 12:30:01', 5);
    expect((await next()).toSorted()).toEqual([4, 5]);
    await foreignLog(target, '2025-06-15 12:25:00', 6);
    await foreignLog(target, '2025-06-15 12:30:01', 7);
    expect(await next()).toEqual([6, 7]);
    expect(await next()).toEqual([]);
    clock.advance(3_600_000);
    await foreignLog(target, '2025-06-15 12:45:00', 8);
    await foreignLog(target, '2025-06-15 13:30:00', 9);
    expect(await next()).toEqual([8, 9]);
    expect(await next()).toEqual([]);
  });

  it('is followed through more rows than it remembers, none twice and none missed', async () => {
    const budget = await openBudget(kind);
    const { app, clock } = budget;
    const follower = new LogFollower(EVERYTHING);
    clock.set('2025-06-01T00:00:00Z');
    await follower.start(app.ledger, null, 20);
    clock.set('2025-06-01T04:00:00Z');
    await manyRows(budget, kind, 12_345, 100);
    const seen: (string | null)[] = [];
    for (let look = 0; look < 3; look += 1) {
      for await (const entries of follower.next(app.ledger)) {
        seen.push(...entries.map(({ requestId }) => requestId));
      }
    }
    expect(seen).toHaveLength(12_345);
    expect(new Set(seen).size).toBe(12_345);
  });
});
