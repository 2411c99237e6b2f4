import Anthropic, { APIUserAbortError, type Middleware } from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { tokenctlMiddleware, withBudget } from '../../src/guard/anthropic.ts';
import {
  drained,
  ESTIMATE,
  failure,
  HELLO,
  INPUT,
  openBudgetedClient,
  scenario,
} from '../support/anthropic-client.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { until } from '../support/processes.ts';

describe.each(DATABASES)('a message through the SDK on %s', (kind) => {
  describe.each(['whole', 'streamed'] as const)('%s', (way) => {
    it.each<[string, number]>([
      ['ok', INPUT + 39],
      ['cached', INPUT + 39 + 211 + 1_033],
      ['tool', INPUT + 59],
      ['thinking', INPUT + 65],
    ])('%s is charged what the answer reports', async (name, charged) => {
      const { client, api, target, ended } = await openBudgetedClient(kind);
      const message =
        way === 'whole'
          ? await client.messages.create(HELLO, scenario(name))
          : await client.messages.stream(HELLO, scenario(name)).finalMessage();
      expect(message.usage.input_tokens).toBe(INPUT);
      expect(await ended()).toEqual({ used: charged, held: 0, requests: 1, failed: 0 });
      expect(api.billed()).toBe(charged);
      expect(message.stop_reason).toBe(name === 'tool' ? 'tool_use' : 'end_turn');
      const columns = 'ai_type, model_used, request_type, stop_reason';
      expect(await sql(target, `SELECT ${columns} FROM token_usage_logs`)).toEqual([
        {
          ...{ ai_type: 'imperium', model_used: 'stand-in-1', request_type: 'sdk' },
          stop_reason: message.stop_reason,
        },
      ]);
    });

    it.each(['html', 'lying', 'no-usage'])('%s is charged the hold', async (name) => {
      const { client, ended } = await openBudgetedClient(kind);
      const answered =
        way === 'whole'
          ? client.messages.create(HELLO, scenario(name))
          : client.messages.stream(HELLO, scenario(name)).done();
      await answered.catch(() => undefined);
      expect(await ended()).toEqual({ used: ESTIMATE, held: 0, requests: 1, failed: 1 });
    });
  });

  it('is estimated with its system prompt, tools and images, in the beta API too', async () => {
    const { client, api, counts, ended } = await openBudgetedClient(kind);
    const data = Buffer.from('image').toString('base64');
    const stream = await client.beta.messages.create(
      {
        ...HELLO,
        stream: true,
        system: 'be kind and brief',
        tools: [{ name: 'weather', input_schema: { type: 'object' } }],
        messages: [
          {
            role: 'user',
            content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }],
          },
        ],
      },
      scenario('slow'),
    );
    // 7 words, a message, a tool with the instructions for tools, an image, and max_tokens.
    expect((await counts()).held).toBe(7 + 8 + 16 + 346 + 1_600 + 100);
    api.calls[0]?.end();
    await drained(stream);
    expect((await ended()).used).toBe(api.billed());
  });
});

describe.each(DATABASES)('a call that fails on %s', (kind) => {
  it.each([
    ['status:400', 1],
    ['status:401', 1],
    ['status:413', 1],
    ['final:429', 1],
    ['status:429', 3],
    ['status:500', 3],
    ['status:529', 3],
    ['html:502', 3],
  ])('%s costs nothing, and is one request', async (name, attempts) => {
    const { client, api, ended } = await openBudgetedClient(kind);
    expect(await failure(client.messages.create(HELLO, scenario(name)))).toHaveProperty('status');
    expect(api.calls).toHaveLength(attempts);
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it.each(['status:429:1', 'status:529:2', 'status:500:1', 'status:503:3', 'later:5'])(
    '%s and is tried again is one reservation',
    async (name) => {
      const { client, api, ended } = await openBudgetedClient(kind, { sdk: { maxRetries: 4 } });
      await client.messages.stream(HELLO, scenario(name)).finalMessage();
      expect(api.calls.length).toBeGreaterThan(1);
      expect(await ended()).toEqual({ used: INPUT + 39, held: 0, requests: 1, failed: 0 });
    },
  );

  it('and is aborted while it waits for its next attempt is released at once', async () => {
    let answers = 0;
    const counting: typeof fetch = async (...call) => {
      const response = await fetch(...call);
      answers += 1;
      return response;
    };
    const { client, counts, ended } = await openBudgetedClient(kind, { sdk: { fetch: counting } });
    const caller = new AbortController();
    const options = { ...scenario('later:60000'), signal: caller.signal };
    const failed = failure(client.messages.create(HELLO, options));
    await until(() => answers === 1);
    expect(await counts()).toEqual({ used: 0, held: ESTIMATE, requests: 1, failed: 0 });
    caller.abort();
    expect(await failed).toBeInstanceOf(APIUserAbortError);
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it('whose first attempt may have been charged counts as the hold beside the next', async () => {
    const { client, ended } = await openBudgetedClient(kind);
    await client.messages.create(HELLO, scenario('reset:1'));
    const used = ESTIMATE + INPUT + 39;
    expect(await ended()).toEqual({ used, held: 0, requests: 1, failed: 0 });
  });

  it('whose attempts may all have been charged counts as the hold for each', async () => {
    const { client, ended } = await openBudgetedClient(kind, { sdk: { maxRetries: 1 } });
    await failure(client.messages.create(HELLO, scenario('reset')));
    const { used, requests } = await ended();
    expect([used, requests]).toEqual([2 * ESTIMATE, 1]);
  });

  it('without an answer in time is charged the hold', async () => {
    const sdk = { maxRetries: 0, timeout: 100 };
    const { client, ended } = await openBudgetedClient(kind, { sdk });
    await failure(client.messages.create(HELLO, scenario('hang')));
    expect(await ended()).toEqual({ used: ESTIMATE, held: 0, requests: 1, failed: 1 });
  });

  it('as its caller aborts before the answer is charged the hold', async () => {
    const { client, api, ended } = await openBudgetedClient(kind);
    const caller = new AbortController();
    const options = { ...scenario('hang'), signal: caller.signal };
    const failed = failure(client.messages.create(HELLO, options));
    await until(() => api.calls.length === 1);
    caller.abort();
    expect(await failed).toBeInstanceOf(APIUserAbortError);
    expect(await ended()).toEqual({ used: ESTIMATE, held: 0, requests: 1, failed: 1 });
  });

  it('as its caller aborts before it is sent costs nothing', async () => {
    const caller = new AbortController();
    const aborting: Middleware = (request, next) => {
      caller.abort();
      return next(request);
    };
    const { guard, api, ended } = await openBudgetedClient(kind);
    const middleware = [aborting, tokenctlMiddleware(guard, { aiType: 'imperium' })];
    const client = new Anthropic({ apiKey: 'test', baseURL: api.url, middleware });
    const error = await failure(client.messages.create(HELLO, { signal: caller.signal }));
    expect(error).toBeInstanceOf(APIUserAbortError);
    expect(api.calls).toEqual([]);
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it('because nobody listens costs nothing', async () => {
    const { client, api, ended } = await openBudgetedClient(kind, { sdk: { maxRetries: 0 } });
    await api.close();
    await failure(client.messages.create(HELLO));
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it('is told apart from the same call made at the same time', async () => {
    const { client, ended } = await openBudgetedClient(kind);
    const request = {
      method: 'post' as const,
      path: '/v1/messages',
      body: HELLO,
      ...scenario('status:429:1'),
    };
    await Promise.all([client.request(request), client.request(request)]);
    const used = 2 * (INPUT + 39);
    expect(await ended()).toEqual({ used, held: 0, requests: 2, failed: 0 });
  });
});

describe('putting a client under the budget', () => {
  it.each([
    ['aiType', { aiType: 'global' }],
    ['aiType', {} as never],
    ['maxWaitMs', { aiType: 'a', maxWaitMs: -1 }],
  ])('with a wrong %s is refused (%j)', async (field, options) => {
    const { guard } = await openBudgetedClient('sqlite');
    expect(() => tokenctlMiddleware(guard, options)).toThrow(
      expect.objectContaining({ code: 'invalid_input', field }) as Error,
    );
  });

  it('keeps what the client is, and its other middleware', async () => {
    const { guard, api, ended } = await openBudgetedClient('sqlite');
    const seen: string[] = [];
    const client = new Anthropic({
      apiKey: 'k',
      baseURL: api.url,
      middleware: [
        (request, next) => {
          seen.push(request.url);
          return next(request);
        },
      ],
    });
    const budgeted = withBudget(client, guard, { aiType: 'guardian' });
    await budgeted.messages.create(HELLO);
    expect(seen).toEqual([`${api.url}/v1/messages`]);
    expect((await ended()).used).toBe(INPUT + 39);
    await client.messages.create(HELLO);
    expect((await ended()).used).toBe(INPUT + 39);
  });

  it('changes no byte of an answer', async () => {
    const bytes = async (way: 'direct' | 'budgeted', name: string, stream: boolean) => {
      const { client, api } = await openBudgetedClient('sqlite', {
        sdk: way === 'direct' ? { middleware: [] } : {},
      });
      const answer = await client.messages
        .create({ ...HELLO, stream }, scenario(name))
        .asResponse();
      const text = await answer.text();
      expect(answer.url).toBe(`${api.url}/v1/messages`);
      return [answer.status, answer.headers.get('content-type'), text];
    };
    for (const name of ['thinking', 'html']) {
      for (const stream of [true, false]) {
        expect(await bytes('budgeted', name, stream)).toEqual(await bytes('direct', name, stream));
      }
    }
  });
});
