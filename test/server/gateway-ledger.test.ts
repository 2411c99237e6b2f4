import Anthropic from '@anthropic-ai/sdk';
import Sqlite from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Settings } from '../../src/budget/limits.ts';
import { startAnthropicApi } from '../support/anthropic-api.ts';
import { HELLO } from '../support/anthropic-client.ts';
import { foreignLog } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { openGateway, startGateway } from '../support/gateway.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { until } from '../support/processes.ts';

const clientOf = (baseURL: string) => new Anthropic({ apiKey: 'sk-test', baseURL, maxRetries: 0 });

async function failure(call: Promise<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const error = await call.then(
    () => expect.unreachable(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Anthropic.APIError);
  return error as InstanceType<typeof Anthropic.APIError>;
}

function expectUnavailable(error: InstanceType<typeof Anthropic.APIError>): void {
  expect(error.status).toBe(503);
  expect(error.headers?.get('retry-after')).toBe('2');
  expect(error.error).toMatchObject({
    type: 'error',
    error: { type: 'api_error', details: { reasons: [{ code: 'ledger_unavailable' }] } },
  });
}

describe('while the ledger is lost, calls are answered with 503 and nothing is sent; then it serves again', () => {
  test('PostgreSQL that is gone, at the start too', async () => {
    const api = await startAnthropicApi();
    onTestFinished(() => api.close());
    const { app, target } = await openTestLedger('postgresql');
    const proxy = await startProxy(target);
    proxy.mode = 'refuses';
    const gateway = await startGateway(proxy.target.url, api.url);
    await gateway.prints('stderr', /calls are answered with 503 until it does/);
    const client = clientOf(gateway.url);
    expectUnavailable(await failure(client.messages.create(HELLO)));
    proxy.mode = 'passes';
    await client.messages.create(HELLO);

    proxy.mode = 'refuses';
    proxy.cut();
    expectUnavailable(await failure(client.messages.create(HELLO)));
    expect(api.calls).toHaveLength(1);
    proxy.mode = 'passes';
    await client.messages.create(HELLO);
    await until(async () => (await app.status()).windows[0]?.held === 0);
    expect((await app.status()).windows[0]).toMatchObject({ used: api.billed() });
  }, 60_000);

  test('SQLite that another program has locked', async () => {
    const { api, gateway, target, counts } = await openGateway('sqlite');
    const client = clientOf(gateway.url);
    await client.messages.create(HELLO);
    const other = new Sqlite(target.url);
    onTestFinished(() => void other.close());
    other.exec('BEGIN IMMEDIATE');
    expectUnavailable(await failure(client.messages.create(HELLO)));
    expect(api.calls).toHaveLength(1);
    other.exec('ROLLBACK');
    await client.messages.create(HELLO);
    await until(async () => (await counts()).held === 0);
    expect((await counts()).used).toBe(api.billed());
  });

  test('a database that is not there ends it before it listens', async () => {
    const cli = temporaryCli();
    const { code, stdout, stderr } = await cli.run(['gateway', '--database', './none.db']);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain('tokenctl --database ./none.db db migrate');
  });
});

describe.each(DATABASES)('a denial on %s', (kind) => {
  const minuteAgo = (ms: number) =>
    new Date(Date.now() - 60_000 + ms).toISOString().slice(0, 23).replace('T', ' ');
  const limits: Settings['global'] = { requestsPerMinute: 1 };

  test('that waiting mends says when to come again', async () => {
    const { gateway, target, api } = await openGateway(kind, { limits });
    await foreignLog(target, minuteAgo(30_000), 1);
    const error = await failure(clientOf(gateway.url).messages.create(HELLO));
    expect(error).toBeInstanceOf(Anthropic.RateLimitError);
    const after = Number(error.headers?.get('retry-after'));
    expect(after).toBeGreaterThan(10);
    expect(after).toBeLessThanOrEqual(30);
    expect(error.headers?.get('x-should-retry')).toBeNull();
    expect(error.error).toMatchObject({
      error: { type: 'rate_limit_error', details: { admitted: false, largestAdmissible: 0 } },
    });
    expect(api.calls).toEqual([]);
  });

  test('is waited out with --max-wait, if it frees in time', async () => {
    const { gateway, target, api } = await openGateway(kind, {
      limits,
      args: ['--max-wait', '20'],
    });
    await foreignLog(target, minuteAgo(2_500), 1);
    await clientOf(gateway.url).messages.create(HELLO);
    expect(api.calls).toHaveLength(1);
  });

  test('that no waiting mends is not tried again', async () => {
    const { gateway, api } = await openGateway(kind, { limits: { request: 50 } });
    const patient = new Anthropic({ apiKey: 'sk-test', baseURL: gateway.url, maxRetries: 3 });
    const error = await failure(patient.messages.create(HELLO));
    expect(error).toBeInstanceOf(Anthropic.BadRequestError);
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(error.error).toMatchObject({
      error: { details: { reasons: [{ code: 'request_too_large', canEverPass: false }] } },
    });
    expect(api.calls).toEqual([]);
  });
});
