import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/budget/verdict.ts';
import { idOf, openBudget, sql, tokens, type Budget } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('denials on %s', (kind) => {
  const denialRows = ({ target }: Budget) =>
    sql(
      target,
      `SELECT ai_type, denied_count, request_id, verdict FROM token_usage_logs WHERE state = 'denied' ORDER BY created_at, id`,
    );
  const counted = async ({ app }: Budget) =>
    (await app.status()).windows.map(({ denied }) => denied);

  it('are logged with their verdict, no tokens and no key', async () => {
    const budget = await openBudget(kind, { global: { hourly: 50 } });
    const verdict = await budget.guard.reserve({
      ...tokens(51),
      model: 'claude',
      requestId: 'req-1',
    });
    expect(verdict.admitted).toBe(false);
    const [row] = await sql(budget.target, 'SELECT * FROM token_usage_logs');
    expect(row).toMatchObject({
      ai_type: 'imperium',
      state: 'denied',
      request_id: 'req-1',
      idempotency_key: null,
      model_used: 'claude',
      month_year: '2025-06',
      expires_at: null,
      error_message: verdict.reasons[0]!.message,
    });
    expect([row!['tokens_in'], row!['tokens_out'], row!['total_tokens']].map(Number)).toEqual([
      0, 0, 0,
    ]);
    expect(Boolean(row!['success'])).toBe(false);
    expect(JSON.parse(String(row!['verdict'])) as Verdict).toEqual(verdict);
  });

  it('count as denials and as nothing else', async () => {
    const budget = await openBudget(kind, { global: { hourly: 50 } });
    await budget.guard.reserve(tokens(51));
    await budget.guard.reserve(tokens(52, 0, 'guardian'));
    const status = await budget.app.status();
    expect(status.windows[0]).toMatchObject({
      used: 0,
      held: 0,
      requests: 0,
      failed: 0,
      denied: 2,
    });
    expect(status.aiTypes).toMatchObject([{ denied: 1 }, { denied: 1 }]);
    expect(status.lastLogAt).toBeNull();
  });

  it('above ten a second share one row, and are counted exactly', async () => {
    const budget = await openBudget(kind, { global: { hourly: 50 } });
    const { guard, clock } = budget;
    await Promise.all(Array.from({ length: 25 }, () => guard.reserve(tokens(51))));
    await Promise.all(Array.from({ length: 7 }, () => guard.reserve(tokens(51))));
    await guard.reserve(tokens(51, 0, 'guardian'));
    expect(await counted(budget)).toEqual([33, 33, 33]);
    const rows = await denialRows(budget);
    const many = rows
      .filter((row) => row['ai_type'] === 'imperium')
      .map((row) => Number(row['denied_count']));
    expect(many.toSorted((a, b) => a - b)).toEqual([...Array<number>(10).fill(1), 22]);
    clock.advance(1_000);
    await guard.reserve(tokens(51));
    expect(await denialRows(budget)).toHaveLength(rows.length + 1);
    expect(await counted(budget)).toEqual([34, 34, 34]);
  });

  it('of two processes are each counted', async () => {
    const budget = await openBudget(kind, { global: { hourly: 50 } });
    const other = await budget.another();
    await Promise.all(
      Array.from({ length: 60 }, (_, turn) =>
        (turn % 2 === 0 ? budget : other).guard.reserve(tokens(51)),
      ),
    );
    expect(await counted(budget)).toEqual([60, 60, 60]);
  });

  it('do not stand in the way of what passes in the same batch', async () => {
    const budget = await openBudget(kind, { global: { hourly: 50 } });
    const verdicts = await Promise.all(
      [51, 20, 31, 30, 1].map((n) => budget.guard.reserve(tokens(n))),
    );
    expect(verdicts.map(({ admitted }) => admitted)).toEqual([false, true, false, true, false]);
    expect(await counted(budget)).toEqual([3, 3, 3]);
  });

  it('are not logged by a check, whose verdict is that of a reserve', async () => {
    const budget = await openBudget(kind, { global: { hourly: 50, reservationTtl: 60 } });
    const { app, guard, clock } = budget;
    idOf(await guard.reserve(tokens(20)));
    const checked = await guard.check(tokens(31));
    expect(await denialRows(budget)).toEqual([]);
    expect(await guard.reserve(tokens(31))).toEqual(checked);
    expect(await guard.check(tokens(30))).toMatchObject({ admitted: true, reservation: null });
    clock.advance(60_000);
    expect((await guard.check(tokens(31))).largestAdmissible).toBe(30);
    expect((await app.status()).windows[2]).toMatchObject({ used: 20, held: 0, denied: 1 });
  });
});
