import type { IncomingMessage } from 'node:http';

/** How much of a body that is too long is read all the same, so that its sender comes to read the answer. */
const READ_AWAY = 4;

/**
 * Reads a request's body whole; null where it is longer than `mostBytes`.
 * @throws Node's own error when the client goes away before its end
 */
export function readBody(request: IncomingMessage, mostBytes: number): Promise<Buffer | null> {
  // By its events: an iterator costs an API request a good part of its time.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= mostBytes) chunks.push(chunk);
      else chunks.length = 0;
      if (length <= READ_AWAY * mostBytes) return;
      request.pause();
      resolve(null);
    });
    request.on('end', () => resolve(length > mostBytes ? null : Buffer.concat(chunks, length)));
    request.on('error', reject);
    request.on('close', () => {
      if (!request.readableEnded) reject(new Error('the client went away'));
    });
  });
}
