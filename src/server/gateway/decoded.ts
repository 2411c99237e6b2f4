import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** Takes the bytes of a body as it passes. */
export interface Sink {
  /** False asks for no more until `drained` is called. */
  take(bytes: Uint8Array): boolean;
  /** After the last bytes: resolves when all of them were read. */
  end(): Promise<void>;
}

/**
 * Gives a body's bytes to a reader as they were before the body was encoded.
 * @param encoding the `content-encoding`; null or 'identity' where there is none
 * @param read gets the decoded bytes, as far as they can be decoded
 * @param drained asks for the next bytes, after `take` was false
 */
export function decoded(
  encoding: string | null,
  read: (bytes: Uint8Array) => void,
  drained: () => void,
): Sink {
  const decoder = decoderOf(encoding);
  if (decoder === null) {
    return {
      take(bytes) {
        read(bytes);
        return true;
      },
      end: () => Promise.resolve(),
    };
  }
  const closed = new Promise<void>((resolve) => decoder.once('close', resolve));
  decoder.on('data', read).on('drain', drained);
  // What can't be decoded is not read; the client gets it as it is.
  decoder.on('error', drained);
  return {
    take: (bytes) => decoder.destroyed || decoder.write(bytes),
    end: () => {
      decoder.end();
      return closed;
    },
  };
}

function decoderOf(encoding: string | null): Transform | null {
  switch ((encoding ?? '').trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      return null;
  }
}
