/**
 * A stand-in of Anthropic's Messages API over real HTTP, with books of its own: what it billed for each
 * call, and how the call ended. What it does is said by the header `x-scenario`, or in the model's name
 * after `#`: a name, then arguments after `:`.
 *
 * | scenario | |
 * | --- | --- |
 * | `ok:N` (the default, N = 3) | a message of N deltas of ten words; a stream where the body asks for one |
 * | `cached`, `tool`, `thinking` | the same with tokens of the cache, a tool call, thinking |
 * | `status:S:N` | an HTTP error S, at the first N attempts (every one without N); 429 says when to retry |
 * | `later:MS` | an HTTP error 429 at the first attempt, to be tried again after so long |
 * | `final:S` | an HTTP error S that says `x-should-retry: false` |
 * | `slow` | a stream that begins, and goes on when the test calls `send` and `end` |
 * | `cut:N` | a stream of N deltas that breaks off within an event |
 * | `error:N` | a stream of N deltas, then an `error` event |
 * | `reset:N` | the connection is lost before an answer, at the first N attempts |
 * | `hang` | no answer at all |
 * | `html:S` | a page of HTML, with status S or 200 |
 * | `lying`, `no-usage` | a message whose usage is nonsense, or absent |
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  batchJson,
  errorJson,
  eventsOf,
  eventText,
  messageFor,
  messageJson,
  NOT_BILLED,
  TEN_WORDS_TOKENS,
  totalOf,
  type Billed,
  type Body,
  type Message,
} from './anthropic-answers.ts';
import {
  answer,
  answerError,
  cut,
  readBody,
  send,
  write,
  type Call,
  type ServedCall,
} from './anthropic-served.ts';

export interface AnthropicApi {
  readonly url: string;
  /** Every request that arrived, in order. */
  readonly calls: readonly ServedCall[];
  /** The tokens of all calls. */
  billed(): number;
  /** Calls of `POST /v1/messages` that were billed. */
  messages(): readonly ServedCall[];
  close(): Promise<void>;
}

interface Batch {
  readonly id: string;
  readonly results: readonly Body[];
}

const HELD_BACK = { send: () => undefined, end: () => undefined };

export async function startAnthropicApi(): Promise<AnthropicApi> {
  const calls: Call[] = [];
  const batches = new Map<string, Batch>();
  let url = '';
  let messages = 0;

  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy());
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call: Call = {
      method: request.method ?? '',
      path: (request.url ?? '').split('?')[0] ?? '',
      headers: request.headers,
      text: '',
      attempt: Number(request.headers['x-stainless-retry-count'] ?? 0),
      status: 0,
      billed: NOT_BILLED,
      bytesSent: 0,
      state: 'open',
      ...HELD_BACK,
    };
    calls.push(call);
    response.on('close', () => {
      if (call.state === 'open') call.state = response.writableFinished ? 'ended' : 'aborted';
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    call.text = Buffer.concat(chunks).toString('utf8');
    const { 'x-api-key': key, authorization } = request.headers;
    if (key === undefined && authorization === undefined) {
      answer(call, response, 401, errorJson(401, 'x-api-key header is required'));
      return;
    }
    await route(call, response);
  }

  async function route(call: Call, response: ServerResponse): Promise<void> {
    const { method, path } = call;
    const batch = /^\/v1\/messages\/batches\/([^/]+)(\/\w+)?$/.exec(path);
    if (method === 'POST' && path === '/v1/messages') await answerMessage(call, response);
    else if (method === 'POST' && path === '/v1/messages/count_tokens') {
      answer(call, response, 200, { input_tokens: 17 });
    } else if (method === 'POST' && path === '/v1/messages/batches') createBatch(call, response);
    else if (batch !== null) answerBatch(call, response, batch[1] ?? '', batch[2] ?? '');
    else if (method === 'GET' && path === '/v1/models') {
      answer(call, response, 200, {
        data: [model('claude-x')],
        has_more: false,
        first_id: null,
        last_id: null,
      });
    } else if (method === 'GET' && path.startsWith('/v1/models/')) {
      answer(call, response, 200, model(path.slice('/v1/models/'.length)));
    } else answer(call, response, 404, errorJson(404, 'Not found'));
  }

  async function answerMessage(call: Call, response: ServerResponse): Promise<void> {
    const body = readBody(call.text);
    if (body === null || typeof body['max_tokens'] !== 'number') {
      answer(
        call,
        response,
        400,
        errorJson(400, body === null ? 'invalid JSON' : 'max_tokens: Field required'),
      );
      return;
    }
    const [name = '', first, second] = scenarioOf(call, body);
    const times = second ?? (name === 'reset' ? first : undefined);
    const fails = times === undefined || call.attempt < Number(times);
    messages += 1;
    const count = ['ok', 'cut', 'error'].includes(name) && first !== undefined ? Number(first) : 3;
    const message = messageFor(`msg_${String(messages)}`, body, name, count);
    if (name === 'hang') return;
    if (name === 'reset' && fails) cut(call, response);
    else if (name === 'status' && fails) answerError(call, response, Number(first), {});
    else if (name === 'later' && call.attempt === 0) {
      answerError(call, response, 429, { 'retry-after-ms': first ?? '5' });
    } else if (name === 'final')
      answerError(call, response, Number(first), { 'x-should-retry': 'false' });
    else if (name === 'html') {
      send(
        call,
        response,
        Number(first ?? 200),
        'text/html',
        '<html><body>Bad gateway</body></html>',
      );
    } else if (body['stream'] === true) await stream(call, response, message, name);
    else {
      call.billed = message.billed;
      answer(call, response, 200, messageJson(message));
    }
  }

  async function stream(
    call: Call,
    response: ServerResponse,
    message: Message,
    name: string,
  ): Promise<void> {
    call.status = 200;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'request-id': 'req_stand_in',
    });
    const events = eventsOf(message);
    call.billed = { ...message.billed, output: 0 };
    // What was generated is billed as it is sent, until the end says what it was in all.
    let deltas = name === 'slow' ? 0 : Number.POSITIVE_INFINITY;
    let wake = (): void => undefined;
    call.send = (more) => {
      deltas += more;
      wake();
    };
    call.end = () => call.send(Number.POSITIVE_INFINITY);
    response.on('close', () => wake());
    let sent = 0;
    const last = events.findLastIndex(({ delta }) => delta);
    for (const [index, { text, delta }] of events.entries()) {
      while (sent >= deltas && (delta || index > last) && !response.destroyed) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (response.destroyed) return;
      if (index > last && (name === 'cut' || name === 'error')) break;
      if (delta) {
        sent += 1;
        call.billed = { ...call.billed, output: call.billed.output + TEN_WORDS_TOKENS };
      }
      if (text.startsWith('event: message_delta')) call.billed = message.billed;
      if (!write(call, response, text))
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    if (name === 'error') {
      write(call, response, eventText(errorJson(529, 'Overloaded')));
    }
    if (name === 'cut') {
      const half = 'event: content_block_delta\ndata: {"type":"content_block_de';
      response.write(half, () => cut(call, response));
      return;
    }
    response.end();
  }

  function createBatch(call: Call, response: ServerResponse): void {
    if (call.headers['x-scenario'] === 'reset:1' && call.attempt === 0) {
      cut(call, response);
      return;
    }
    const requests = readBody(call.text)?.['requests'];
    if (!Array.isArray(requests)) {
      answer(call, response, 400, errorJson(400, 'requests: Field required'));
      return;
    }
    const id = `msgbatch_${String(batches.size + 1)}`;
    let billed = NOT_BILLED;
    const results = (requests as { custom_id: string; params: Body }[]).map((item, index) => {
      const [name = 'ok'] = String(item.params['model']).split('#').slice(1);
      if (['errored', 'canceled', 'expired'].includes(name)) {
        return { custom_id: item.custom_id, result: { type: name } };
      }
      const message = messageFor(`${id}_${String(index)}`, item.params, name, 3);
      billed = sumOf(billed, message.billed);
      return {
        custom_id: item.custom_id,
        result: { type: 'succeeded', message: messageJson(message) },
      };
    });
    call.billed = billed;
    batches.set(id, { id, results });
    answer(call, response, 200, batchJson(id, url, false, { processing: results.length }));
  }

  function answerBatch(call: Call, response: ServerResponse, id: string, action: string): void {
    const batch = batches.get(id);
    if (batch === undefined) answer(call, response, 404, errorJson(404, 'no such batch'));
    else if (action === '/results') {
      const lines = batch.results.map((result) => `${JSON.stringify(result)}\n`).join('');
      send(call, response, 200, 'application/x-jsonl', lines);
    } else if (call.method === 'DELETE')
      answer(call, response, 200, { id, type: 'message_batch_deleted' });
    else
      answer(
        call,
        response,
        200,
        batchJson(id, url, action === '', { succeeded: batch.results.length }),
      );
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return {
    url,
    calls,
    billed: () => calls.reduce((sum, { billed }) => sum + totalOf(billed), 0),
    messages: () =>
      calls.filter(({ path, billed }) => path === '/v1/messages' && totalOf(billed) > 0),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function scenarioOf(call: Call, body: Body): readonly string[] {
  const header = call.headers['x-scenario'];
  const named = typeof header === 'string' ? header : String(body['model']).split('#')[1];
  return (named ?? 'ok').split(':');
}

function model(id: string): Body {
  return { type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' };
}

function sumOf(one: Billed, other: Billed): Billed {
  return {
    input: one.input + other.input,
    output: one.output + other.output,
    cacheCreation: one.cacheCreation + other.cacheCreation,
    cacheRead: one.cacheRead + other.cacheRead,
  };
}
