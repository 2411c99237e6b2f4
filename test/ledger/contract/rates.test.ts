import { describe, expect, it } from 'vitest';
import { foreignLog, idOf, openBudget, sql, tokens } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

describe.each(DATABASES)('request rates on %s', (kind) => {
  const minute = { requestsPerMinute: 42 };

  it('deny the 43rd request of 60 seconds until the first one leaves them', async () => {
    const { app, guard, clock } = await openBudget(kind, { global: minute });
    idOf(await guard.reserve(tokens(1)));
    clock.set('2025-06-15T12:30:10.5Z');
    await Promise.all(Array.from({ length: 40 }, () => guard.reserve(tokens(1))));
    clock.set('2025-06-15T12:30:59.999Z');
    idOf(await guard.reserve(tokens(1)));
    const denied = await guard.reserve(tokens(1));
    expect(denied).toMatchObject({ retryAt: '2025-06-15T12:31:00.000Z', largestAdmissible: 0 });
    expect(denied.reasons).toMatchObject([
      { code: 'rate_exceeded', window: 'minute', limit: 42, used: 42, requested: 1 },
    ]);
    expect(await app.status()).toMatchObject({
      rates: [{ window: 'minute', requests: 42, limit: 42 }, {}],
      largestAdmissible: 0,
      binding: { window: 'minute', remaining: 0, freesAt: '2025-06-15T12:31:00.000Z' },
    });
    clock.set('2025-06-15T12:31:00Z');
    idOf(await guard.reserve(tokens(1)));
    const next = await guard.reserve(tokens(1));
    expect(next.retryAt).toBe('2025-06-15T12:31:10.500Z');
  });

  it('bind only until then where nothing else does: a day that is used up frees later', async () => {
    const { app, guard } = await openBudget(kind, {
      global: { requestsPerMinute: 1, hourly: 'off', daily: 10, request: 10 },
    });
    idOf(await guard.reserve(tokens(10)));
    const next = '2025-06-16T00:00:00.000Z';
    expect((await guard.check(tokens(1))).retryAt).toBe(next);
    expect(await app.status()).toMatchObject({
      largestAdmissible: 0,
      binding: { window: 'day', unit: 'tokens', remaining: 0, freesAt: next },
    });
  });

  it('count requests that ended and rows of foreign writers, but no denials', async () => {
    const { app, guard, clock, target } = await openBudget(kind, {
      global: { requestsPerMinute: 3, requestsPerDay: 4, request: 100 },
    });
    await foreignLog(target, '2025-06-15 12:29:30', 7);
    await guard.release(idOf(await guard.reserve(tokens(1))));
    await guard.reserve(tokens(101));
    await guard.settle(idOf(await guard.reserve(tokens(1))), { inputTokens: 1, outputTokens: 0 });
    const denied = await guard.reserve(tokens(1));
    expect(denied.reasons).toMatchObject([{ window: 'minute', used: 3 }]);
    expect(denied.retryAt).toBe('2025-06-15T12:30:30.000Z');
    clock.set('2025-06-15T12:30:30Z');
    idOf(await guard.reserve(tokens(1)));
    expect((await app.status()).rates).toMatchObject([{ requests: 3 }, { requests: 4 }]);
  });

  it('count a row as one request at least', async () => {
    const { guard, target } = await openBudget(kind, { global: { requestsPerMinute: 2 } });
    await sql(
      target,
      `INSERT INTO token_usage_logs (ai_type, total_tokens, request_items, created_at)
       VALUES ('guardian', 1, -5, '2025-06-15 12:29:30'), ('guardian', 1, 0, '2025-06-15 12:29:40')`,
    );
    const denied = await guard.reserve(tokens(1));
    expect(denied.reasons).toMatchObject([{ window: 'minute', limit: 2, used: 2 }]);
  });

  it('say when the next one passes also after the clock went back', async () => {
    const { guard, clock } = await openBudget(kind, { global: { requestsPerMinute: 2 } });
    idOf(await guard.reserve(tokens(1)));
    clock.set('2025-06-15T12:29:50Z');
    const [, denied] = await Promise.all([guard.reserve(tokens(1)), guard.reserve(tokens(1))]);
    expect(denied.reasons).toMatchObject([{ window: 'minute', used: 2 }]);
    expect(denied.retryAt).toBe('2025-06-15T12:30:50.000Z');
  });

  it('allow the requests of a UTC day, and no more until the next one', async () => {
    const { guard, clock } = await openBudget(kind, { global: { requestsPerDay: 3 } });
    await Promise.all([1, 2, 3].map(() => guard.reserve(tokens(1))));
    clock.set('2025-06-15T23:59:59.999Z');
    const denied = await guard.reserve(tokens(1));
    expect(denied.reasons).toMatchObject([{ window: 'day', limit: 3, used: 3 }]);
    expect(denied.retryAt).toBe('2025-06-16T00:00:00.000Z');
    clock.set('2025-06-16T00:00:00Z');
    idOf(await guard.reserve(tokens(1)));
  });

  it('bind all processes together', async () => {
    const { guard, another } = await openBudget(kind, { global: minute });
    const { guard: other } = await another();
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, (_, turn) => (turn % 2 === 0 ? guard : other).reserve(tokens(1))),
    );
    expect(verdicts.filter(({ admitted }) => admitted)).toHaveLength(42);
  });

  it('are not freed by a reset', async () => {
    const { app, guard } = await openBudget(kind, {
      global: { requestsPerMinute: 2, requestsPerDay: 2 },
    });
    for (let count = 0; count < 2; count += 1) {
      const id = idOf(await guard.reserve(tokens(1)));
      await guard.settle(id, { inputTokens: 1, outputTokens: 0 });
    }
    await app.reset({ aiTypes: [], window: 'all', actor: null, reason: 'test', dryRun: false });
    expect((await app.status()).windows[0]).toMatchObject({ used: 0, requests: 0 });
    const denied = await guard.reserve(tokens(1));
    expect(denied.reasons.map(({ window }) => window)).toEqual(['minute', 'day']);
  });

  it('that are off deny nothing', async () => {
    const { app, guard } = await openBudget(kind);
    const verdicts = await Promise.all(Array.from({ length: 60 }, () => guard.reserve(tokens(1))));
    expect(verdicts.every(({ admitted }) => admitted)).toBe(true);
    expect((await app.status()).rates).toEqual([
      { window: 'minute', requests: 60, limit: null },
      { window: 'day', requests: 60, limit: null },
    ]);
  });
});
