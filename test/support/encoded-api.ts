/** Upstreams of a test's own making, and one that compresses its answers. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Transform } from 'node:stream';
import { constants, createBrotliCompress, createDeflate, createGzip } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { eventsOf, messageFor, messageJson, totalOf, type Body } from './anthropic-answers.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => unknown;

/** A server that answers as it is told; its URL. Closed when the test ends. */
export async function startUpstream(answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then(
      (body) => answer(request, response, body),
      () => response.destroy(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

const ENCODERS: Readonly<Record<string, () => Transform & { flush(done: () => void): void }>> = {
  gzip: () => createGzip({ flush: constants.Z_SYNC_FLUSH }),
  deflate: () => createDeflate({ flush: constants.Z_SYNC_FLUSH }),
  br: () => createBrotliCompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
};

/** Answers a message as the API does, in the first encoding that is accepted. */
export function answerEncoded(
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
): void {
  const body = JSON.parse(text) as Body;
  const message = messageFor('msg_1', body, 'cached', 3);
  const encoding = (request.headers['accept-encoding'] ?? '').split(/[,;]/)[0] ?? '';
  const encoder = ENCODERS[encoding]?.();
  const streams = body['stream'] === true;
  response.writeHead(200, {
    'content-type': streams ? 'text/event-stream; charset=utf-8' : 'application/json',
    ...(encoder === undefined ? {} : { 'content-encoding': encoding }),
  });
  encoder?.pipe(response);
  const sink = encoder ?? response;
  const parts = streams
    ? eventsOf(message).map((event) => event.text)
    : [JSON.stringify(messageJson(message))];
  for (const part of parts) sink.write(part);
  sink.end();
}

/** What `answerEncoded` bills for a body. */
export function billedEncoded(body: Body): number {
  return totalOf(messageFor('msg_1', body, 'cached', 3).billed);
}
