import { describe, expect, it } from 'vitest';
import {
  counts,
  everywhere,
  idOf,
  openBudget,
  sql,
  tokens,
  type Budget,
} from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('a hold whose holder vanished on %s', (kind) => {
  const open = (global = {}): Promise<Budget> =>
    openBudget(kind, { global: { reservationTtl: 60, ...global } });
  const states = async ({ target }: Budget) =>
    (await sql(target, 'SELECT state FROM token_usage_logs ORDER BY created_at, id')).map(
      ({ state }) => state,
    );

  it('is held until its time, then charged in full by the next batch', async () => {
    const budget = await open({ hourly: 250 });
    const { app, guard, clock } = budget;
    const verdict = await guard.reserve(tokens(60, 40));
    expect(verdict.reservation?.expiresAt).toBe('2025-06-15T12:31:00.000Z');
    clock.advance(59_999);
    idOf(await guard.reserve(tokens(1)));
    expect(await states(budget)).toEqual(['reserved', 'reserved']);
    clock.advance(1);
    idOf(await guard.reserve(tokens(2)));
    expect(await states(budget)).toEqual(['expired', 'reserved', 'reserved']);
    expect(await counts(app)).toEqual(everywhere(100, 3));
    const [window] = (await app.status()).windows;
    expect(window).toMatchObject({ inputTokens: 60, outputTokens: 40, requests: 3, failed: 1 });
    expect((await guard.reserve(tokens(148))).reasons).toMatchObject([{ used: 100, held: 3 }]);
  });

  it('is shown as used by readers, who write nothing', async () => {
    const budget = await open();
    const { app, guard, clock } = budget;
    idOf(await guard.reserve(tokens(60, 40)));
    clock.advance(60_000);
    expect(await counts(app)).toEqual(everywhere(100, 0));
    expect(await counts(app, 'imperium')).toEqual(everywhere(100, 0));
    const status = await app.status();
    expect(status.windows[0]).toMatchObject({ inputTokens: 60, outputTokens: 40 });
    expect(status.aiTypes).toMatchObject([{ aiType: 'imperium', used: 100, held: 0 }]);
    expect(await states(budget)).toEqual(['reserved']);
    const [row] = await sql(
      budget.target,
      `SELECT used, held FROM usage_windows WHERE scope_kind = 'global' AND window_kind = 'month'`,
    );
    if (row !== undefined) expect(row).toMatchObject({ held: kind === 'sqlite' ? 100 : '100' });
  });

  it('is used in the arithmetic of a check, as in that of a reserve', async () => {
    const budget = await open({ hourly: 150 });
    const { guard, clock } = budget;
    idOf(await guard.reserve(tokens(60, 40)));
    clock.advance(60_000);
    const checked = await guard.check(tokens(51));
    expect(checked.reasons).toMatchObject([{ window: 'hour', used: 100, held: 0 }]);
    expect(await states(budget)).toEqual(['reserved']);
    expect((await guard.reserve(tokens(51))).reasons).toEqual(checked.reasons);
  });

  it('is charged in the month that it was reserved in', async () => {
    const { app, guard, clock } = await openBudget(kind, {
      start: '2025-12-31T23:59:30Z',
      global: { reservationTtl: 60 },
    });
    idOf(await guard.reserve(tokens(100)));
    clock.set('2026-01-01T00:00:30Z');
    expect((await app.status({ month: '2025-12' })).windows).toMatchObject([
      { used: 100, held: 0 },
    ]);
    idOf(await guard.reserve(tokens(5)));
    expect((await app.status({ month: '2025-12' })).windows).toMatchObject([
      { used: 100, held: 0 },
    ]);
    expect(await counts(app)).toEqual(everywhere(0, 5));
  });

  it.each([
    ['below', 20],
    ['above', 150],
  ])('is corrected by a late settle %s it', async (_, used) => {
    const { app, guard, clock } = await open();
    const id = idOf(await guard.reserve(tokens(100)));
    clock.advance(61_000);
    idOf(await guard.reserve(tokens(1)));
    expect(await counts(app)).toEqual(everywhere(100, 1));
    const ending = await guard.settle(id, { inputTokens: used, outputTokens: 0 });
    expect(ending).toEqual({ id, state: 'settled', charged: used });
    expect(await counts(app)).toEqual(everywhere(used, 1));
    expect((await app.status()).windows[0]).toMatchObject({ failed: 0 });
  });

  it('stays charged where its usage is unknown, and is freed where the provider charged nothing', async () => {
    const { app, guard, clock } = await open();
    const unknown = idOf(await guard.reserve(tokens(100)));
    const free = idOf(await guard.reserve(tokens(30)));
    clock.advance(61_000);
    expect(await guard.settle(unknown, { unknown: true })).toEqual({
      id: unknown,
      state: 'expired',
      charged: 100,
    });
    expect(await guard.release(free)).toEqual({ id: free, state: 'released', charged: 0 });
    expect(await counts(app)).toEqual(everywhere(100, 0));
  });

  it('of its own ttlSeconds lives that long', async () => {
    const { app, guard, clock } = await open();
    idOf(await guard.reserve({ ...tokens(100), ttlSeconds: 5 }));
    idOf(await guard.reserve({ ...tokens(10), ttlSeconds: 600 }));
    clock.advance(5_000);
    expect(await counts(app)).toEqual(everywhere(100, 10));
  });

  it('is one of more than one batch charges: the rest stays held until the next ones', async () => {
    const { app, guard, clock, target } = await open({ hourly: 700 });
    await Promise.all(Array.from({ length: 300 }, () => guard.reserve(tokens(2))));
    clock.advance(60_000);
    expect(await counts(app)).toEqual(everywhere(600, 0));
    const denied = await guard.reserve(tokens(101));
    expect(denied).toMatchObject({ admitted: false, largestAdmissible: 100 });
    expect(denied.reasons).toMatchObject([{ used: 512, held: 88 }]);
    idOf(await guard.reserve(tokens(100)));
    expect(
      await sql(target, `SELECT count(*) AS many FROM token_usage_logs WHERE state = 'expired'`),
    ).toMatchObject([{ many: kind === 'sqlite' ? 300 : '300' }]);
    expect(await counts(app)).toEqual(everywhere(600, 100));
  });
});
