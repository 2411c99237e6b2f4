import { APIUserAbortError } from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { BudgetDeniedError } from '../../src/guard/anthropic.ts';
import { TokenctlError } from '../../src/index.ts';
import {
  drained,
  ESTIMATE,
  failure,
  HELLO,
  openBudgetedClient,
  scenario,
} from '../support/anthropic-client.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { until } from '../support/processes.ts';

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
    const { client, api, ended } = await openBudgetedClient(kind, {
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
    expect(await ended()).toEqual({ used: api.billed(), held: 0, requests: 50, failed: 0 });
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
    const { client, api, ended } = await openBudgetedClient('sqlite', { limits: { hourly: 0 } });
    await client.messages.countTokens({ model: 'm', messages: HELLO.messages });
    await client.models.list();
    expect(api.calls).toHaveLength(2);
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 0, failed: 0 });
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

  it.each(['/v1/messages/', '/v1//messages', '/v1/complete', '/v1/messages/newer'])(
    'is refused as POST %s, which nobody can count, and not sent',
    async (path) => {
      const { client, api } = await openBudgetedClient('sqlite');
      const error = await failure(client.post(path, { body: HELLO }));
      expect(error).toMatchObject({ code: 'invalid_input', field: 'path' });
      expect((error as Error).message).toContain(`POST ${path}`);
      expect(api.calls).toEqual([]);
    },
  );
});
