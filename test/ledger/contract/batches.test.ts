import { describe, expect, it } from 'vitest';
import { counts, everywhere, idOf, openBudget, sql } from '../../support/budget.ts';
import { DATABASES } from '../../support/databases.ts';

const item = (input: number, output = 0) => ({ input, output });

describe.each(DATABASES)('a batch of requests on %s', (kind) => {
  const batch = (...items: { input: number; output: number }[]) => ({
    aiType: 'imperium',
    estimate: { items },
  });

  it('is held as the sum, counts as its requests, and ends as one', async () => {
    const { app, guard } = await openBudget(kind, { global: { request: 100 } });
    const id = idOf(await guard.reserve(batch(item(90, 10), item(40), item(0, 1))));
    expect(await counts(app)).toEqual(everywhere(0, 141));
    expect((await app.status()).windows[0]).toMatchObject({ requests: 3 });
    await guard.settle(id, { inputTokens: 100, outputTokens: 20 });
    expect(await counts(app)).toEqual(everywhere(120, 0));
    expect((await app.status()).aiTypes).toMatchObject([{ requests: 3, failed: 0 }]);
  });

  it('is denied for its largest item, its sum or its number, each by its own limit', async () => {
    const { guard } = await openBudget(kind, {
      global: { request: 100, hourly: 250, requestsPerMinute: 3 },
    });
    const reasonsOf = async (...items: { input: number; output: number }[]) =>
      (await guard.reserve(batch(...items))).reasons.map(
        ({ code, requested }) => `${code} ${requested}`,
      );
    expect(await reasonsOf(item(1), item(101))).toEqual(['request_too_large 101']);
    expect(await reasonsOf(item(90), item(90), item(71))).toEqual(['window_exceeded 251']);
    expect(await reasonsOf(item(1), item(1), item(1), item(1))).toEqual(['rate_exceeded 4']);
    expect(await reasonsOf(item(90), item(90), item(70))).toEqual([]);
    expect(await reasonsOf(item(1))).toEqual(['window_exceeded 1', 'rate_exceeded 1']);
  });

  it('leaves the minute when its 60 seconds are over, all at once', async () => {
    const { guard, clock } = await openBudget(kind, { global: { requestsPerMinute: 5 } });
    idOf(await guard.reserve(batch(item(1), item(1), item(1), item(1))));
    clock.advance(10_000);
    idOf(await guard.reserve(batch(item(1))));
    const denied = await guard.reserve(batch(item(1), item(1)));
    expect(denied.retryAt).toBe('2025-06-15T12:31:00.000Z');
    const never = await guard.reserve(batch(...Array<ReturnType<typeof item>>(6).fill(item(1))));
    expect(never.reasons).toMatchObject([{ canEverPass: false, retryAt: null }]);
    clock.set('2025-06-15T12:31:00Z');
    idOf(await guard.reserve(batch(item(1), item(1), item(1), item(1))));
  });
});

describe.each(DATABASES)('tokens of the prompt cache on %s', (kind) => {
  const usage = {
    inputTokens: 10,
    outputTokens: 5,
    cacheCreationInputTokens: 20,
    cacheReadInputTokens: 101,
  };

  it.each([
    [100, 131],
    [10, 41],
    [0, 30],
  ])('that are read count at %i %% as input, rounded up', async (cacheReadPercent, input) => {
    const { app, guard, target } = await openBudget(kind, { guard: { cacheReadPercent } });
    const id = idOf(await guard.reserve({ aiType: 'imperium', estimate: item(200, 100) }));
    const ending = await guard.settle(id, { ...usage, model: 'claude-x' });
    expect(ending.charged).toBe(input + 5);
    expect(await counts(app)).toEqual(everywhere(input + 5, 0));
    expect((await app.status()).aiTypes).toMatchObject([{ inputTokens: input, outputTokens: 5 }]);
    const [row] = await sql(
      target,
      'SELECT cache_creation_tokens, cache_read_tokens, tokens_in, model_used FROM token_usage_logs',
    );
    expect(Object.values(row!).map(String)).toEqual(['20', '101', String(input), 'claude-x']);
  });

  it('that are not reported count as none', async () => {
    const { guard } = await openBudget(kind);
    const id = idOf(await guard.reserve({ aiType: 'imperium', estimate: item(200) }));
    const ending = await guard.settle(id, {
      inputTokens: 10,
      outputTokens: 5,
      cacheCreationInputTokens: null,
      cacheReadInputTokens: null,
    });
    expect(ending.charged).toBe(15);
  });
});
