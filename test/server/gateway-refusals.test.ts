import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Guard } from '../../src/guard/guard.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { callersWithKeys } from '../../src/server/gateway/callers.ts';
import { startGateway } from '../../src/server/gateway/gateway.ts';
import { Upstream } from '../../src/server/gateway/upstream.ts';
import { startAnthropicApi, type AnthropicApi } from '../support/anthropic-api.ts';
import { HELLO } from '../support/anthropic-client.ts';
import { startUpstream } from '../support/encoded-api.ts';
import { openGateway } from '../support/gateway.ts';
import { openTestLedger, type TestLedger } from '../support/ledgers.ts';
import { openSocket, parseAnswer, rawRequest } from '../support/raw-http.ts';

const KEY = 'X-Api-Key: sk-test';
const BODY = JSON.stringify(HELLO);

interface Opened extends TestLedger {
  readonly url: string;
  readonly api: AnthropicApi;
}

/** A gateway in this process, which loses patience soon. */
async function impatient(upstreamUrl?: string): Promise<Opened> {
  const ledger = await openTestLedger('sqlite');
  const api = await startAnthropicApi();
  const upstream = new Upstream({
    url: new URL(upstreamUrl ?? api.url),
    answerMs: 1_000,
    pauseMs: 1_000,
  });
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    portFlag: '--port',
    headersMs: 300,
    requestMs: 600,
    serving: {
      budget: new Guard(ledger.app.ledger, systemRuntime, {
        estimator: 'words',
        cacheReadPercent: 100,
        requestType: 'gateway',
      }),
      runtime: systemRuntime,
      upstream,
      callers: callersWithKeys('imperium'),
      hosts: new Set(['127.0.0.1', 'localhost']),
      passUnknown: false,
      mostBodyBytes: 1_000,
      maxWaitMs: 0,
      suggest: (text) => text,
      isCutShort: () => false,
      warn: () => undefined,
    },
    onServed: () => undefined,
    onError: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(async () => {
    await gateway.stop(AbortSignal.abort());
    await upstream.close();
    await api.close();
  });
  return { ...ledger, api, url: gateway.url };
}

/** An error in the API's shape. */
function apiError(status: number, type: string, message: RegExp): object {
  return {
    status,
    body: {
      type: 'error',
      error: { type, message: expect.stringMatching(message) as string },
      request_id: expect.stringMatching(/^req_/) as string,
    },
  };
}

async function ask(
  url: string,
  request: Parameters<typeof rawRequest>[1],
): Promise<{ status: number; body: unknown }> {
  const { head, body } = await rawRequest(url, request);
  return { status: Number(head[0]?.split(' ')[1]), body: JSON.parse(body.toString()) as unknown };
}

describe('a request that is no call is refused, and nothing is held or sent', () => {
  test.each([
    ['no JSON', 'nothing', /^body: is no JSON/],
    ['an empty body', '', /^body: is no JSON/],
    ['a list', '[]', /^body: must be a JSON object/],
    ['no max_tokens', JSON.stringify({ ...HELLO, max_tokens: undefined }), /^max_tokens: /],
    ['max_tokens of nonsense', JSON.stringify({ ...HELLO, max_tokens: -1 }), /^max_tokens: /],
    ['max_tokens beyond all', JSON.stringify({ ...HELLO, max_tokens: 1e15 }), /^max_tokens: /],
    ['no messages', JSON.stringify({ max_tokens: 1 }), /^messages: /],
    ['a model without end', JSON.stringify({ ...HELLO, model: 'x'.repeat(201) }), /^model: /],
  ])('%s', async (_what, body, message) => {
    const { url, api, app } = await impatient();
    expect(await ask(url, { headers: [KEY], body })).toEqual(
      apiError(400, 'invalid_request_error', message),
    );
    expect(api.calls).toEqual([]);
    expect((await app.status()).windows[0]).toMatchObject({ held: 0, requests: 0, denied: 0 });
  });
});

test('unknown paths are refused, or passed on where that was asked for', async () => {
  const { url } = await impatient();
  for (const path of ['/v1/files', '/v1/complete', '/', '/metrics', '/v1/messages/x/../batches']) {
    expect(await ask(url, { path, headers: [KEY], body: '{}' })).toEqual(
      apiError(404, 'not_found_error', /this gateway serves \/v1\/messages/),
    );
  }
  const { gateway, api } = await openGateway('sqlite', { args: ['--pass-unknown'] });
  expect((await ask(gateway.url, { path: '/v1/files', headers: [KEY], body: '{}' })).status).toBe(
    404,
  );
  expect(api.calls).toMatchObject([{ path: '/v1/files', text: '{}' }]);
});

test('a call that names no AI type is refused; one that is free need not', async () => {
  const { gateway, api } = await openGateway('sqlite', { aiType: null });
  const { url } = gateway;
  expect(await ask(url, { headers: [KEY], body: BODY })).toEqual(
    apiError(400, 'invalid_request_error', /no AI type is named/),
  );
  expect(await ask(url, { path: '/global/v1/messages', headers: [KEY], body: BODY })).toEqual(
    apiError(400, 'invalid_request_error', /^the path: "global" is reserved/),
  );
  expect((await ask(url, { method: 'GET', path: '/v1/models', headers: [KEY] })).status).toBe(200);
  expect(api.calls).toHaveLength(1);
});

test('bodies above 32 MiB are refused', async () => {
  const { gateway, api } = await openGateway('sqlite');
  const body = Buffer.alloc(33_554_433, ' ');
  expect(await ask(gateway.url, { headers: [KEY], body })).toEqual(
    apiError(413, 'request_too_large', /at most 32 MiB/),
  );
  expect(api.calls).toEqual([]);
});

describe('a client that', () => {
  const answerTo = async (url: string, text: string): Promise<ReturnType<typeof parseAnswer>> => {
    const socket = openSocket(url);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(text);
    await once(socket, 'close');
    return parseAnswer(Buffer.concat(chunks));
  };

  test('sends its headers too slowly is told, and let go', async () => {
    const { url } = await impatient();
    const { head, body } = await answerTo(url, 'POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n');
    expect(head[0]).toMatch(/^HTTP\/1.1 408 /);
    expect(JSON.parse(body.toString())).toMatchObject({ error: { type: 'timeout_error' } });
  });

  test('sends its body too slowly is told, and let go', async () => {
    const { url, api } = await impatient();
    const { head, body } = await answerTo(
      url,
      'POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{',
    );
    expect(head[0]).toMatch(/^HTTP\/1.1 408 /);
    expect(JSON.parse(body.toString())).toMatchObject({ error: { type: 'timeout_error' } });
    expect(api.calls).toEqual([]);
  });

  test('names no host is told, and let go', async () => {
    const { url } = await impatient();
    const { head, body } = await answerTo(url, 'GET /v1/models HTTP/1.1\r\n\r\n');
    expect(head[0]).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(body.toString())).toMatchObject({ error: { message: 'host: is needed' } });
  });

  test('speaks no HTTP is told, and let go', async () => {
    const { url } = await impatient();
    const { head, body } = await answerTo(url, 'hello\r\n\r\n');
    expect(head[0]).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(body.toString())).toMatchObject({ error: { type: 'invalid_request_error' } });
  });
});

test('a provider that does not answer in time costs the hold, and the client is told', async () => {
  const { url, app } = await impatient(await startUpstream(() => undefined));
  expect(await ask(url, { headers: [KEY], body: BODY })).toEqual(
    apiError(504, 'timeout_error', /did not answer in time/),
  );
  const { windows } = await app.status();
  expect(windows[0]).toMatchObject({ used: 111, held: 0 });
});

describe('a page in a browser is kept out', () => {
  test.each([
    ['by another name of this machine', ['Host: evil.example:4010'], /^host: /],
    ['without a name', ['Host: '], /^host: /],
    ['from another site', ['Host: localhost', 'Origin: https://evil.example'], /^origin: /],
    ['from nowhere', ['Host: localhost', 'Origin: null'], /^origin: /],
  ])('%s', async (_what, headers, message) => {
    const { url, api } = await impatient();
    const text = ['POST /v1/messages HTTP/1.1', ...headers, KEY, 'Connection: close'];
    const socket = openSocket(url);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(`${text.join('\r\n')}\r\nContent-Length: ${String(BODY.length)}\r\n\r\n${BODY}`);
    await once(socket, 'close');
    const { head, body } = parseAnswer(Buffer.concat(chunks));
    expect(head[0]).toBe('HTTP/1.1 403 Forbidden');
    expect(JSON.parse(body.toString())).toMatchObject({
      error: { type: 'permission_error', message: expect.stringMatching(message) as string },
    });
    expect(api.calls).toEqual([]);
  });
});
