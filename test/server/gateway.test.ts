import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { StatusReport } from '../../src/ledger/status.ts';
import { startAnthropicApi, type AnthropicApi } from '../support/anthropic-api.ts';
import { temporaryCli } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { gatewayDatabase, startGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';

async function api(): Promise<AnthropicApi> {
  const started = await startAnthropicApi();
  onTestFinished(() => started.close());
  return started;
}

const clientOf = (baseURL: string): Anthropic =>
  new Anthropic({ baseURL, apiKey: 'sk-test', maxRetries: 0 });
const QUESTION = {
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'how are you?' }],
};

describe.each(DATABASES)('a gateway on %s', (kind) => {
  test('passes calls on, and counts what they used', async () => {
    const upstream = await api();
    const target = await gatewayDatabase(kind);
    const cli = temporaryCli();
    const { url } = await startGateway(target, upstream.url, { cli });
    const client = clientOf(url);

    const { data, response } = await client.messages
      .create({ ...QUESTION, model: 'claude-x' })
      .withResponse();
    expect(data.content).toMatchObject([{ type: 'text' }]);
    expect(response.headers.get('x-tokenctl-ai-type')).toBe('imperium');
    expect(response.headers.get('x-tokenctl-reservation')).toMatch(/^[0-9a-f-]{36}$/);
    expect(Number(response.headers.get('x-tokenctl-largest'))).toBeGreaterThan(0);
    const text: string[] = [];
    for await (const event of client.messages.stream({ ...QUESTION, model: 'claude-x#cached' })) {
      if (event.type === 'content_block_delta') text.push(event.type);
    }
    expect(text).toHaveLength(3);
    await clientOf(`${url}/guardian`).messages.create({ ...QUESTION, model: 'claude-x#tool' });

    const status = async (): Promise<StatusReport> =>
      JSON.parse(
        (await cli.run(['status', '--json', '--database', target.url])).stdout,
      ) as StatusReport;
    await until(async () => (await status()).windows[0]?.held === 0);
    const { windows, aiTypes } = await status();
    expect(windows[0]?.used).toBe(upstream.billed());
    expect(aiTypes.map(({ aiType, requests }) => [aiType, requests])).toEqual([
      ['imperium', 2],
      ['guardian', 1],
    ]);
  });

  test('answers a denial as the API would', async () => {
    const upstream = await api();
    const target = await gatewayDatabase(kind, { monthly: 50, enforcedMonthly: 50 });
    const { url } = await startGateway(target, upstream.url);
    const answer = await clientOf(url)
      .messages.create({ ...QUESTION, model: 'claude-x' })
      .catch((error: unknown) => error);
    expect(answer).toBeInstanceOf(Anthropic.BadRequestError);
    const { error, headers } = answer as InstanceType<typeof Anthropic.BadRequestError>;
    expect(error).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', details: { admitted: false, aiType: 'imperium' } },
    });
    expect(headers.get('x-should-retry')).toBe('false');
    expect(upstream.calls).toEqual([]);
  });
});
