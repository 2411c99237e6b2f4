import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TEN_WORDS_TOKENS } from '../support/anthropic-answers.ts';
import { startAnthropicApi } from '../support/anthropic-api.ts';
import { HELLO, INPUT } from '../support/anthropic-client.ts';
import { answerEncoded, billedEncoded, startUpstream } from '../support/encoded-api.ts';
import { openGateway, type OpenedGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';
import {
  comparable,
  openSocket,
  parseAnswer,
  rawRequest,
  requestBytes,
} from '../support/raw-http.ts';

const KEY = 'X-Api-Key: sk-test';
const JSON_BODY = JSON.stringify(HELLO);
const STREAM_BODY = JSON.stringify({ ...HELLO, stream: true });
const ESTIMATE = 3 + 8 + 100;

async function settled(opened: OpenedGateway): Promise<number> {
  await until(async () => (await opened.counts()).held === 0);
  return (await opened.counts()).used;
}

const scenario = (name: string) => `X-Scenario: ${name}`;
const REQUESTS = {
  'a message': { headers: [KEY], body: JSON_BODY },
  'a stream': { headers: [KEY], body: STREAM_BODY },
  'the beta API': { path: '/v1/messages?beta=true', headers: [KEY], body: STREAM_BODY },
  'tokens of the cache': { headers: [KEY, scenario('cached')], body: STREAM_BODY },
  'a tool call': { headers: [KEY, scenario('tool')], body: STREAM_BODY },
  'an error': { headers: [KEY, scenario('status:400')], body: JSON_BODY },
  'a rate limit': { headers: [KEY, scenario('status:429')], body: STREAM_BODY },
  overload: { headers: [KEY, scenario('status:529')], body: STREAM_BODY },
  'an error within a stream': { headers: [KEY, scenario('error:2')], body: STREAM_BODY },
  'a stream that is cut': { headers: [KEY, scenario('cut:2')], body: STREAM_BODY },
  'a page of HTML': { headers: [KEY, scenario('html:502')], body: JSON_BODY },
  'no key': { headers: [], body: JSON_BODY },
  'tokens that are counted': { path: '/v1/messages/count_tokens', headers: [KEY], body: '{}' },
  models: { method: 'GET', path: '/v1/models', headers: [KEY] },
  'a model': { method: 'GET', path: '/v1/models/claude-x', headers: [KEY] },
  'no batch': { method: 'GET', path: '/v1/messages/batches/none/results', headers: [KEY] },
};

describe('an answer through the gateway is that of a direct call, byte by byte', () => {
  test('over a bare connection', async () => {
    const { gateway } = await openGateway('sqlite');
    // Another stand-in, because each numbers its messages.
    const other = await startAnthropicApi();
    onTestFinished(() => other.close());
    const all = async (url: string): Promise<Record<string, unknown>> => {
      const answers: Record<string, unknown> = {};
      for (const [what, request] of Object.entries(REQUESTS)) {
        answers[what] = comparable(await rawRequest(url, request));
      }
      return answers;
    };
    const direct = await all(other.url);
    expect(await all(gateway.url)).toEqual(direct);
    expect(direct['a stream that is cut']).toMatchObject({ whole: false });
  });

  test('by curl, streamed and compressed', async () => {
    const encoded = await startUpstream(answerEncoded);
    const opened = await openGateway('sqlite', { upstream: encoded });
    const curl = async (url: string, body: string, ...flags: string[]): Promise<string[]> => {
      const words = ['-sSN', '-D', '-', '-H', KEY, '-d', body, ...flags];
      const { stdout } = await promisify(execFile)('curl', [...words, `${url}/v1/messages`]);
      const [head = '', answered = ''] = stdout.split('\r\n\r\n');
      const added = /^(x-tokenctl-|date|connection|keep-alive)/i;
      return [...head.split('\r\n').filter((line) => !added.test(line)), answered];
    };
    for (const body of [JSON_BODY, STREAM_BODY]) {
      for (const flags of [[], ['--compressed']]) {
        expect(await curl(opened.gateway.url, body, ...flags)).toEqual(
          await curl(encoded, body, ...flags),
        );
      }
    }
    // Compressed answers are charged by what they say too.
    expect(await settled(opened)).toBe(4 * billedEncoded({ ...HELLO }));
  });

  test('in each encoding that can be read as it passes, and in no other', async () => {
    const seen: (string | undefined)[] = [];
    const encoded = await startUpstream((request, response, body) => {
      seen.push(request.headers['accept-encoding']);
      answerEncoded(request, response, body);
    });
    const opened = await openGateway('sqlite', { upstream: encoded });
    const accepted = ['gzip', 'br', 'deflate', 'zstd, br;q=0.5', 'zstd', 'identity'];
    for (const encoding of accepted) {
      const request = { headers: [KEY, `Accept-Encoding: ${encoding}`], body: JSON_BODY };
      const direct = comparable(await rawRequest(encoded, request));
      if (!encoding.startsWith('zstd')) {
        expect(comparable(await rawRequest(opened.gateway.url, request))).toEqual(direct);
      } else await rawRequest(opened.gateway.url, request);
    }
    expect(seen.filter((_encoding, index) => index % 2 === 1)).toEqual([
      ...['gzip', 'br', 'deflate', 'br;q=0.5', 'identity', 'identity'],
    ]);
    expect(await settled(opened)).toBe(accepted.length * billedEncoded({ ...HELLO }));
  });
});

describe('a stream', () => {
  test('that the client leaves is aborted at the provider at once, and charged as delivered', async () => {
    const opened = await openGateway('sqlite');
    const { api, gateway } = opened;
    const socket = openSocket(gateway.url);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    const headers = [KEY, scenario('slow')];
    socket.write(requestBytes(gateway.url, { headers, body: STREAM_BODY }));
    // The head comes before anything is delivered.
    await until(() => received.includes('message_start'));
    expect(received).not.toContain('content_block_delta');
    api.calls[0]!.send(2);
    await until(() => received.split('event: content_block_delta').length === 3);
    socket.destroy();
    await until(() => api.calls[0]!.state === 'aborted');
    expect(await settled(opened)).toBe(INPUT + 2 * TEN_WORDS_TOKENS);
  });

  test('is read no faster than the client reads it', async () => {
    const total = 64 * 1_048_576;
    const part = Buffer.alloc(65_536, 'x');
    let written = 0;
    const source = await startUpstream(async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      while (written < total) {
        written += part.length;
        if (!response.write(part)) await once(response, 'drain');
      }
      response.end();
    });
    const { gateway } = await openGateway('sqlite', { upstream: source });
    const socket = openSocket(gateway.url);
    socket.write(requestBytes(gateway.url, { headers: [KEY], body: STREAM_BODY }));
    await once(socket, 'readable');
    // Until nothing more fits into the buffers between the two.
    let before = -1;
    await until(async () => {
      const still = written === before;
      before = written;
      await new Promise((resolve) => setTimeout(resolve, still ? 0 : 200));
      return still;
    });
    expect(written).toBeLessThan(total / 2);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await once(socket, 'close');
    const { body, whole } = parseAnswer(Buffer.concat(chunks));
    expect([body.length, whole]).toEqual([total, true]);
  });

  test('that the provider cuts is cut for the client, and charged as delivered', async () => {
    const opened = await openGateway('sqlite');
    const headers = [KEY, scenario('cut:2')];
    const answer = await rawRequest(opened.gateway.url, { headers, body: STREAM_BODY });
    expect(answer.head[0]).toBe('HTTP/1.1 200 OK');
    expect(answer.whole).toBe(false);
    expect(answer.body.toString()).toMatch(/"type":"content_block_de$/);
    expect(await settled(opened)).toBe(INPUT + 2 * TEN_WORDS_TOKENS);
  });
});

describe('a provider that', () => {
  const ask = async (
    { gateway }: OpenedGateway,
    name: string,
  ): Promise<{ status: number; body: string }> => {
    const headers = [KEY, scenario(name)];
    const { head, body } = await rawRequest(gateway.url, { headers, body: JSON_BODY });
    return { status: Number(head[0]?.split(' ')[1]), body: body.toString() };
  };

  test('answers with what is no usage is charged as the hold, and the gateway goes on', async () => {
    const opened = await openGateway('sqlite');
    for (const name of ['lying', 'no-usage', 'html:200']) {
      expect((await ask(opened, name)).status).toBe(200);
    }
    expect(await settled(opened)).toBe(3 * ESTIMATE);
    expect((await ask(opened, 'ok')).status).toBe(200);
  });

  test('loses the connection before an answer costs the hold, and the client is told', async () => {
    const opened = await openGateway('sqlite');
    const { status, body } = await ask(opened, 'reset');
    expect([status, JSON.parse(body)]).toMatchObject([502, { error: { type: 'api_error' } }]);
    expect(await settled(opened)).toBe(ESTIMATE);
  });

  test('is not there costs nothing', async () => {
    const gone = await startAnthropicApi();
    await gone.close();
    const opened = await openGateway('sqlite', { upstream: gone.url });
    const { status, body } = await ask(opened, 'ok');
    expect([status, JSON.parse(body)]).toMatchObject([
      502,
      {
        type: 'error',
        error: { type: 'api_error', message: expect.stringContaining('ECONNREFUSED') as string },
      },
    ]);
    expect(await settled(opened)).toBe(0);
  });

  test('hangs is left when the client leaves, and costs the hold', async () => {
    const opened = await openGateway('sqlite');
    const { api, gateway } = opened;
    const socket = openSocket(gateway.url);
    socket.write(requestBytes(gateway.url, { headers: [KEY, scenario('hang')], body: JSON_BODY }));
    await until(() => api.calls.length === 1);
    socket.destroy();
    await until(() => api.calls[0]!.state === 'aborted');
    expect(await settled(opened)).toBe(ESTIMATE);
  });
});
