import type { IncomingMessage } from 'node:http';

/** How much of a body that is too long is read all the same, so that its sender comes to read the answer. */
const READ_AWAY = 4;

/**
 * Reads a request's body whole; null where it is longer than `mostBytes`.
 * @throws Node's own error when the client goes away before its end
 */
export async function readBody(
  request: IncomingMessage,
  mostBytes: number,
): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= mostBytes) chunks.push(chunk);
    else chunks.length = 0;
    if (length > READ_AWAY * mostBytes) return null;
  }
  return length > mostBytes ? null : Buffer.concat(chunks, length);
}
