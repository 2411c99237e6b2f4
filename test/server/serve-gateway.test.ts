/** `tokenctl serve --gateway`: the API and the gateway in one process, over one ledger, with one end. */
import Anthropic from '@anthropic-ai/sdk';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ServeDocument } from '../../src/cli/views/serve.ts';
import { TEN_WORDS_TOKENS } from '../support/anthropic-answers.ts';
import { startAnthropicApi, type AnthropicApi } from '../support/anthropic-api.ts';
import { drained, ESTIMATE, HELLO, INPUT, scenario } from '../support/anthropic-client.ts';
import { ask, openApi, startApi, type OpenedApi } from '../support/api.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import { openStream } from '../support/gateway.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { samplesOf, valueOf } from '../support/metrics.ts';
import { newestExport } from '../support/otlp.ts';
import { until } from '../support/processes.ts';
import { openSocket, rawRequest } from '../support/raw-http.ts';
import { httpReceiver } from '../support/receivers.ts';
import { startServiceManager } from '../support/service-manager.ts';

const RESERVE = '/api/v1/reservations';
/** What a call of HELLO through the gateway holds, too. */
const BODY = { aiType: 'imperium', estimate: { input: ESTIMATE - 100, output: 100 } };

interface Opened extends OpenedApi {
  readonly document: ServeDocument;
  /** The provider's API behind the gateway. */
  readonly provider: AnthropicApi;
  readonly gatewayUrl: string;
  readonly client: Anthropic;
}

type Options = NonNullable<Parameters<typeof openApi>[1]>;

async function openBoth(
  kind: DatabaseName,
  { args = [], ...options }: Options = {},
): Promise<Opened> {
  const provider = await startAnthropicApi();
  onTestFinished(() => provider.close());
  const flags = ['--gateway', '--gateway-port', '0', '--upstream', provider.url];
  const opened = await openApi(kind, {
    ...options,
    args: [...flags, '--ai-type', 'imperium', ...args],
  });
  const document = JSON.parse(opened.api.lines()[0]!) as ServeDocument;
  const gatewayUrl = document.gateway!.url;
  const client = new Anthropic({ apiKey: 'sk-test', baseURL: gatewayUrl, maxRetries: 0 });
  return { ...opened, document, provider, gatewayUrl, client };
}

const listens = (url: string): Promise<boolean> =>
  rawRequest(url, { method: 'GET', path: '/healthz' }).then(
    () => true,
    () => false,
  );

/** Tokens of the month. */
async function counts({ app }: OpenedApi): Promise<{ used: number; held: number }> {
  const { used, held } = (await app.status()).windows[0]!;
  return { used, held };
}

describe.each(DATABASES)('one budget on %s', (kind) => {
  test('is raced for by calls through the gateway and reserves: exactly the limit is admitted', async () => {
    const most = 20;
    const opened = await openBoth(kind, { limits: { enforcedMonthly: most * ESTIMATE } });
    const { client, provider, target } = opened;
    const byApi = async (): Promise<boolean> => {
      const { status } = await opened.ask(RESERVE, { body: BODY });
      expect([201, 429]).toContain(status);
      return status === 201;
    };
    const streams: AsyncIterable<unknown>[] = [];
    const byGateway = async (): Promise<boolean> => {
      try {
        streams.push(await client.messages.create({ ...HELLO, stream: true }, scenario('slow')));
        return true;
      } catch (error) {
        expect(error).toMatchObject({ status: 429 });
        return false;
      }
    };
    expect([await byApi(), await byGateway()]).toEqual([true, true]);
    const raced = Array.from({ length: 60 }, (_, number) => (number % 2 ? byApi() : byGateway()));
    const admitted = (await Promise.all(raced)).filter(Boolean).length;
    expect(admitted).toBe(most - 2);
    expect(await counts(opened)).toEqual({ used: 0, held: most * ESTIMATE });
    // What the gateway let through is what it sent, and what the log says came through it.
    expect(provider.calls).toHaveLength(streams.length);
    const rows = await sql(
      target,
      "SELECT request_type, count(*) AS n FROM token_usage_logs WHERE state = 'reserved' GROUP BY request_type",
    );
    expect(Object.fromEntries(rows.map((row) => [row['request_type'], Number(row['n'])]))).toEqual({
      api: most - streams.length,
      gateway: streams.length,
    });

    for (const call of provider.calls) call.end();
    await Promise.all(streams.map(drained));
    const left = (most - streams.length) * ESTIMATE;
    await until(async () => (await counts(opened)).held === left);
    expect(await counts(opened)).toEqual({ used: provider.billed(), held: left });
    const { body } = await opened.ask<string>('/metrics');
    const value = (name: string, labels = {}) =>
      valueOf(samplesOf(body), `tokenctl_${name}`, labels);
    expect(value('requests_total', { result: 'settled' })).toBe(streams.length);
    expect(value('requests_total', { result: 'denied' })).toBe(62 - most);
    // One ledger decides and ends them all, several in a transaction.
    expect(value('batch_commands_sum')).toBe(62 + streams.length);
    expect(value('batch_commands_count')).toBeLessThan(62 + streams.length);
    expect(await opened.app.verify({ repair: false })).toEqual([]);
  });
});

test('OTLP has the calls of both', async () => {
  const collector = await httpReceiver();
  const opened = await openBoth('sqlite', { args: ['--otlp', collector.url] });
  await opened.client.messages.create(HELLO);
  const { body } = await opened.ask<{ reservation: { id: string } }>(RESERVE, { body: BODY });
  const usage = { inputTokens: 1_000, outputTokens: 1 };
  await opened.ask(`${RESERVE}/${body.reservation.id}/settle`, { body: usage });
  await until(async () => (await counts(opened)).held === 0);
  opened.api.child.kill('SIGTERM');
  expect((await opened.api.done).code).toBe(0);
  const { metrics } = newestExport(collector);
  const { points } = metrics.get('gen_ai.client.inference.usage.input_tokens')!;
  expect(points.map(({ value }) => value).toSorted((a, b) => a - b)).toEqual([INPUT, 1_000]);
});

describe('what it says when both listen', () => {
  test('is one document with both addresses', async () => {
    const opened = await openBoth('sqlite');
    const { api, document, provider, gatewayUrl } = opened;
    expect(document).toEqual({
      url: api.url,
      openReads: true,
      database: opened.target.location,
      gateway: {
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
        upstream: provider.url,
        aiType: 'imperium',
        requireToken: false,
      },
    });
    expect(await Promise.all([api.url, gatewayUrl].map(listens))).toEqual([true, true]);
    api.child.kill('SIGINT');
    const { code, stdout, stderr } = await api.done;
    expect([code, stdout.split('\n').length, stderr]).toEqual([130, 2, '']);
  });

  test('is two lines for people, and no gateway in the document without the flag', async () => {
    const { target } = await openTestLedger('sqlite');
    const args = ['serve', '--gateway', '--port', '0', '--gateway-port', '0'];
    const child = temporaryCli().start([...args, '--database', target.url]);
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until(() => said.split('\n').length === 3, 20_000);
    expect(said).toMatch(
      /^tokenctl: listening on http:\/\/127\S+, writes need a token, database .*\ntokenctl: the gateway listens on http:\/\/127\S+ for https:\/\/api\.anthropic\.com\n$/,
    );
    const alone = await startApi(target.url);
    expect(JSON.parse(alone.lines()[0]!)).toMatchObject({ gateway: null });
  });

  test('is told to a service manager once, with both addresses', async () => {
    const manager = await startServiceManager();
    const { api, gatewayUrl } = await openBoth('sqlite', {
      env: { NOTIFY_SOCKET: manager.socket },
    });
    await manager.hears(/^READY=1$/);
    expect(manager.messages).toEqual([
      ['READY=1', `STATUS=listening on ${api.url}, the gateway on ${gatewayUrl}`],
    ]);
    api.child.kill('SIGTERM');
    expect((await api.done).code).toBe(0);
    expect(manager.messages.at(-1)).toEqual(['STOPPING=1', 'STATUS=stopping']);
  });
});

describe('asked to stop', () => {
  test('it takes nothing new at either, and lets open calls of both finish', async () => {
    const opened = await openBoth('sqlite');
    const { api, provider, gatewayUrl } = opened;
    const { call, body } = halfSent(opened, await opened.token({ scopes: ['reserve'] }));
    const stream = await openStream(gatewayUrl, provider);
    api.child.kill('SIGTERM');
    await api.prints('stderr', /stopping when 2 open calls are over/);
    await until(async () => !(await listens(api.url)) && !(await listens(gatewayUrl)));
    call.write(body);
    await until(() => call.received().startsWith('HTTP/1.1 201 '));
    provider.calls[0]!.end();
    const { code, stderr } = await api.done;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    expect(stream.received()).toContain('message_stop');
    expect(await counts(opened)).toEqual({ used: provider.billed(), held: ESTIMATE });
  });

  test('a second signal breaks open calls of both off, and what was delivered is charged', async () => {
    const opened = await openBoth('sqlite', { args: ['--drain-timeout', '600'] });
    const { api, provider, gatewayUrl } = opened;
    const { call } = halfSent(opened, await opened.token({ scopes: ['reserve'] }));
    const stream = await openStream(gatewayUrl, provider);
    api.child.kill('SIGTERM');
    await api.prints('stderr', /stopping when 2 open calls are over/);
    api.child.kill('SIGTERM');
    expect((await api.done).code).toBe(0);
    expect(stream.received()).not.toContain('message_stop');
    expect(call.received()).toBe('');
    expect(await counts(opened)).toEqual({ used: INPUT + 2 * TEN_WORDS_TOKENS, held: 0 });
  });

  test("--drain-timeout is the gateway's alone: the API ends by itself", async () => {
    const opened = await openBoth('sqlite', { args: ['--drain-timeout', '0'] });
    const { api, provider, gatewayUrl } = opened;
    const { call, body } = halfSent(opened, await opened.token({ scopes: ['reserve'] }));
    await openStream(gatewayUrl, provider);
    api.child.kill('SIGTERM');
    await until(() => provider.calls[0]!.state === 'aborted');
    call.write(body);
    expect((await api.done).code).toBe(0);
    expect(call.received()).toMatch(/^HTTP\/1\.1 201 /);
  });
});

/** A reserve at the API whose body has not come yet. */
function halfSent({ api }: OpenedApi, token: string) {
  const socket = openSocket(api.url);
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  const body = JSON.stringify(BODY);
  socket.write(
    [
      `POST ${RESERVE} HTTP/1.1`,
      `host: ${new URL(api.url).host}`,
      `authorization: Bearer ${token}`,
      'content-type: application/json',
      `content-length: ${String(body.length)}`,
      '\r\n',
    ].join('\r\n'),
  );
  return {
    body,
    call: { received: () => received, write: (text: string) => socket.write(text) },
  };
}

test.each([
  ['--port', '--gateway-port'],
  ['--gateway-port', '--port'],
])('where %s is taken nothing goes on, and it is named', async (taken, free) => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const port = String((other.address() as AddressInfo).port);
  const args = ['serve', '--gateway', taken, port, free, '0'];
  const { code, stdout, stderr } = await temporaryCli().run(args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(
    new RegExp(
      `\ntokenctl: ${taken}: ${port} is taken on 127.0.0.1\n {2}-> choose another ${taken}\n$`,
    ),
  );
});

describe('on an address beyond this machine', () => {
  const key = { ANTHROPIC_API_KEY: 'sk-real' };

  test('it needs a token that is good, as the API does', async () => {
    const { target } = await openTestLedger('sqlite');
    const args = ['serve', '--gateway', '--host', '0.0.0.0', '--require-token', '--port', '0'];
    const { code, stdout, stderr } = await temporaryCli().run(
      [...args, '--gateway-port', '0', '--database', target.url],
      { env: key },
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/--host: on 0\.0\.0\.0 every caller needs a token/);
  });

  test('one token opens both, and nobody passes without', async () => {
    const args = ['--host', '0.0.0.0', '--require-token'];
    const opened = await openBoth('sqlite', { args, env: key });
    const [apiUrl, baseURL] = [opened.api.url, opened.gatewayUrl].map((url) =>
      url.replace('0.0.0.0', '127.0.0.1'),
    ) as [string, string];
    const token = await opened.token({ scopes: ['reserve'] });
    const call = (apiKey: string) =>
      new Anthropic({ apiKey, baseURL, maxRetries: 0 }).messages.create(HELLO);
    await call(token);
    expect(opened.provider.calls[0]!.headers['x-api-key']).toBe('sk-real');
    await expect(call('sk-real')).rejects.toMatchObject({ status: 401 });
    expect((await ask(apiUrl, RESERVE, { body: BODY, token })).status).toBe(201);
    expect((await ask(apiUrl, '/api/v1/status')).status).toBe(401);
  });
});
