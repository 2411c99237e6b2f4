import { describe, expect, it } from 'vitest';
import { counts, everywhere, idOf, openBudget, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('what a window lets pass on %s', (kind) => {
  it.each([
    ['hour', { hourly: 300 }, '2025-06-15T13:00:00.000Z'],
    ['day', { daily: 300 }, '2025-06-16T00:00:00.000Z'],
    ['month', { enforcedMonthly: 300, emergency: 100 }, '2025-07-01T00:00:00.000Z'],
  ] as const)('admits up to the %s limit exactly, then denies', async (window, global, resets) => {
    const { app, guard, clock } = await openBudget(kind, { global });
    idOf(await guard.reserve(tokens(100, 99)));
    const denied = await guard.reserve(tokens(100, 2));
    expect(denied).toMatchObject({
      admitted: false,
      aiType: 'imperium',
      estimate: { input: 100, output: 2, total: 102 },
      retryAt: resets,
      largestAdmissible: 101,
      reservation: null,
      reasons: [
        {
          code: 'window_exceeded',
          scope: 'global',
          window,
          limit: 300,
          used: 0,
          held: 199,
          requested: 102,
          canEverPass: true,
          retryAt: resets,
        },
      ],
    });
    idOf(await guard.reserve(tokens(101)));
    expect(await counts(app)).toEqual(everywhere(0, 300));
    expect((await guard.reserve(tokens(1))).admitted).toBe(false);

    clock.set(Date.parse(resets) - 1);
    expect((await guard.reserve(tokens(1))).admitted).toBe(false);
    clock.set(resets);
    idOf(await guard.reserve(tokens(300)));
  });

  it.each([
    ['hourly', 'hour'],
    ['daily', 'day'],
    ['monthly', 'month'],
  ] as const)("binds an AI type's own %s limit beside the global one", async (key, window) => {
    const { app, guard } = await openBudget(kind, {
      global: { hourly: 250 },
      aiTypes: { imperium: { [key]: 200 } },
    });
    idOf(await guard.reserve(tokens(150)));
    const denied = await guard.reserve(tokens(51));
    expect(denied.reasons).toMatchObject([
      { code: 'window_exceeded', scope: 'imperium', window, limit: 200, used: 0, held: 150 },
    ]);
    expect(denied.largestAdmissible).toBe(50);
    idOf(await guard.reserve(tokens(100, 0, 'guardian')));
    const both = await guard.reserve(tokens(51));
    expect(both.reasons.map(({ scope }) => scope)).toEqual(['global', 'imperium']);
    expect(await counts(app, 'imperium')).toEqual(everywhere(0, 150));
    expect(await counts(app, 'guardian')).toEqual(everywhere(0, 100));
  });

  it('names every rule that a request broke, and changes no usage by denying', async () => {
    const { app, guard } = await openBudget(kind, {
      global: { hourly: 100, daily: 200, enforcedMonthly: 300, request: 50, requestsPerMinute: 1 },
    });
    const id = idOf(await guard.reserve(tokens(50)));
    const before = await app.status();
    const denied = await guard.reserve(tokens(301));
    expect(denied.reasons.map(({ code, window }) => `${code} ${String(window)}`)).toEqual([
      'request_too_large null',
      'window_exceeded month',
      'window_exceeded day',
      'window_exceeded hour',
      'rate_exceeded minute',
    ]);
    expect(denied.retryAt).toBeNull();
    const after = await app.status();
    expect(after.windows.map((window) => ({ ...window, denied: 0 }))).toEqual(before.windows);
    expect(after.rates).toEqual(before.rates);
    expect(after.windows.map(({ denied: many }) => many)).toEqual([1, 1, 1]);
    expect(await guard.release(id)).toEqual({ id, state: 'released', charged: 0 });
  });

  it('decides each request of one batch against those before it', async () => {
    const { app, guard } = await openBudget(kind, { global: { hourly: 1_000 } });
    const verdicts = await Promise.all(
      Array.from({ length: 40 }, () => guard.reserve(tokens(60, 3))),
    );
    expect(verdicts.map(({ admitted }) => admitted)).toEqual(
      Array.from({ length: 40 }, (_, index) => index < 15),
    );
    expect(await counts(app)).toEqual(everywhere(0, 945));
  });

  it('charges a hold to the month, day and hour that it was reserved in', async () => {
    const { app, guard, clock } = await openBudget(kind, {
      start: '2025-02-28T23:59:59.999Z',
      global: { hourly: 500 },
    });
    const settled = idOf(await guard.reserve(tokens(300)));
    const released = idOf(await guard.reserve(tokens(200)));
    clock.set('2025-03-01T00:00:00Z');
    expect(await counts(app)).toEqual(everywhere(0, 0));
    await guard.settle(settled, { inputTokens: 250, outputTokens: 7 });
    await guard.release(released);
    expect(await counts(app)).toEqual(everywhere(0, 0));
    const [february] = (await app.status({ month: '2025-02' })).windows;
    expect(february).toMatchObject({ window: 'month', used: 257, held: 0, requests: 2 });
    idOf(await guard.reserve(tokens(500)));
  });
});
