import { beforeEach, describe, expect, it } from 'vitest';
import type { ReserveRequest } from '../../src/guard/input.ts';
import type { SettleUsage } from '../../src/guard/guard.ts';
import { idOf, openBudget, sql, tokens, type Budget } from '../support/budget.ts';

let budget: Budget;
let id: string;
beforeEach(async () => {
  budget = await openBudget('sqlite');
  id = idOf(await budget.guard.reserve(tokens(100)));
});

/** All that is stored, to see that nothing was changed. */
const stored = async () => [
  await sql(budget.target, 'SELECT * FROM token_usage_logs'),
  await sql(budget.target, 'SELECT * FROM usage_windows'),
];

const estimate = { input: 1, output: 1 };

describe('a reserve that makes no sense is refused, and changes nothing', () => {
  const cases: [what: string, field: string, request: unknown][] = [
    ['no request', 'request', undefined],
    ['null', 'request', null],
    ['no AI type', 'aiType', { estimate }],
    ['an empty AI type', 'aiType', { aiType: '', estimate }],
    ['an AI type that is no name', 'aiType', { aiType: 'a b', estimate }],
    ['an AI type of 51 letters', 'aiType', { aiType: 'a'.repeat(51), estimate }],
    ['an AI type that is reserved', 'aiType', { aiType: 'global', estimate }],
    ['an AI type that is a number', 'aiType', { aiType: 7, estimate }],
    ['no estimate', 'estimate', { aiType: 'a' }],
    ['an estimate that is null', 'estimate', { aiType: 'a', estimate: null }],
    ['an estimate that is a number', 'estimate', { aiType: 'a', estimate: 5 }],
    ['no input', 'estimate.input', { aiType: 'a', estimate: { output: 1 } }],
    ['no output', 'estimate.output', { aiType: 'a', estimate: { input: 1 } }],
    ['negative input', 'estimate.input', { aiType: 'a', estimate: { input: -1, output: 5 } }],
    ['half a token', 'estimate.output', { aiType: 'a', estimate: { input: 1, output: 0.5 } }],
    ['NaN', 'estimate.input', { aiType: 'a', estimate: { input: NaN, output: 1 } }],
    ['infinity', 'estimate.output', { aiType: 'a', estimate: { input: 1, output: Infinity } }],
    ['text', 'estimate.input', { aiType: 'a', estimate: { input: '5', output: 1 } }],
    ['a bigint', 'estimate.input', { aiType: 'a', estimate: { input: 5n, output: 1 } }],
    ['too much', 'estimate.input', { aiType: 'a', estimate: { input: 1e12 + 1, output: 0 } }],
    ['too large a sum', 'estimate', { aiType: 'a', estimate: { input: 1e12, output: 1 } }],
    ['nothing', 'estimate', { aiType: 'a', estimate: { input: 0, output: 0 } }],
    ['no maxTokens', 'estimate.maxTokens', { aiType: 'a', estimate: { prompt: 'hello' } }],
    ['a prompt that is none', 'prompt', { aiType: 'a', estimate: { prompt: 5, maxTokens: 1 } }],
    ['no items', 'estimate.items', { aiType: 'a', estimate: { items: [] } }],
    ['items that are no list', 'estimate.items', { aiType: 'a', estimate: { items: 'x' } }],
    [
      'a bad item',
      'estimate.items[1].output',
      { aiType: 'a', estimate: { items: [estimate, { input: 1, output: -1 }] } },
    ],
    ['an item that is null', 'estimate.items[0]', { aiType: 'a', estimate: { items: [null] } }],
    [
      'items whose sum is too large',
      'estimate',
      { aiType: 'a', estimate: { items: Array(2).fill({ input: 1e12, output: 0 }) } },
    ],
    ['an empty requestId', 'requestId', { aiType: 'a', estimate, requestId: '' }],
    ['a long requestId', 'requestId', { aiType: 'a', estimate, requestId: 'r'.repeat(201) }],
    ['a key that is no text', 'idempotencyKey', { aiType: 'a', estimate, idempotencyKey: 5 }],
    ['a model that is no text', 'model', { aiType: 'a', estimate, model: {} }],
    ['a requestId with a NUL', 'requestId', { aiType: 'a', estimate, requestId: 'a\0b' }],
    [
      'a key that is half a pair',
      'idempotencyKey',
      { aiType: 'a', estimate, idempotencyKey: '\ud800' },
    ],
    ['a model with a NUL', 'model', { aiType: 'a', estimate, model: 'a\0b' }],
    ['a TTL of nothing', 'ttlSeconds', { aiType: 'a', estimate, ttlSeconds: 0 }],
    ['a TTL of half a second', 'ttlSeconds', { aiType: 'a', estimate, ttlSeconds: 0.5 }],
    ['a TTL of more than 31 days', 'ttlSeconds', { aiType: 'a', estimate, ttlSeconds: 2_678_401 }],
  ];
  it.each(cases)('%s: %s', async (_, field, request) => {
    const before = await stored();
    await expect(budget.guard.reserve(request as ReserveRequest)).rejects.toMatchObject({
      code: 'invalid_input',
      field,
      message: expect.stringContaining(field) as string,
    });
    expect(await stored()).toEqual(before);
  });

  it.each(cases.filter(([, field]) => /aiType|estimate/.test(field)))(
    'nor does it get a verdict of check: %s: %s',
    async (_, field, request) => {
      await expect(budget.guard.check(request as ReserveRequest)).rejects.toMatchObject({
        code: 'invalid_input',
        field,
      });
    },
  );
});

describe('a settle that makes no sense is refused, and leaves the hold', () => {
  const usage = { inputTokens: 1, outputTokens: 1 };
  it.each<[string, string, unknown]>([
    ['no usage', 'usage', undefined],
    ['null', 'usage', null],
    ['text', 'usage', 'all'],
    ['no input', 'usage.inputTokens', { outputTokens: 1 }],
    ['no output', 'usage.outputTokens', { inputTokens: 1 }],
    ['negative input', 'usage.inputTokens', { ...usage, inputTokens: -1 }],
    ['half a token', 'usage.outputTokens', { ...usage, outputTokens: 1.5 }],
    ['NaN', 'usage.outputTokens', { ...usage, outputTokens: NaN }],
    ['too much', 'usage.inputTokens', { ...usage, inputTokens: 1e13 }],
    ['negative cache', 'usage.cacheReadInputTokens', { ...usage, cacheReadInputTokens: -1 }],
    [
      'cache that is text',
      'usage.cacheCreationInputTokens',
      { ...usage, cacheCreationInputTokens: '5' },
    ],
    ['too large a sum', 'usage', { ...usage, inputTokens: 1e12, cacheReadInputTokens: 1e12 }],
    ['a model that is empty', 'usage.model', { ...usage, model: '' }],
    ['unknown: false without usage', 'usage.inputTokens', { unknown: false }],
  ])('%s: %s', async (_, field, given) => {
    const before = await stored();
    await expect(budget.guard.settle(id, given as SettleUsage)).rejects.toMatchObject({
      code: 'invalid_input',
      field,
    });
    expect(await stored()).toEqual(before);
  });

  it('does not take a usage that says unknown: false as unknown', async () => {
    const given = { ...usage, unknown: false } as unknown as SettleUsage;
    expect(await budget.guard.settle(id, given)).toMatchObject({ charged: 2 });
  });
});

describe('an id', () => {
  it.each([undefined, null, 5, {}, '', 'x', '0'.repeat(36)])(
    'that is none (%s) finds no reservation',
    async (wrong) => {
      for (const ended of [
        budget.guard.settle(wrong as string, { unknown: true }),
        budget.guard.release(wrong as string),
      ]) {
        await expect(ended).rejects.toMatchObject({ code: 'reservation_not_found' });
      }
    },
  );

  it('is found whatever its case, and without its dashes', async () => {
    expect(await budget.guard.settle(id.toUpperCase(), { unknown: true })).toMatchObject({ id });
    expect(await budget.guard.settle(id.replaceAll('-', ''), { unknown: true })).toMatchObject({
      id,
    });
  });
});

describe('text for the log', () => {
  it('of a call that was made is stored without what a database cannot hold', async () => {
    const used = { inputTokens: 1, outputTokens: 1, model: 'a\0b', stopReason: 'half \ud800 pair' };
    await budget.guard.settle(id, { ...used, error: new Error('x\0y') });
    const rows = await sql(
      budget.target,
      'SELECT model_used, stop_reason, error_message FROM token_usage_logs',
    );
    expect(rows).toEqual([
      { model_used: 'a\ufffdb', stop_reason: 'half \ufffd pair', error_message: 'x\ufffdy' },
    ]);
  });

  it.each<[string, unknown, string | null]>([
    ['nothing', undefined, null],
    ['null', null, null],
    ['text', 'overloaded', 'overloaded'],
    ['an error without a message', new TypeError(), 'TypeError'],
    ['a long message', new Error('x'.repeat(5_000)), 'x'.repeat(2_000)],
    ['an object', { a: 1 }, 'an error without a message'],
    [
      'an error whose message is no text',
      Object.assign(new Error(), { message: { a: 1 } }),
      'Error',
    ],
  ])('of an error that is %s', async (_, error, message) => {
    await budget.guard.release(id, { error });
    expect(await sql(budget.target, 'SELECT error_message FROM token_usage_logs')).toEqual([
      { error_message: message },
    ]);
  });

  it('may be absent altogether', async () => {
    expect(await budget.guard.release(id, null)).toMatchObject({ state: 'released' });
  });
});
