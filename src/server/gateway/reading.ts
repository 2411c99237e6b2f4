import { decoded, type Sink } from './decoded.ts';
import { valuesOf, type RawHeaders } from './headers.ts';
import type { Observer } from './upstream.ts';

/** Reads a successful answer's body while it passes, as it was before it was encoded. */
export class Reading<Reader extends { take(bytes: Uint8Array): void }> implements Observer {
  readonly #readerFor: (contentType: string | null) => Reader;
  #reader: Reader | null = null;
  #sink: Sink | null = null;

  /** @param readerFor who reads an answer with this `content-type` */
  constructor(readerFor: (contentType: string | null) => Reader) {
    this.#readerFor = readerFor;
  }

  start(status: number, headers: RawHeaders, resume: () => void): void {
    if (status >= 300) return;
    const [contentType = null] = valuesOf(headers, 'content-type');
    const encodings = valuesOf(headers, 'content-encoding');
    const reader = this.#readerFor(contentType);
    this.#reader = reader;
    const encoding = encodings.length === 0 ? null : encodings.join(',');
    this.#sink = decoded(encoding, (bytes) => reader.take(bytes), resume);
  }

  take(bytes: Uint8Array): boolean {
    return this.#sink?.take(bytes) ?? true;
  }

  /** Its reader, after the last bytes were read; null where there was no successful answer. */
  async finish(): Promise<Reader | null> {
    await this.#sink?.end();
    return this.#reader;
  }
}
