import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { resultsObserver } from '../../src/guard/anthropic-batches.ts';
import { tokenctlMiddleware } from '../../src/guard/anthropic.ts';
import {
  ESTIMATE,
  HELLO,
  INPUT,
  openBudgetedClient,
  scenario,
  type BudgetedClient,
} from '../support/anthropic-client.ts';
import { DATABASES } from '../support/databases.ts';
import { openLedgerOn } from '../support/ledgers.ts';
import { until } from '../support/processes.ts';

const item = (custom_id: string, model = HELLO.model) => ({
  custom_id,
  params: { ...HELLO, model },
});
const requests = [
  item('a'),
  item('b'),
  item('c', 'stand-in-1#errored'),
  item('d', 'stand-in-1#expired'),
];

async function readResults(client: Anthropic, id: string): Promise<string[]> {
  const types: string[] = [];
  for await (const { result } of await client.messages.batches.results(id)) types.push(result.type);
  return types;
}

/** Another process's client, on the same budget. */
async function elsewhere({ target, api }: BudgetedClient): Promise<Anthropic> {
  const { guard } = await openLedgerOn(target);
  return new Anthropic({
    apiKey: 'test',
    baseURL: api.url,
    middleware: [tokenctlMiddleware(guard, { aiType: 'imperium' })],
  });
}

describe.each(DATABASES)('a batch through the SDK on %s', (kind) => {
  it('is held item by item until its results are read, anywhere, and then charged what they used', async () => {
    const budgeted = await openBudgetedClient(kind, { limits: { request: ESTIMATE } });
    const { id } = await budgeted.client.messages.batches.create({ requests });
    const held = { used: 0, held: 4 * ESTIMATE, requests: 4, failed: 0 };
    expect(await budgeted.counts()).toEqual(held);
    const client = await elsewhere(budgeted);
    await client.messages.batches.retrieve(id);
    expect(await budgeted.counts()).toEqual(held);
    const types = ['succeeded', 'succeeded', 'errored', 'expired'];
    expect(await readResults(client, id)).toEqual(types);
    const used = 2 * (INPUT + 39);
    expect(used).toBe(budgeted.api.billed());
    expect(await budgeted.ended()).toEqual({ ...held, used, held: 0 });
    await readResults(budgeted.client, id);
    expect((await budgeted.ended()).used).toBe(used);
  });

  it('stays held where results are not those of every item, and is charged by those that are', async () => {
    const budgeted = await openBudgetedClient(kind);
    const { id } = await budgeted.client.messages.batches.create({ requests });
    const whole = await fetch(`${budgeted.api.url}/v1/messages/batches/${id}/results`, {
      headers: { 'x-api-key': 'test' },
    });
    const lines = (await whole.text()).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    const warnings: string[] = [];
    const read = async (text: string): Promise<void> => {
      const warn = (message: string): void => void warnings.push(message);
      const observer = resultsObserver(budgeted.guard, id, warn);
      observer.take(new TextEncoder().encode(text));
      await observer.end('whole');
    };
    await read('');
    await read(lines.slice(0, 3).join('\n'));
    expect((await budgeted.counts()).held).toBe(4 * ESTIMATE);
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toMatch(/results are of 3 items, not of 4/);
    await read(lines.join('\n'));
    expect((await budgeted.ended()).used).toBe(2 * (INPUT + 39));
  });

  it('is held for a day and an hour', async () => {
    const { client, app } = await openBudgetedClient(kind);
    await client.messages.batches.create({ requests });
    const [entry] = await app.log({
      filter: { aiType: null, state: 'held', model: null, name: null, failed: false },
      sinceMs: null,
      untilMs: null,
      limit: 1,
    });
    expect((entry!.expiresAtMs! - entry!.atMs) / 3_600_000).toBeCloseTo(25, 2);
  });

  it.each([
    ['an item is too large', { request: ESTIMATE - 1 }, 'request_too_large'],
    ['the sum does not fit', { hourly: 4 * ESTIMATE - 1 }, 'window_exceeded'],
    ['its items are too many', { requestsPerMinute: 3 }, 'rate_exceeded'],
  ])('is denied as a whole where %s', async (_, limits, code) => {
    const { client, api } = await openBudgetedClient(kind, { limits });
    const denied = client.messages.batches.create({ requests });
    await expect(denied).rejects.toMatchObject({ verdict: { reasons: [{ code }] } });
    expect(api.calls).toEqual([]);
  });

  it('that the API refuses costs nothing', async () => {
    const { client, ended } = await openBudgetedClient(kind, { sdk: { apiKey: null } });
    const refused = client.messages.batches.create(
      { requests },
      { headers: { 'X-Api-Key': null, Authorization: null } },
    );
    await expect(refused).rejects.toHaveProperty('status', 401);
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 4, failed: 4 });
  });

  it('of another budget passes', async () => {
    const { client, api, ended } = await openBudgetedClient(kind);
    const other = new Anthropic({ apiKey: 'test', baseURL: api.url });
    const { id } = await other.messages.batches.create({ requests });
    expect(await readResults(client, id)).toHaveLength(4);
    expect(await ended()).toEqual({ used: 0, held: 0, requests: 0, failed: 0 });
  });

  it('with a wrong item is refused by its field', async () => {
    const { client, api } = await openBudgetedClient(kind);
    const params = { ...HELLO, max_tokens: -1 };
    const refused = client.messages.batches.create({
      requests: [item('a'), { custom_id: 'b', params }],
    });
    await expect(refused).rejects.toMatchObject({ field: 'requests[1].params.max_tokens' });
    expect(api.calls).toEqual([]);
  });
});

describe.each(DATABASES)('creating a batch on %s', (kind) => {
  it('twice, because the first answer was lost, counts both', async () => {
    const { client, counts, ended } = await openBudgetedClient(kind);
    const { id } = await client.messages.batches.create({ requests }, scenario('reset:1'));
    await until(async () => (await counts()).used === 4 * ESTIMATE);
    expect((await counts()).held).toBe(4 * ESTIMATE);
    await readResults(client, id);
    expect(await ended()).toMatchObject({ used: 4 * ESTIMATE + 2 * (INPUT + 39), held: 0 });
  });
});
