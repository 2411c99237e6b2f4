import { parsed } from './json.ts';
import { SseReader } from './sse.ts';
import { answerOf, StreamMeter, sumOfUsage, type Answer } from './usage.ts';

/**
 * Reads an answer's bytes as they pass to the caller: nothing is changed, held back or kept longer
 * than it takes to know what it used.
 */
export interface Meter {
  /** The next bytes of the body. */
  take(bytes: Uint8Array): void;
  /**
   * What the answer used, after its last bytes, or after those that came before it was cut.
   * @param whole whether the body came to its end
   * @param mostInferred the output tokens that were reserved: no more are inferred of a cut stream
   */
  answer(whole: boolean, mostInferred: number): Answer;
}

/** The longest body that is read whole, in bytes. */
const LONGEST_BODY = 67_108_864;

/** The meter for an answer to a message, by its `content-type`: event stream or JSON. */
export function messageMeter(contentType: string | null): Meter {
  return (contentType ?? '').trim().toLowerCase().startsWith('text/event-stream')
    ? streamMeter()
    : bodyMeter();
}

function streamMeter(): Meter {
  const meter = new StreamMeter();
  const reader = new SseReader((data) => meter.take(parsed(data)));
  return {
    take: (bytes) => reader.push(bytes),
    answer: (_whole, mostInferred) => meter.answer(mostInferred),
  };
}

function bodyMeter(): Meter {
  const chunks: Uint8Array[] = [];
  let length = 0;
  return {
    take(bytes) {
      length += bytes.length;
      if (length <= LONGEST_BODY) chunks.push(bytes);
      else chunks.length = 0;
    },
    answer(whole) {
      if (!whole) return unread('the answer was cut');
      const answer = answerOf(parsed(Buffer.concat(chunks).toString('utf8')));
      return answer.usage === null ? unread('the answer reports no usage') : answer;
    },
  };
}

/** What a batch's results add up to. */
export interface BatchAnswer extends Answer {
  /** How many items they answer. */
  readonly items: number;
}

/** The longest line of a batch's results that is read, in characters. */
const LONGEST_LINE = 8_388_608;

/** The meter for a batch's results: lines of JSON, each the answer to one item. */
export function batchResultsMeter(): {
  take(bytes: Uint8Array): void;
  answer(whole: boolean): BatchAnswer;
} {
  const decoder = new TextDecoder();
  /** The line that has not ended yet, in the pieces that came. */
  let pieces: string[] = [];
  let length = 0;
  let items = 0;
  let sum = answerOf({ usage: { input_tokens: 0, output_tokens: 0 } });
  const endLine = (): void => {
    const tooLong = length > LONGEST_LINE;
    const text = tooLong ? '' : pieces.join('');
    pieces = [];
    length = 0;
    if (tooLong) sum = unread('a line of the results is too long');
    if (text.trim() === '' || sum.usage === null) return;
    items += 1;
    const item = itemAnswer(parsed(text));
    if (item === null) return;
    sum =
      item.usage === null
        ? unread('an item of the batch reports no usage')
        : { ...item, usage: sumOfUsage(sum.usage, item.usage) };
  };
  const keep = (piece: string): void => {
    length += piece.length;
    if (length <= LONGEST_LINE) pieces.push(piece);
    else pieces = [];
  };
  return {
    take(bytes) {
      const [first = '', ...rest] = decoder.decode(bytes, { stream: true }).split('\n');
      keep(first);
      for (const piece of rest) {
        endLine();
        keep(piece);
      }
    },
    answer(whole) {
      endLine();
      return { ...(whole ? sum : unread('the results were cut')), items };
    },
  };
}

/** What a batch's item used; null for one that failed, was cancelled or expired: it is not charged. */
function itemAnswer(item: unknown): Answer | null {
  const result = (item as { result?: { type?: unknown; message?: unknown } } | null)?.result;
  const notCharged = ['errored', 'canceled', 'expired'].includes(String(result?.type));
  return notCharged ? null : answerOf(result?.message);
}

function unread(error: string): Answer {
  return { usage: null, model: null, stopReason: null, error };
}
