import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';

/** How much more of a body that is too long is read all the same, so that its sender comes to read the answer. */
const READ_AWAY_BYTES = 16 * 2 ** 20;

/**
 * Reads a request's body whole; null where it is longer than `mostBytes`.
 * @throws ClientLeft
 */
export function readBody(request: IncomingMessage, mostBytes: number): Promise<Buffer | null> {
  // By its events: an iterator costs an API request a good part of its time.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= mostBytes) chunks.push(chunk);
      else chunks.length = 0;
      if (length <= mostBytes + READ_AWAY_BYTES) return;
      request.off('data', take).pause();
      resolve(null);
    };
    request.on('data', take);
    // It may have been over before anybody read it.
    finished(request, { writable: false }, (error) => {
      if (error) reject(new ClientLeft());
      else resolve(length > mostBytes ? null : Buffer.concat(chunks, length));
    });
  });
}

/** The client went away before its request was whole. */
export class ClientLeft extends Error {
  constructor() {
    super('the client went away');
    this.name = 'ClientLeft';
  }
}
