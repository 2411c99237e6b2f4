import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { HELLO } from '../support/anthropic-client.ts';
import { DATABASES } from '../support/databases.ts';
import { openGateway, startGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';

const ESTIMATE = 3 + 8 + 100;
const items = (...scenarios: string[]) =>
  scenarios.map((scenario, index) => ({
    custom_id: String(index),
    params: { ...HELLO, model: `${HELLO.model}#${scenario}` },
  }));

describe.each(DATABASES)('a batch through the gateway on %s', (kind) => {
  test('is held item by item, and settled when its results are read, by another process too', async () => {
    const { client, api, target, counts } = await openGateway(kind);
    const batch = await client.messages.batches.create({
      requests: items('ok', 'cached', 'errored'),
    });
    await until(async () => (await counts()).held === 3 * ESTIMATE);
    expect((await counts()).requests).toBe(3);

    const later = await startGateway(target.url, api.url, { args: [] });
    const other = new Anthropic({ apiKey: 'sk-test', baseURL: `${later.url}/imperium` });
    const { results_url: resultsUrl } = await other.messages.batches.retrieve(batch.id);
    expect(resultsUrl).toBe(`${later.url}/imperium/v1/messages/batches/${batch.id}/results`);
    const results = [];
    for await (const result of await other.messages.batches.results(batch.id)) results.push(result);
    expect(results.map(({ result }) => result.type)).toEqual(['succeeded', 'succeeded', 'errored']);
    await until(async () => (await counts()).held === 0);
    expect((await counts()).used).toBe(api.billed());
  });

  test('is refused where an item or the sum of them is too large, and released where the provider refuses it', async () => {
    const limits = { monthly: 3 * ESTIMATE, enforcedMonthly: 3 * ESTIMATE };
    const { client, api, counts } = await openGateway(kind, { limits });
    await expect(
      client.messages.batches.create({ requests: items('ok', 'ok', 'ok', 'ok') }),
    ).rejects.toThrow(/444/);
    const requests = [{ custom_id: '1', params: { ...HELLO, max_tokens: -5 } }];
    await expect(client.messages.batches.create({ requests })).rejects.toThrow(
      /requests\[0\]\.params\.max_tokens/,
    );
    expect(api.calls).toEqual([]);
    expect(await counts()).toMatchObject({ used: 0, held: 0 });
  });
});
