import Anthropic, { APIUserAbortError } from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { BudgetDeniedError, tokenctlMiddleware, withBudget } from '../../src/guard/anthropic.ts';
import { TokenctlError } from '../../src/index.ts';
import {
  ESTIMATE,
  HELLO,
  INPUT,
  openBudgetedClient,
  scenario,
} from '../support/anthropic-client.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { until } from '../support/processes.ts';

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  const events = stream[Symbol.asyncIterator]();
  while ((await events.next()).done !== true);
}

describe.each(DATABASES)('a message through the SDK on %s', (kind) => {
  describe.each(['whole', 'streamed'] as const)('%s', (way) => {
    it.each<[string, number]>([
      ['ok', INPUT + 39],
      ['cached', INPUT + 39 + 211 + 1_033],
      ['tool', INPUT + 59],
      ['thinking', INPUT + 65],
    ])('%s is charged what the answer reports', async (name, charged) => {
      const { client, api, counts, target } = await openBudgetedClient(kind);
      const message =
        way === 'whole'
          ? await client.messages.create(HELLO, scenario(name))
          : await client.messages.stream(HELLO, scenario(name)).finalMessage();
      expect(message.usage.input_tokens).toBe(INPUT);
      expect(await counts()).toEqual({ used: charged, held: 0, requests: 1, failed: 0 });
      expect(api.billed()).toBe(charged);
      const columns = 'ai_type, model_used, request_type';
      expect(await sql(target, `SELECT ${columns} FROM token_usage_logs`)).toEqual([
        { ai_type: 'imperium', model_used: 'stand-in-1', request_type: 'sdk' },
      ]);
    });

    it.each(['html', 'lying', 'no-usage'])('%s is charged the hold', async (name) => {
      const { client, counts } = await openBudgetedClient(kind);
      const answered =
        way === 'whole'
          ? client.messages.create(HELLO, scenario(name))
          : client.messages.stream(HELLO, scenario(name)).done();
      await answered.catch(() => undefined);
      expect(await counts()).toEqual({ used: ESTIMATE, held: 0, requests: 1, failed: 1 });
    });
  });

  it('is estimated with its system prompt, tools and images, in the beta API too', async () => {
    const { client, counts, api } = await openBudgetedClient(kind);
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
    expect((await counts()).used).toBe(api.billed());
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
    const { client, api, counts } = await openBudgetedClient(kind);
    expect(await failure(client.messages.create(HELLO, scenario(name)))).toHaveProperty('status');
    expect(api.calls).toHaveLength(attempts);
    expect(await counts()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it.each(['status:429:1', 'status:529:2', 'status:500:1', 'status:503:3', 'later:5'])(
    '%s and is tried again is one reservation',
    async (name) => {
      const { client, api, counts } = await openBudgetedClient(kind, { sdk: { maxRetries: 4 } });
      await client.messages.stream(HELLO, scenario(name)).finalMessage();
      expect(api.calls.length).toBeGreaterThan(1);
      expect(await counts()).toEqual({ used: INPUT + 39, held: 0, requests: 1, failed: 0 });
    },
  );

  it('and is aborted while it waits for its next attempt is released at once', async () => {
    const { client, api, counts } = await openBudgetedClient(kind);
    const caller = new AbortController();
    const options = { ...scenario('later:60000'), signal: caller.signal };
    const failed = failure(client.messages.create(HELLO, options));
    await until(() => api.calls[0]?.state === 'ended');
    expect(await counts()).toEqual({ used: 0, held: ESTIMATE, requests: 1, failed: 0 });
    caller.abort();
    expect(await failed).toBeInstanceOf(APIUserAbortError);
    await until(async () => (await counts()).held === 0);
    expect(await counts()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it('whose first attempt may have been charged counts as the hold beside the next', async () => {
    const { client, counts } = await openBudgetedClient(kind);
    await client.messages.create(HELLO, scenario('reset:1'));
    const used = ESTIMATE + INPUT + 39;
    expect(await counts()).toEqual({ used, held: 0, requests: 1, failed: 0 });
  });

  it('whose attempts may all have been charged counts as the hold for each', async () => {
    const { client, counts } = await openBudgetedClient(kind, { sdk: { maxRetries: 1 } });
    await failure(client.messages.create(HELLO, scenario('reset')));
    await until(async () => (await counts()).held === 0);
    const { used, requests } = await counts();
    expect([used, requests]).toEqual([2 * ESTIMATE, 1]);
  });

  it('without an answer in time is charged the hold', async () => {
    const sdk = { maxRetries: 0, timeout: 100 };
    const { client, counts } = await openBudgetedClient(kind, { sdk });
    await failure(client.messages.create(HELLO, scenario('hang')));
    await until(async () => (await counts()).held === 0);
    expect(await counts()).toEqual({ used: ESTIMATE, held: 0, requests: 1, failed: 1 });
  });

  it('as its caller aborts before the answer is charged the hold', async () => {
    const { client, api, counts } = await openBudgetedClient(kind);
    const caller = new AbortController();
    const options = { ...scenario('hang'), signal: caller.signal };
    const failed = failure(client.messages.create(HELLO, options));
    await until(() => api.calls.length === 1);
    caller.abort();
    expect(await failed).toBeInstanceOf(APIUserAbortError);
    expect(await counts()).toEqual({ used: ESTIMATE, held: 0, requests: 1, failed: 1 });
  });

  it('because nobody listens costs nothing', async () => {
    const { client, api, counts } = await openBudgetedClient(kind, { sdk: { maxRetries: 0 } });
    await api.close();
    await failure(client.messages.create(HELLO));
    expect(await counts()).toEqual({ used: 0, held: 0, requests: 1, failed: 1 });
  });

  it('is told apart from the same call made at the same time', async () => {
    const { client, counts } = await openBudgetedClient(kind);
    const request = {
      method: 'post' as const,
      path: '/v1/messages',
      body: HELLO,
      ...scenario('status:429:1'),
    };
    await Promise.all([client.request(request), client.request(request)]);
    const used = 2 * (INPUT + 39);
    expect(await counts()).toEqual({ used, held: 0, requests: 2, failed: 0 });
  });
});

describe.each(DATABASES)('a stream on %s', (kind) => {
  const open = async (maxTokens = 100) => {
    const opened = await openBudgetedClient(kind);
    const body = { ...HELLO, max_tokens: maxTokens, stream: true } as const;
    const stream = await opened.client.messages.create(body, scenario('slow'));
    const call = opened.api.calls[0]!;
    /** Reads until so many deltas came. */
    const read = async (deltas: number): Promise<void> => {
      call.send(deltas);
      let seen = 0;
      for await (const event of stream) {
        if (event.type === 'content_block_delta') seen += 1;
        if (seen === deltas) break;
      }
    };
    return { ...opened, stream, call, read };
  };
  const delivered = { used: INPUT + 26, held: 0, requests: 1, failed: 0 };

  it('that its reader leaves stops the provider, and is charged what was delivered', async () => {
    const { read, call, counts } = await open();
    await read(2);
    await until(() => call.state === 'aborted');
    await until(async () => (await counts()).held === 0);
    expect(await counts()).toEqual(delivered);
  });

  it('that is aborted while nobody reads it is charged what was delivered', async () => {
    const { stream, call, counts } = await open();
    const events: AsyncIterator<Anthropic.RawMessageStreamEvent> = stream[Symbol.asyncIterator]();
    call.send(2);
    for (let seen = 0; seen < 2;) {
      const next = await events.next();
      if (next.done !== true && next.value.type === 'content_block_delta') seen += 1;
    }
    stream.controller.abort();
    await until(() => call.state === 'aborted');
    await until(async () => (await counts()).held === 0);
    expect(await counts()).toEqual(delivered);
  });

  it('that is cut infers no more output than was reserved', async () => {
    const { read, counts } = await open(20);
    await read(3);
    await until(async () => (await counts()).held === 0);
    expect((await counts()).used).toBe(INPUT + 20);
  });

  it.each(['cut:2', 'error:2'])(
    'that breaks off (%s) is charged what was delivered',
    async (name) => {
      const { client, counts } = await openBudgetedClient(kind);
      await failure(client.messages.stream(HELLO, scenario(name)).done());
      expect(await counts()).toEqual(delivered);
    },
  );
});

describe.each(DATABASES)('a denial on %s', (kind) => {
  it('throws the verdict, sends nothing, and is not tried again', async () => {
    const { client, api, app } = await openBudgetedClient(kind, { limits: { hourly: 110 } });
    const error = await failure(client.messages.create(HELLO));
    expect(error).toBeInstanceOf(BudgetDeniedError);
    expect((error as BudgetDeniedError).verdict).toMatchObject({
      admitted: false,
      estimate: { total: ESTIMATE },
      largestAdmissible: 110,
    });
    expect(api.calls).toEqual([]);
    expect((await app.status()).windows[0]).toMatchObject({ denied: 1, requests: 0 });
  });

  it('is not tried again where its text speaks of a time-out, either', async () => {
    const aiType = 'timeout';
    const { client, app } = await openBudgetedClient(kind, {
      aiType,
      aiTypes: { timeout: { request: 5 } },
    });
    const error = await failure(client.messages.create(HELLO));
    expect(error).toBeInstanceOf(BudgetDeniedError);
    expect((error as Error).message).toContain("timeout's limit");
    expect((await app.status()).windows[0]).toMatchObject({ denied: 1 });
  });

  it('of a ledger that is closed throws, too', async () => {
    const { client, api, app } = await openBudgetedClient(kind);
    await app.close();
    const error = await failure(client.messages.create(HELLO));
    expect(error).toMatchObject({ verdict: { reasons: [{ code: 'ledger_unavailable' }] } });
    expect(api.calls).toEqual([]);
  });

  it('reaches 150 of 200 concurrent calls where 50 fit, and the API sees 50', async () => {
    const { client, api, counts } = await openBudgetedClient(kind, {
      limits: { hourly: 50 * ESTIMATE },
    });
    const body = { ...HELLO, stream: true } as const;
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, () => client.messages.create(body, scenario('slow'))),
    );
    const denied = answers.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    expect(denied).toHaveLength(150);
    expect(denied.every((reason) => reason instanceof BudgetDeniedError)).toBe(true);
    expect(api.calls).toHaveLength(50);
    for (const call of api.calls) call.end();
    for (const one of answers) if (one.status === 'fulfilled') await drained(one.value);
    expect(await counts()).toEqual({ used: api.billed(), held: 0, requests: 50, failed: 0 });
  });
});

describe('waiting for a budget', () => {
  const rate = { requestsPerMinute: 1 } as const;

  it('goes on when the rate frees in time', async () => {
    const { client, api, target } = await openBudgetedClient('sqlite', {
      limits: rate,
      maxWaitMs: 20_000,
    });
    await client.messages.create(HELLO);
    // As if it had been made a minute ago, but for a second.
    const ago = new Date(Date.now() - 59_000).toISOString();
    await sql(target, 'UPDATE token_usage_logs SET created_at = ?', [ago]);
    await client.messages.create(HELLO);
    expect(api.messages()).toHaveLength(2);
  });

  it('denies at once what frees too late, or never', async () => {
    const { client } = await openBudgetedClient('sqlite', {
      limits: { ...rate, request: 200 },
      maxWaitMs: 5_000,
    });
    await client.messages.create(HELLO);
    const late = await failure(client.messages.create(HELLO));
    expect(late).toMatchObject({ verdict: { reasons: [{ code: 'rate_exceeded' }] } });
    const never = await failure(client.messages.create({ ...HELLO, max_tokens: 500 }));
    expect(never).toMatchObject({ verdict: { retryAt: null } });
  });

  it('ends when the caller aborts', async () => {
    const { client, api, app } = await openBudgetedClient('sqlite', {
      limits: rate,
      maxWaitMs: 80_000,
    });
    await client.messages.create(HELLO);
    const caller = new AbortController();
    const failed = failure(client.messages.create(HELLO, { signal: caller.signal }));
    await until(async () => ((await app.status()).windows[0]?.denied ?? 0) > 0);
    caller.abort();
    expect(await failed).toBeInstanceOf(APIUserAbortError);
    expect(api.calls).toHaveLength(1);
  });
});

describe('what is no message', () => {
  it('passes when it is free', async () => {
    const { client, api, counts } = await openBudgetedClient('sqlite', { limits: { hourly: 0 } });
    await client.messages.countTokens({ model: 'm', messages: HELLO.messages });
    await client.models.list();
    expect(api.calls).toHaveLength(2);
    expect(await counts()).toEqual({ used: 0, held: 0, requests: 0, failed: 0 });
  });

  it('is refused by the field that is wrong, and not sent', async () => {
    const { client, api } = await openBudgetedClient('sqlite');
    for (const max_tokens of [undefined, -1, 1e13, 'many'] as never[]) {
      const error = await failure(client.messages.create({ ...HELLO, max_tokens, stream: true }));
      expect(error).toBeInstanceOf(TokenctlError);
      expect(error).toMatchObject({ code: 'invalid_input', field: 'max_tokens' });
    }
    expect(api.calls).toEqual([]);
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
    const { guard, api, counts } = await openBudgetedClient('sqlite');
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
    expect((await counts()).used).toBe(INPUT + 39);
    await client.messages.create(HELLO);
    expect((await counts()).used).toBe(INPUT + 39);
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
