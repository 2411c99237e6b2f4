/** HTTP as bytes on a socket, for tests of what a proxy does to them. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface RawAnswer {
  /** The status line and the headers, in their order, names in lower case. */
  readonly head: readonly string[];
  /** The body, without its chunks' frames. */
  readonly body: Buffer;
  /** Whether the body came to its end, as its length or last chunk says. */
  readonly whole: boolean;
}

interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
}

export function openSocket(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** A request's bytes; the connection ends after its answer. */
export function requestBytes(url: string, request: RawRequest): Buffer {
  const { method = 'POST', path = '/v1/messages', headers = [], body = '' } = request;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    'Connection: close',
    ...(method === 'POST' ? [`Content-Length: ${String(Buffer.byteLength(body))}`] : []),
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)]);
}

/** Sends a request, and reads until the connection ends. */
export async function rawRequest(url: string, request: RawRequest): Promise<RawAnswer> {
  const socket = openSocket(url);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(requestBytes(url, request));
  await once(socket, 'close');
  return parseAnswer(Buffer.concat(chunks));
}

export function parseAnswer(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  const [status = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = lines.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()));
  const rest = bytes.subarray(end + 4);
  const head = [status, ...headers];
  if (head.includes('transfer-encoding: chunked')) return { head, ...unchunked(rest) };
  const length = head.find((line) => line.startsWith('content-length: '))?.slice(16);
  return { head, body: rest, whole: length === undefined || rest.length === Number(length) };
}

function unchunked(bytes: Buffer): Pick<RawAnswer, 'body' | 'whole'> {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n', at);
    if (end === -1) return { body: Buffer.concat(parts), whole: false };
    const length = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16);
    if (length === 0) return { body: Buffer.concat(parts), whole: true };
    parts.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

const OF_THE_CONNECTION = /^(connection|keep-alive|transfer-encoding|date): /;

/** What must be the same through a proxy: all but what belongs to the connection, and what it adds. */
export function comparable({ head, body, whole }: RawAnswer): object {
  const kept = head.filter(
    (line) => !OF_THE_CONNECTION.test(line) && !line.startsWith('x-tokenctl-'),
  );
  return { head: kept, body: body.toString('base64'), whole };
}
