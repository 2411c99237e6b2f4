import type { Meter } from '../../anthropic/meter.ts';
import {
  outcomeOfAnswer,
  outcomeOfError,
  outcomeOfStatus,
  type Outcome,
} from '../../anthropic/outcome.ts';
import { decoded, type Sink } from './decoded.ts';
import { valuesOf, type RawHeaders } from './headers.ts';
import type { Observer, Passage } from './upstream.ts';

/** Reads what an answer used while it passes, whatever it is encoded in. */
export class Metering implements Observer {
  readonly #meterFor: (contentType: string | null) => Meter;
  #meter: Meter | null = null;
  #sink: Sink | null = null;

  /** @param meterFor the meter for an answer with this `content-type` */
  constructor(meterFor: (contentType: string | null) => Meter) {
    this.#meterFor = meterFor;
  }

  start(status: number, headers: RawHeaders, resume: () => void): void {
    if (outcomeOfStatus(status) !== null) return;
    const [contentType = null] = valuesOf(headers, 'content-type');
    const encodings = valuesOf(headers, 'content-encoding');
    const meter = this.#meterFor(contentType);
    this.#meter = meter;
    const encoding = encodings.length === 0 ? null : encodings.join(',');
    this.#sink = decoded(encoding, (bytes) => meter.take(bytes), resume);
  }

  take(bytes: Uint8Array): boolean {
    return this.#sink?.take(bytes) ?? true;
  }

  /**
   * What the exchange is charged, after it is over.
   * @param mostInferred the output tokens that were reserved
   */
  async outcome({ status, end, sent, error }: Passage, mostInferred: number): Promise<Outcome> {
    if (status === null) {
      const text = error?.message ?? 'no answer';
      return sent ? outcomeOfError(error) : { kind: 'free', error: text };
    }
    await this.#sink?.end();
    return (
      outcomeOfStatus(status) ??
      outcomeOfAnswer(
        this.#meter?.answer(end === 'whole', mostInferred) ?? {
          ...{ usage: null, model: null, stopReason: null },
          error: 'the answer was not read',
        },
      )
    );
  }
}
