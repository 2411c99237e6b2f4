import { describe, expect, it } from 'vitest';
import { foreignLog, idOf, openBudget, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('the status on %s', (kind) => {
  it('of an empty budget has every field', async () => {
    const { app, target } = await openBudget(kind, { global: { hourly: 194 } });
    const status = await app.status();
    const window = { used: 0, held: 0, percent: 0, requests: 0, failed: 0, denied: 0 };
    expect(status).toMatchObject({
      schemaVersion: 1,
      time: '2025-06-15T12:30:00.000Z',
      level: 'ok',
      database: { kind, location: target.location, since: '2025-06-15T12:30:00.000Z' },
      month: null,
      windows: [
        {
          ...window,
          scope: 'global',
          window: 'month',
          startsAt: '2025-06-01T00:00:00.000Z',
          resetsAt: '2025-07-01T00:00:00.000Z',
          limit: 1_000_000,
          remaining: 1_000_000,
        },
        {
          ...window,
          window: 'day',
          startsAt: '2025-06-15T00:00:00.000Z',
          resetsAt: '2025-06-16T00:00:00.000Z',
          limit: null,
          remaining: null,
          percent: null,
        },
        {
          ...window,
          window: 'hour',
          startsAt: '2025-06-15T12:00:00.000Z',
          resetsAt: '2025-06-15T13:00:00.000Z',
          limit: 194,
          remaining: 194,
        },
      ],
      rates: [
        { window: 'minute', requests: 0, limit: null },
        { window: 'day', requests: 0, limit: null },
      ],
      aiTypes: [],
      largestAdmissible: 194,
      binding: {
        scope: 'global',
        window: 'hour',
        unit: 'tokens',
        limit: 194,
        remaining: 194,
        freesAt: '2025-06-15T13:00:00.000Z',
      },
      burnRate: { lastHour: null, lastDay: null, limitReachedAt: null },
      lastLogAt: null,
      limitsRevision: 1,
    });
    expect(JSON.parse(JSON.stringify(status))).toEqual(status);
  });

  it('adds up the AI types, the largest first', async () => {
    const { app, guard, clock, target } = await openBudget(kind, {
      aiTypes: { imperium: { monthly: 100 } },
    });
    idOf(await guard.reserve(tokens(60, 30)));
    await foreignLog(target, '2025-06-10 08:00:00', 270);
    clock.advance(5_000);
    const id = idOf(await guard.reserve(tokens(40, 0, 'sandbox')));
    await guard.settle(id, { inputTokens: 30, outputTokens: 10 });
    const { aiTypes, windows, lastLogAt } = await app.status();
    expect(aiTypes).toEqual([
      expect.objectContaining({
        aiType: 'guardian',
        inputTokens: 270,
        outputTokens: 0,
        used: 270,
        held: 0,
        requests: 1,
        failed: 0,
        denied: 0,
        limit: null,
        percentOfGlobal: 67.5,
        lastRequestAt: '2025-06-10T08:00:00.000Z',
        status: 'active',
      }),
      expect.objectContaining({
        aiType: 'imperium',
        used: 0,
        held: 90,
        limit: 100,
        percentOfGlobal: 22.5,
        lastRequestAt: '2025-06-15T12:30:00.000Z',
        status: 'warning',
      }),
      expect.objectContaining({ aiType: 'sandbox', used: 40, held: 0, percentOfGlobal: 10 }),
    ]);
    expect(windows.slice(0, 3).map(({ used, held }) => [used, held])).toEqual([
      [310, 90],
      [40, 90],
      [40, 90],
    ]);
    expect(windows.slice(3)).toMatchObject([
      { scope: 'imperium', window: 'month', held: 90, limit: 100, remaining: 10, percent: 90 },
      { scope: 'imperium', window: 'day' },
      { scope: 'imperium', window: 'hour' },
    ]);
    expect(lastLogAt).toBe('2025-06-15T12:30:05.000Z');
  });

  it('of one AI type shows its windows, and what passes its limits too', async () => {
    const { app, guard } = await openBudget(kind, {
      global: { hourly: 500 },
      aiTypes: { imperium: { daily: 120 } },
    });
    idOf(await guard.reserve(tokens(100)));
    idOf(await guard.reserve(tokens(50, 0, 'guardian')));
    const own = await app.status({ aiType: 'imperium' });
    expect(own.windows.map(({ scope }) => scope)).toEqual([
      ...Array<string>(3).fill('global'),
      ...Array<string>(3).fill('imperium'),
    ]);
    expect(own.aiTypes.map(({ aiType }) => aiType)).toEqual(['imperium']);
    expect(own).toMatchObject({
      largestAdmissible: 20,
      binding: { scope: 'imperium', window: 'day', limit: 120, remaining: 20 },
    });
    expect(await app.status()).toMatchObject({
      largestAdmissible: 350,
      binding: { scope: 'global', window: 'hour', remaining: 350 },
    });
    expect(await app.status({ aiType: 'guardian' })).toMatchObject({ largestAdmissible: 350 });
  });

  it('of a past month has the month alone, and nothing that is about now', async () => {
    const { app, guard, target } = await openBudget(kind);
    await foreignLog(target, '2025-05-31 23:59:59', 70);
    await foreignLog(target, '2025-06-01 00:00:00', 5);
    idOf(await guard.reserve(tokens(10)));
    const past = await app.status({ month: '2025-05' });
    expect(past).toMatchObject({
      month: '2025-05',
      windows: [{ window: 'month', startsAt: '2025-05-01T00:00:00.000Z', used: 70, requests: 1 }],
      aiTypes: [{ aiType: 'guardian', used: 70, percentOfGlobal: 100 }],
      largestAdmissible: null,
      binding: null,
    });
    expect(past.windows).toHaveLength(1);
    expect(await app.status({ month: '2025-06' })).toMatchObject({ month: null, binding: {} });
  });

  const cases: [string, Record<string, number>, number][] = [
    ['the hour', { hourly: 300 }, 200],
    ['the day', { daily: 180 }, 80],
    ['the size of a request', { request: 33 }, 33],
    ["the provider's ceiling", { tokensPerRequest: 44 }, 44],
    ['the month', { enforcedMonthly: 150 }, 50],
    ['the level', { enforcedMonthly: 104, criticalRequest: 3 }, 3],
  ];
  it.each(cases)(
    'names the largest request that %s lets pass: one token more is denied',
    async (_, global, largest) => {
      const { app, guard } = await openBudget(kind, { global });
      idOf(await guard.reserve(tokens(25)));
      await guard.settle(idOf(await guard.reserve(tokens(25))), {
        inputTokens: 75,
        outputTokens: 0,
      });
      const status = await app.status();
      expect(status.largestAdmissible).toBe(largest);
      expect(status.binding).toMatchObject({ remaining: largest });
      const denied = await guard.reserve(tokens(largest + 1));
      expect(denied).toMatchObject({ admitted: false, largestAdmissible: largest });
      idOf(await guard.reserve(tokens(largest)));
    },
  );
});
