/** A call that the stand-in of Anthropic's API serves, and how its answer is sent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorJson, type Billed, type Body } from './anthropic-answers.ts';

export interface ServedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** The body's text. */
  readonly text: string;
  /** The SDK's attempt: 0, or how many retries it is. */
  readonly attempt: number;
  readonly status: number;
  readonly billed: Billed;
  readonly bytesSent: number;
  /** aborted: the client went before the answer was whole. cut: the stand-in did. */
  readonly state: 'open' | 'ended' | 'aborted' | 'cut';
  /** Of a `slow` stream: sends so many more deltas. */
  send(deltas: number): void;
  /** Of a `slow` stream: sends what is left, with its usage. */
  end(): void;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
/** The stand-in's own view of it. */
export type Call = Writable<ServedCall>;

export function answerError(
  call: Call,
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
): void {
  const retry =
    status === 429 ? { 'retry-after': '1', 'retry-after-ms': '5' } : { 'retry-after-ms': '5' };
  answer(call, response, status, errorJson(status, `the stand-in answers ${String(status)}`), {
    ...retry,
    ...headers,
  });
}

export function answer(
  call: Call,
  response: ServerResponse,
  status: number,
  json: Body,
  headers: Record<string, string> = {},
): void {
  send(call, response, status, 'application/json', JSON.stringify(json), headers);
}

export function send(
  call: Call,
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Record<string, string> = {},
): void {
  call.status = status;
  response.writeHead(status, { 'content-type': type, 'request-id': 'req_stand_in', ...headers });
  write(call, response, text);
  response.end();
}

export function write(call: Call, response: ServerResponse, text: string): boolean {
  call.bytesSent += Buffer.byteLength(text);
  return response.write(text);
}

export function cut(call: Call, response: ServerResponse): void {
  call.state = 'cut';
  response.destroy();
}

export function readBody(text: string): Body | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Body) : null;
  } catch {
    return null;
  }
}
