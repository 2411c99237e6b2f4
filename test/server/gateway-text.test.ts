import { describe, expect, test } from 'vitest';
import { HELLO } from '../support/anthropic-client.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { startUpstream } from '../support/encoded-api.ts';
import { openGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';

/** What a provider might say that no database keeps. */
const ODD = 'a\0b\ud800';
const KEPT = 'a\ufffdb\ufffd';
const usage = { input_tokens: 3, output_tokens: 4 };

const STREAM = [
  { type: 'message_start', message: { type: 'message', model: ODD, usage } },
  { type: 'error', error: { type: 'overloaded_error', message: ODD } },
];

describe.each(DATABASES)('a call that was made, through a gateway on %s', (kind) => {
  test('is charged what it used, whatever text the provider answers with', async () => {
    const upstream = await startUpstream((request, response) => {
      const stream = request.headers['x-stream'] !== undefined;
      response.setHeader('content-type', stream ? 'text/event-stream' : 'application/json');
      response.end(
        stream
          ? STREAM.map((each) => `event: ${each.type}\ndata: ${JSON.stringify(each)}\n\n`).join('')
          : JSON.stringify({ type: 'message', model: ODD, stop_reason: ODD, usage }),
      );
    });
    const { gateway, target, counts } = await openGateway(kind, { upstream });
    const call = (headers: Record<string, string>) =>
      fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': 'sk-test', ...headers },
        body: JSON.stringify(HELLO),
      });
    await (await call({})).text();
    await (await call({ 'x-stream': '1' })).text();
    await until(async () => (await counts()).held === 0);
    expect((await counts()).used).toBe(2 * 7);
    const rows = await sql(
      target,
      'SELECT model_used, stop_reason, error_message FROM token_usage_logs ORDER BY created_at, id',
    );
    expect(rows).toEqual([
      { model_used: KEPT, stop_reason: KEPT, error_message: null },
      { model_used: KEPT, stop_reason: null, error_message: `overloaded_error: ${KEPT}` },
    ]);
  });

  test('is not made where the caller’s own model is such text', async () => {
    const { gateway, api } = await openGateway(kind);
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'sk-test' },
      body: JSON.stringify({ ...HELLO, model: ODD }),
    });
    expect([response.status, api.calls.length]).toEqual([400, 0]);
    expect(await response.json()).toMatchObject({
      error: {
        type: 'invalid_request_error',
        message: expect.stringMatching(/^model: has a NUL/) as string,
      },
    });
  });
});
