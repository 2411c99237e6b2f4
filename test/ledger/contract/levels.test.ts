import { describe, expect, it } from 'vitest';
import { counts, everywhere, idOf, openBudget, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

const note = { source: 'test', actor: null, reason: null };

describe.each(DATABASES)('levels on %s', (kind) => {
  const levels = { enforcedMonthly: 1_000, criticalRequest: 20 };

  it('restrict large requests at critical, and deny everything at emergency', async () => {
    const { app, guard } = await openBudget(kind, { global: levels });
    idOf(await guard.reserve(tokens(949)));
    expect((await app.status()).level).toBe('warning');
    idOf(await guard.reserve(tokens(1)));
    expect((await app.status()).level).toBe('critical');
    const large = await guard.reserve(tokens(21));
    expect(large.reasons).toMatchObject([
      { code: 'critical_restricts_large', limit: 20, held: 950, requested: 21, canEverPass: true },
    ]);
    expect(large.largestAdmissible).toBe(20);
    idOf(await guard.reserve(tokens(20)));
    idOf(await guard.reserve(tokens(10)));
    const status = await app.status();
    expect(status).toMatchObject({ level: 'emergency', largestAdmissible: 0 });
    expect(status.binding).toMatchObject({ window: 'level', remaining: 0 });
    const shut = await guard.reserve(tokens(1));
    expect(shut.reasons).toMatchObject([{ code: 'emergency_shutdown', limit: 980, held: 980 }]);
    expect(shut.retryAt).toBe('2025-07-01T00:00:00.000Z');
  });

  it('let one request cross 98 %, after which nothing passes', async () => {
    const { app, guard } = await openBudget(kind, {
      global: { ...levels, criticalRequest: 'off' },
    });
    idOf(await guard.reserve(tokens(979)));
    const last = idOf(await guard.reserve(tokens(21)));
    expect(await counts(app)).toEqual(everywhere(0, 1_000));
    expect((await guard.reserve(tokens(1))).reasons[0]?.code).toBe('emergency_shutdown');
    await guard.release(last);
    idOf(await guard.reserve(tokens(1)));
  });

  it('are judged within a batch', async () => {
    const { guard } = await openBudget(kind, { global: levels });
    const verdicts = await Promise.all([950, 30, 20, 10, 1].map((n) => guard.reserve(tokens(n))));
    expect(verdicts.map(({ reasons }) => reasons[0]?.code ?? 'admitted')).toEqual([
      'admitted',
      'critical_restricts_large',
      'admitted',
      'admitted',
      'emergency_shutdown',
    ]);
  });
});

describe.each(DATABASES)('a change of limits on %s', (kind) => {
  const hourly =
    (value: number | 'off') =>
    (settings: { global: object; aiTypes: object }): never =>
      ({ ...settings, global: { ...settings.global, hourly: value } }) as never;

  it('binds at the next decision of every process that is open already', async () => {
    const { app, guard, another } = await openBudget(kind);
    const other = await another();
    idOf(await other.guard.reserve(tokens(100)));
    await app.changeLimits(hourly(150), note);
    expect((await other.guard.reserve(tokens(51))).reasons).toMatchObject([
      { window: 'hour', limit: 150, held: 100 },
    ]);
    expect((await other.guard.check(tokens(51))).admitted).toBe(false);
    expect((await guard.reserve(tokens(51))).admitted).toBe(false);
    await app.changeLimits(hourly(151), note);
    idOf(await other.guard.reserve(tokens(51)));
    expect((await other.app.status()).windows[2]).toMatchObject({ limit: 151, remaining: 0 });
  });

  it('that binds one AI type binds it alone', async () => {
    const { app, guard, another } = await openBudget(kind);
    const other = await another();
    idOf(await other.guard.reserve(tokens(100)));
    await app.changeLimits(
      (settings) => ({ ...settings, aiTypes: { imperium: { daily: 120 } } }),
      note,
    );
    expect((await other.guard.reserve(tokens(21))).reasons).toMatchObject([
      { scope: 'imperium', window: 'day', limit: 120, held: 100 },
    ]);
    idOf(await other.guard.reserve(tokens(21, 0, 'guardian')));
    idOf(await guard.reserve(tokens(20)));
  });
});
