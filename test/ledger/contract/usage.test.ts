import { describe, expect, it } from 'vitest';
import { usageQuery, type UsageRequest } from '../../../src/budget/usage-query.ts';
import type { UsageReport } from '../../../src/ledger/usage.ts';
import { idOf, openBudget, sql, tokens, type Budget } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

/** A row of another program; null names nothing. */
async function logged(
  { target }: Budget,
  at: string,
  used: number,
  names: { aiType?: string; model?: string | null; requestType?: string | null } = {},
): Promise<void> {
  const { aiType = 'guardian', model = null, requestType = null } = names;
  await sql(
    target,
    `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, created_at, model_used, request_type)
     VALUES (?, ?, 1, ?, ?, ?, ?)`,
    [aiType, used - 1, used, at, model, requestType],
  );
}

const usageOf = ({ app, clock }: Budget, request: UsageRequest): Promise<UsageReport> =>
  app.usage(usageQuery(request, clock.nowMs(), '--'));

describe.each(DATABASES)('usage on %s', (kind) => {
  it('is grouped by names and times, and filtered', async () => {
    const budget = await openBudget(kind);
    await logged(budget, '2025-06-14 10:10:00', 10, { model: 'm1', requestType: 'sdk' });
    await logged(budget, '2025-06-14 10:50:00', 20, { model: 'm1' });
    await logged(budget, '2025-06-15 11:00:00', 400);
    await logged(budget, '2025-06-15 11:00:00', 3_000, { aiType: 'No Name', model: '' });
    const rows = async (request: UsageRequest) =>
      (await usageOf(budget, request)).rows.map(
        ({ aiType, model, requestType, hour, day, used }) => [
          ...[hour ?? day, aiType, model, requestType].filter((name) => name !== undefined),
          used,
        ],
      );
    expect(await rows({})).toEqual([
      ['unknown', 3_000],
      ['guardian', 430],
    ]);
    expect(await rows({ by: ['model'], sort: 'key' })).toEqual([
      [null, 3_400],
      ['m1', 30],
    ]);
    expect(await rows({ by: ['hour', 'request-type'], aiType: 'guardian' })).toEqual([
      ['2025-06-14T10', null, 20],
      ['2025-06-14T10', 'sdk', 10],
      ['2025-06-15T11', null, 400],
    ]);
    expect(await rows({ by: ['day'], model: 'm1', requestType: 'sdk' })).toEqual([
      ['2025-06-14', 10],
    ]);
    const day = { sinceMs: Date.parse('2025-06-14'), untilMs: Date.parse('2025-06-15') };
    expect(await rows({ ...day, by: ['ai-type'] })).toEqual([['guardian', 30]]);
    expect(await rows({ month: '2025-05' })).toEqual([]);
    const { rows: whole } = await usageOf(budget, { aiType: 'guardian' });
    expect(whole).toEqual([
      {
        aiType: 'guardian',
        ...{ inputTokens: 427, outputTokens: 3, used: 430, requests: 3, failed: 0, denied: 0 },
        percent: 100,
        firstHour: '2025-06-14T10:00:00.000Z',
        lastHour: '2025-06-15T11:00:00.000Z',
      },
    ]);
  });

  it('has no open hold, but its request; one that is due as used, with its model', async () => {
    const budget = await openBudget(kind);
    const { guard, clock } = budget;
    await guard.reserve({ ...tokens(70, 30), model: 'm1' });
    const open = await usageOf(budget, { by: ['model'] });
    expect(open.rows).toMatchObject([{ model: 'm1', used: 0, requests: 1 }]);
    clock.advance(3_600_000);
    const due = await usageOf(budget, { by: ['hour', 'model'] });
    expect(due.rows).toMatchObject([
      { hour: '2025-06-15T12', model: 'm1', inputTokens: 70, used: 100, requests: 1 },
    ]);
    expect(due.total).toEqual(due.usage);
  });

  it('keeps what a reset took on a line of its own, of the window that was reset', async () => {
    const budget = await openBudget(kind);
    const { app, guard } = budget;
    await logged(budget, '2025-06-14 10:00:00', 1_000, { aiType: 'imperium' });
    await guard.settle(idOf(await guard.reserve(tokens(50))), { inputTokens: 40, outputTokens: 2 });
    const reset = { aiTypes: ['imperium'], actor: null, reason: 'test', dryRun: false } as const;
    await app.reset({ ...reset, window: 'day' });
    const month = await usageOf(budget, { by: ['day', 'ai-type'] });
    expect(month.adjustments).toMatchObject({ used: 0, requests: 0 });
    expect(month.total.used).toBe(1_042);
    const today = { sinceMs: Date.parse('2025-06-15'), by: ['ai-type'] };
    const day = await usageOf(budget, today);
    expect(day.usage).toMatchObject({ used: 42, requests: 1 });
    expect(day.adjustments).toMatchObject({ used: -42, requests: -1 });
    expect(day.adjustmentsByAiType).toEqual([{ aiType: 'imperium', ...day.adjustments }]);
    expect(day.total).toMatchObject({ used: 0, requests: 0 });
    const model = await usageOf(budget, { ...today, model: 'm1' });
    expect([model.adjustments, model.adjustmentsByAiType]).toEqual([null, []]);
    await app.undoReset(1, { actor: null, reason: null, dryRun: false });
    expect((await usageOf(budget, today)).adjustments).toMatchObject({ used: 0, requests: 0 });
  });

  it('of many names is bounded: with a limit the others are one row', async () => {
    const budget = await openBudget(kind);
    const names =
      kind === 'sqlite'
        ? 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) SELECT i FROM n'
        : 'SELECT i FROM generate_series(1, 10001) AS n (i)';
    await sql(
      budget.target,
      `INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens, created_at, model_used)
       SELECT 'guardian', i, i, '2025-06-15 10:00:00', 'm' || i FROM (${names}) AS n`,
    );
    await expect(usageOf(budget, { by: ['model'] })).rejects.toThrow(
      '--by: the answer has 10001 rows, and at most 10000 are given',
    );
    const { rows, other, total } = await usageOf(budget, { by: ['model'], limit: 2 });
    expect(rows).toMatchObject([
      { model: 'm10001', used: 10_001 },
      { model: 'm10000', used: 10_000 },
    ]);
    expect(other).toMatchObject({ rows: 9_999, requests: 9_999, used: (9_999 * 10_000) / 2 });
    expect(total.used).toBe((10_001 * 10_002) / 2);
  });
});
