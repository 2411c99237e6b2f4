import { parseAiType } from '../budget/ai-type.ts';
import { invalidInput } from '../budget/errors.ts';
import { estimateInput, type EstimatorName } from '../budget/estimate.ts';
import type { PromptContent } from '../budget/prompt-content.ts';
import { storable, storageProblem } from '../budget/storable.ts';
import { MAX_TOKENS, requireCount } from '../budget/tokens.ts';
import type { Estimate } from '../budget/verdict.ts';
import type { SettledUsage } from '../ledger/commands.ts';

/** What a backend hands in, checked and bounded before it queues. Token counts are whole numbers from 0 to 10^12. */

/** What a call may cost: tokens, or the prompt to estimate them from. */
export type EstimateInput =
  | { readonly input: number; readonly output: number }
  | { readonly prompt: string | PromptContent; readonly maxTokens: number };

export interface ReserveRequest {
  /** The service that spends: 1 to 50 of a-z, 0-9, '_', '.', '-'. */
  readonly aiType: string;
  /** One call's estimate, or those of a batch's items: each must fit `request`, their sum the windows. */
  readonly estimate: EstimateInput | { readonly items: readonly EstimateInput[] };
  readonly model?: string;
  /** Your own id of the request, kept in the log. It is the idempotency key when none is given. */
  readonly requestId?: string;
  /** Binds retries to one admission: the same key again gets the same reservation. */
  readonly idempotencyKey?: string;
  /** How long it is held before it is charged in full, in seconds; the limit `reservationTtl` when absent. */
  readonly ttlSeconds?: number;
}

export interface Usage {
  /** Uncached input tokens, as the provider reports them. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheCreationInputTokens?: number | null;
  readonly cacheReadInputTokens?: number | null;
  readonly model?: string;
  /** Why the model stopped, in the provider's words; logged. */
  readonly stopReason?: string | null;
  /** What failed, where a call that failed was charged all the same; logged as a failure. */
  readonly error?: unknown;
}

export interface CheckedEstimate {
  readonly estimate: Estimate;
  readonly items: number;
  readonly largestItem: number;
}

const BATCH_ITEMS_MOST = 100_000;
const NAME_LENGTH_MOST = 200;
const MESSAGE_LENGTH_MOST = 2_000;

export function checkAiType(value: unknown): string {
  return parseAiType(value, 'aiType');
}

/** @throws invalid_input naming the field */
export function checkEstimate(
  given: ReserveRequest['estimate'],
  estimator: EstimatorName,
  model: string | undefined,
): CheckedEstimate {
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw invalidInput('estimate', 'must be { input, output } or { prompt, maxTokens }');
  }
  if (!('items' in given)) {
    const estimate = checkOne(given, 'estimate', estimator, model);
    return { estimate, items: 1, largestItem: estimate.total };
  }
  const { items } = given;
  if (!Array.isArray(items) || items.length === 0 || items.length > BATCH_ITEMS_MOST) {
    throw invalidInput(
      'estimate.items',
      `must be a list of 1 to ${String(BATCH_ITEMS_MOST)} estimates`,
    );
  }
  let input = 0;
  let output = 0;
  let largestItem = 0;
  for (const [index, item] of (items as readonly EstimateInput[]).entries()) {
    const one = checkOne(item, `estimate.items[${String(index)}]`, estimator, model);
    input += one.input;
    output += one.output;
    largestItem = Math.max(largestItem, one.total);
  }
  const total = requireCount('estimate', input + output);
  return { estimate: { input, output, total }, items: items.length, largestItem };
}

function checkOne(
  given: EstimateInput,
  field: string,
  estimator: EstimatorName,
  model: string | undefined,
): Estimate {
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw invalidInput(field, 'must be { input, output } or { prompt, maxTokens }');
  }
  const [input, output] =
    'prompt' in given
      ? [
          estimateInput(given.prompt, estimator, model),
          requireCount(`${field}.maxTokens`, given.maxTokens),
        ]
      : [
          requireCount(`${field}.input`, given.input),
          requireCount(`${field}.output`, given.output),
        ];
  const total = requireCount(field, input + output, 1, MAX_TOKENS);
  return { input, output, total };
}

/** @throws invalid_input naming the field */
export function checkUsage(usage: Usage, cacheReadPercent: number): SettledUsage {
  if (typeof usage !== 'object' || (usage as unknown) === null) {
    throw invalidInput('usage', 'must be { inputTokens, outputTokens } or { unknown: true }');
  }
  const input = requireCount('usage.inputTokens', usage.inputTokens);
  const tokensOut = requireCount('usage.outputTokens', usage.outputTokens);
  const cacheCreationTokens = requireCount(
    'usage.cacheCreationInputTokens',
    usage.cacheCreationInputTokens ?? 0,
  );
  const cacheReadTokens = requireCount(
    'usage.cacheReadInputTokens',
    usage.cacheReadInputTokens ?? 0,
  );
  const weighed = Math.ceil((cacheReadTokens * cacheReadPercent) / 100);
  const tokensIn = requireCount('usage', input + cacheCreationTokens + weighed);
  return { tokensIn, tokensOut, cacheCreationTokens, cacheReadTokens };
}

/** A name that the caller gave. @throws invalid_input */
export function checkName(field: string, value: unknown): string | null {
  const name = boundedName(field, value);
  const problem = name === null ? null : storageProblem(name);
  if (problem !== null) throw invalidInput(field, problem, 'leave it out');
  return name;
}

/**
 * A name of the provider's, in the usage of a call. That call was made and must be charged by what it used,
 * so what a database can't keep is replaced.
 * @throws invalid_input
 */
export function checkToldName(field: string, value: unknown): string | null {
  const name = boundedName(field, value);
  return name === null ? null : storable(name);
}

function boundedName(field: string, value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw invalidInput(field, 'must be text');
  if (value.length === 0 || value.length > NAME_LENGTH_MOST) {
    throw invalidInput(field, `must have 1 to ${String(NAME_LENGTH_MOST)} characters`);
  }
  return value;
}

/** A name that someone else gave, as the log takes it: null where it is empty, and cut where it is long. */
export function loggedName(name: string | null): string | null {
  return name === null || name === '' ? null : storable(name.slice(0, NAME_LENGTH_MOST));
}

/** An error's message for the log. */
export function errorText(error: unknown): string | null {
  if (error === undefined || error === null) return null;
  const [text] = (error instanceof Error ? [error.message, error.name] : [error]).filter(isText);
  if (text === undefined) return 'an error without a message';
  return storable(text.slice(0, MESSAGE_LENGTH_MOST));
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
