import { estimateInput } from '../budget/estimate.ts';
import { MAX_TOKENS } from '../budget/tokens.ts';
import { isObject, type JsonObject } from './json.ts';

/** What an answer of the Messages API says that it used. */

/** Tokens as the provider reports them; input without what was written to or read from the cache. */
export interface ProviderUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheCreationInputTokens: number;
  readonly cacheReadInputTokens: number;
}

export interface Answer {
  /** Null when the answer says nothing that can be read: what was charged is unknown. */
  readonly usage: ProviderUsage | null;
  readonly model: string | null;
  readonly stopReason: string | null;
  /** What went wrong after the answer had begun; null when it is whole. */
  readonly error: string | null;
  /** The provider refused it before it delivered or counted anything. */
  readonly refused?: boolean;
}

const NOTHING_KNOWN: Answer = { usage: null, model: null, stopReason: null, error: null };

/** Reads a whole message: the body of an answer that does not stream, or an item of a batch. */
export function answerOf(message: unknown): Answer {
  if (!isObject(message)) return NOTHING_KNOWN;
  return {
    usage: isObject(message['usage']) ? usageOf(message['usage'], null) : null,
    model: text(message['model']),
    stopReason: text(message['stop_reason']),
    error: null,
  };
}

export function sumOfUsage(one: ProviderUsage, other: ProviderUsage): ProviderUsage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cacheCreationInputTokens: one.cacheCreationInputTokens + other.cacheCreationInputTokens,
    cacheReadInputTokens: one.cacheReadInputTokens + other.cacheReadInputTokens,
  };
}

/** Delivered text that is kept before it is turned into its estimate, in characters. */
const TEXT_KEPT = 1_048_576;

/**
 * Follows the events of one streamed message. Reported counts are cumulative, so each replaces the one
 * before. Keeps the text that was delivered, because a stream that is cut reports no output.
 */
export class StreamMeter {
  #usage: ProviderUsage | null = null;
  #model: string | null = null;
  #stopReason: string | null = null;
  #error: string | null = null;
  #finished = false;
  /** The output was reported when it was over, not only as it began. */
  #outputReported = false;
  #delivered = false;
  #text = '';
  #inferred = 0;

  /** @param event an event's data, as parsed from its JSON */
  take(event: unknown): void {
    if (!isObject(event)) return;
    switch (event['type']) {
      case 'message_start':
        this.#start(event['message']);
        return;
      case 'content_block_start':
        this.#deliver(event['content_block'], ['text', 'thinking', 'name']);
        return;
      case 'content_block_delta':
        this.#deliver(event['delta'], ['text', 'thinking', 'partial_json', 'content']);
        return;
      case 'message_delta':
        this.#outputReported = this.#report(event['usage']) && hasOutput(event['usage']);
        if (isObject(event['delta'])) this.#stop(text(event['delta']['stop_reason']));
        return;
      case 'message_stop':
        this.#finished = true;
        return;
      case 'error':
        this.#error = errorOf(event['error']);
    }
  }

  /** Whether the provider said how the message ended: nothing more is charged after that. */
  get finished(): boolean {
    return this.#finished;
  }

  /**
   * What the message used. Where it was cut, or its end reports no output, that is what was reported
   * so far, or inferred from what was delivered, whichever is more. Usage is null when not even the
   * input was reported.
   * @param mostInferred the most output tokens that may be inferred: what was reserved for them
   */
  answer(mostInferred: number): Answer {
    const whole = this.#finished && this.#outputReported;
    const cut = this.#finished ? null : 'the stream was cut';
    return {
      usage: whole ? this.#usage : this.#inferredUsage(mostInferred),
      model: this.#model,
      stopReason: this.#stopReason,
      error: this.#error ?? cut,
      ...(this.#error !== null && this.#usage === null && !this.#delivered
        ? { refused: true }
        : {}),
    };
  }

  #start(message: unknown): void {
    if (!isObject(message)) return;
    this.#model = text(message['model']);
    this.#report(message['usage']);
    this.#stop(text(message['stop_reason']));
  }

  /** Takes reported usage, and says whether it could be read. */
  #report(reported: unknown): boolean {
    const usage = isObject(reported) ? usageOf(reported, this.#usage) : null;
    this.#usage = usage ?? this.#usage;
    return usage !== null;
  }

  #stop(reason: string | null): void {
    if (reason === null) return;
    this.#stopReason = reason;
    this.#finished = true;
  }

  #deliver(block: unknown, fields: readonly string[]): void {
    if (!isObject(block)) return;
    this.#delivered = true;
    for (const field of fields) this.#text += text(block[field]) ?? '';
    // Thinking that is not shown comes as a rough number of tokens instead.
    if (block['thinking'] === '') this.#inferred += count(block['estimated_tokens']) ?? 0;
    if (this.#text.length > TEXT_KEPT) this.#foldText();
  }

  #foldText(): void {
    // The estimate that is nearest to the truth, whatever prompts are estimated with.
    this.#inferred += estimateInput(this.#text, 'calibrated', this.#model ?? undefined);
    this.#text = '';
  }

  #inferredUsage(mostInferred: number): ProviderUsage | null {
    if (this.#usage === null) return null;
    this.#foldText();
    const inferred = Math.min(this.#inferred, mostInferred);
    return { ...this.#usage, outputTokens: Math.max(this.#usage.outputTokens, inferred) };
  }
}

const FIELDS = {
  inputTokens: 'input_tokens',
  outputTokens: 'output_tokens',
  cacheCreationInputTokens: 'cache_creation_input_tokens',
  cacheReadInputTokens: 'cache_read_input_tokens',
} as const;
const NAMES = Object.keys(FIELDS) as readonly (keyof typeof FIELDS)[];

/**
 * Usage as it is reported; what is absent or null stays as it was before. Null when a number is no
 * count of tokens, or when there is neither input nor output.
 */
function usageOf(reported: JsonObject, before: ProviderUsage | null): ProviderUsage | null {
  const usage = { ...(before ?? NO_TOKENS) };
  for (const name of NAMES) {
    const value = reported[FIELDS[name]] ?? null;
    if (value === null) {
      const required = name === 'inputTokens' || name === 'outputTokens';
      if (required && before === null) return null;
      continue;
    }
    const tokens = count(value);
    if (tokens === null) return null;
    // Counts only grow: one that is lower says nothing new.
    usage[name] = Math.max(usage[name], tokens);
  }
  return withIterations(usage, reported['iterations']);
}

/**
 * What a call used beside its message (compaction, an advisor, models that declined before another
 * answered) stands in its iterations only, whose sum is what is billed.
 */
function withIterations(usage: ProviderUsage, iterations: unknown): ProviderUsage {
  if (!Array.isArray(iterations)) return usage;
  const sum = { ...NO_TOKENS };
  for (const iteration of iterations as readonly unknown[]) {
    if (!isObject(iteration)) continue;
    for (const name of NAMES) sum[name] += count(iteration[FIELDS[name]]) ?? 0;
  }
  const total = { ...usage };
  for (const name of NAMES) total[name] = Math.max(usage[name], Math.min(sum[name], MAX_TOKENS));
  return total;
}

const NO_TOKENS: ProviderUsage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheCreationInputTokens: 0,
  cacheReadInputTokens: 0,
};

/** A count of tokens that the ledger takes; null for anything else. */
function count(value: unknown): number | null {
  const isCount =
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TOKENS;
  return isCount ? value : null;
}

function hasOutput(reported: unknown): boolean {
  return isObject(reported) && count(reported['output_tokens']) !== null;
}

function errorOf(error: unknown): string {
  if (!isObject(error)) return 'the provider ended the stream with an error';
  return [text(error['type']), text(error['message'])].filter((part) => part !== null).join(': ');
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
