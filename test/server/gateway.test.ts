import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { HELLO } from '../support/anthropic-client.ts';
import { booksOf, makeMixedCalls } from '../support/anthropic-mix.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { openGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';

describe.each(DATABASES)('a gateway on %s', (kind) => {
  test('passes calls on, and says for whom, under which reservation and what is left', async () => {
    const { client, gateway, app, api, target, counts } = await openGateway(kind, {
      limits: { monthly: 1_000, enforcedMonthly: 1_000 },
    });
    const { data, response } = await client.messages.create(HELLO).withResponse();
    expect(data.content).toMatchObject([{ type: 'text' }]);
    const id = response.headers.get('x-tokenctl-reservation');
    expect(response.headers.get('x-tokenctl-ai-type')).toBe('imperium');
    // 111 of 1,000 are held for the call itself.
    expect(response.headers.get('x-tokenctl-largest')).toBe('889');
    await until(async () => (await counts()).held === 0);
    const rows = await sql(
      target,
      'SELECT id, ai_type, state, model_used, stop_reason, request_type FROM token_usage_logs',
    );
    const row = { state: 'settled', model_used: 'stand-in-1', stop_reason: 'end_turn' };
    expect(rows).toEqual([{ ...row, id, ai_type: 'imperium', request_type: 'gateway' }]);

    const baseURL = `${gateway.url}/guardian`;
    await new Anthropic({ apiKey: 'sk-test', baseURL }).messages.create(HELLO);
    const defaultHeaders = { 'x-tokenctl-ai-type': 'sandbox' };
    await new Anthropic({ apiKey: 'sk-test', baseURL, defaultHeaders }).messages.create(HELLO);
    await until(async () => (await counts()).held === 0);
    const { aiTypes } = await app.status();
    expect(aiTypes.map(({ aiType }) => aiType).toSorted()).toEqual([
      'guardian',
      'imperium',
      'sandbox',
    ]);
    // What is tokenctl's own stays here, and the rest is as the client sent it.
    for (const { path, headers } of api.calls) {
      expect(path).toBe('/v1/messages');
      expect(headers).toMatchObject({
        host: new URL(api.url).host,
        authorization: 'Bearer sk-test',
      });
      expect(Object.keys(headers).filter((name) => name.startsWith('x-tokenctl'))).toEqual([]);
    }
  });

  test("charges 1,000 mixed calls what the provider's own books say, to the token", async () => {
    const opened = await openGateway(kind);
    await makeMixedCalls(opened, 1_000);
    await until(async () => (await opened.counts()).held === 0);
    const status = await opened.app.status();
    const { input, output } = booksOf(opened.api);
    // Each attempt is a request of its own.
    const requests = opened.api.calls.length;
    expect(status.windows[0]).toMatchObject({ used: input + output, held: 0, requests });
    expect(status.aiTypes).toMatchObject([
      { aiType: 'imperium', inputTokens: input, outputTokens: output },
    ]);
    expect(await opened.app.verify({ repair: false })).toEqual([]);
  }, 60_000);

  test('admits 50 of 200 calls that come at once, and none of the others is tried again', async () => {
    // An estimate is 3 + 8 + 100 tokens.
    const limits = { monthly: 50 * 111, enforcedMonthly: 50 * 111 };
    const { client, api } = await openGateway(kind, { limits });
    const slow = { headers: { 'x-scenario': 'slow' } };
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, () => client.messages.create({ ...HELLO, stream: true }, slow)),
    );
    const denials = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [answer.reason as unknown] : [],
    );
    expect(denials).toHaveLength(150);
    for (const denial of denials) {
      expect(denial).toBeInstanceOf(Anthropic.RateLimitError);
      expect((denial as InstanceType<typeof Anthropic.RateLimitError>).error).toMatchObject({
        error: { type: 'rate_limit_error', details: { reasons: [{ code: 'window_exceeded' }] } },
      });
    }
    expect(api.calls).toHaveLength(50);
  });
});
