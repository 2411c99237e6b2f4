import type { Middleware } from '@anthropic-ai/sdk';
import { callOf, mayCostTokens } from '../anthropic/calls.ts';
import { batchRequest, messageRequest, parseBody } from '../anthropic/estimate.ts';
import { messageMeter } from '../anthropic/meter.ts';
import { outcomeOfAnswer, outcomeOfError, outcomeOfStatus } from '../anthropic/outcome.ts';
import { invalidInput, TokenctlError } from '../budget/errors.ts';
import { requireCount } from '../budget/tokens.ts';
import { systemRuntime } from '../platform/runtime.ts';
import { warnProcess } from '../platform/warning.ts';
import { reserveInTime } from './admission.ts';
import { BATCH_TTL_SECONDS, noteBatch, resultsObserver } from './anthropic-batches.ts';
import { Hold, type Budget } from './hold.ts';
import { checkAiType, type ReserveRequest } from './input.ts';
import { KeptHolds, type SdkCall } from './kept-holds.ts';
import { passing, type Observer } from './passing.ts';
import { BudgetDeniedError } from './run.ts';

/** `tokenctl/anthropic`: the official SDK under the budget, by its middleware. */

export interface AnthropicOptions {
  /** The service that spends: 1 to 50 of a-z, 0-9, '_', '.', '-'. */
  readonly aiType: string;
  /**
   * How long a call may wait for a window or rate that frees in time, in ms: 0 (default) to 86,400,000.
   * A denial that frees too late, or never, is thrown at once.
   */
  readonly maxWaitMs?: number;
}

/** What is used of the SDK's clients: Anthropic's own, and those for other platforms. */
interface SdkClient {
  readonly middleware: readonly Middleware[];
  withOptions(options: { middleware: Middleware[] }): this;
}

type Request = Parameters<Middleware>[0];
type Next = Parameters<Middleware>[1];
type Context = Parameters<Middleware>[2];

const LONGEST_WAIT_MS = 86_400_000;
/** The SDK's pause before its first retry, at most, in ms: it doubles with each, up to the longest. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
/** How much later the attempt may come. One that comes still later reserves anew, and counts the same. */
const PAUSE_GRACE_MS = 2_000;

/**
 * A middleware that puts every message of a client under the budget: it reserves before a call, and
 * settles by what the answer says it used. Calls that cost nothing pass. List it last among a client's
 * middleware, so that it sees each request that is really sent.
 *
 * A denied call throws BudgetDeniedError, with `.verdict`, and sends nothing.
 * @throws TokenctlError invalid_input
 */
export function tokenctlMiddleware(budget: Budget, options: AnthropicOptions): Middleware {
  const aiType = checkAiType(options.aiType);
  const maxWaitMs = requireCount('maxWaitMs', options.maxWaitMs ?? 0, 0, LONGEST_WAIT_MS);
  const calls = new BudgetedCalls(budget, aiType, maxWaitMs);
  return (request, next, context) => {
    const { method = 'GET' } = request;
    const { pathname } = new URL(request.url);
    const call = callOf(method, pathname);
    if (call.kind === 'unknown' && mayCostTokens(method, pathname)) {
      throw invalidInput(
        'path',
        `what ${method.toUpperCase()} ${pathname} costs can't be counted`,
        'call it by a client that is not under the budget',
      );
    }
    if (call.kind === 'message') return calls.message(request, next, context);
    if (call.kind === 'batch') return calls.batch(request, next, context);
    if (call.kind === 'batch_results') return calls.results(call.batchId, request, next);
    return next(request);
  };
}

/**
 * A copy of the client whose messages are under the budget.
 * @throws TokenctlError invalid_input
 */
export function withBudget<Client extends SdkClient>(
  client: Client,
  budget: Budget,
  options: AnthropicOptions,
): Client {
  return client.withOptions({
    middleware: [...client.middleware, tokenctlMiddleware(budget, options)],
  });
}

/** What differs between messages and batches. */
interface Work {
  readonly estimate: () => Omit<ReserveRequest, 'aiType'>;
  /** Whether its end counts attempts before it that may have been charged; else each ends by itself. */
  readonly countsAttempts: boolean;
  /** The API has taken it: the answer, as it is passed on. */
  readonly answered: (response: Response, hold: Hold) => Promise<Response>;
}

class BudgetedCalls {
  readonly #budget: Budget;
  readonly #aiType: string;
  readonly #maxWaitMs: number;
  readonly #kept = new KeptHolds();

  constructor(budget: Budget, aiType: string, maxWaitMs: number) {
    this.#budget = budget;
    this.#aiType = aiType;
    this.#maxWaitMs = maxWaitMs;
  }

  async message(request: Request, next: Next, context: Context): Promise<Response> {
    return this.#attempt(request, next, context, {
      estimate: () => messageRequest(parseBody(bodyOf(request))),
      countsAttempts: true,
      answered: (response, hold) => {
        const meter = messageMeter(response.headers.get('content-type'));
        const observer: Observer = {
          take: (bytes) => meter.take(bytes),
          end: (how) =>
            hold.end(outcomeOfAnswer(meter.answer(how === 'whole', hold.estimate.output))),
        };
        return passing(response, observer, request.signal);
      },
    });
  }

  async batch(request: Request, next: Next, context: Context): Promise<Response> {
    return this.#attempt(request, next, context, {
      estimate: () => ({
        ...batchRequest(parseBody(bodyOf(request))),
        ttlSeconds: BATCH_TTL_SECONDS,
      }),
      countsAttempts: false,
      // It stays held for as long as the batch may take, and is settled by its results.
      answered: async (response, hold) => {
        const batch = await context.parse(response).catch(() => null);
        await noteBatch(this.#budget, hold.id, batch, warnProcess);
        return response;
      },
    });
  }

  async results(batchId: string, request: Request, next: Next): Promise<Response> {
    const response = await next(request);
    if (!response.ok) return response;
    return passing(response, resultsObserver(this.#budget, batchId, warnProcess), request.signal);
  }

  /** One HTTP attempt of a call: under the hold of the attempt before it, if there was one. */
  async #attempt(
    request: Request,
    next: Next,
    context: Context,
    { estimate, countsAttempts, answered }: Work,
  ): Promise<Response> {
    const attempt = Number(request.headers.get('x-stainless-retry-count') ?? 0);
    const call: SdkCall = context.options ?? {};
    const kept = attempt > 0 ? this.#kept.take(call) : null;
    const hold = kept ?? (await this.#reserve(estimate, request.signal));
    let response: Response;
    try {
      response = await next(request);
    } catch (error) {
      const outcome = outcomeOfError(error);
      // Nobody tells whether the SDK tries again. A connection that was never made costs nothing, so
      // its hold ends now, and another attempt reserves anew.
      const isLast = outcome.kind === 'free' || !countsAttempts || call.signal?.aborted === true;
      if (isLast) await hold.end(outcome);
      else this.#kept.keep(call, hold, outcome, retryWithinMs(attempt));
      throw error;
    }
    const refused = outcomeOfStatus(response.status);
    if (refused === null) return answered(response, hold);
    // The SDK reads an error's body when it gives up, and drops it when it tries again.
    const forMs = retryWithinMs(attempt, response.headers);
    const endIfKept = this.#kept.keep(call, hold, refused, forMs);
    return passing(response, {
      take: () => undefined,
      end: (how) => (how === 'left' ? Promise.resolve() : endIfKept()),
    });
  }

  async #reserve(
    estimate: () => Omit<ReserveRequest, 'aiType'>,
    signal: AbortSignal | null | undefined,
  ): Promise<Hold> {
    try {
      const request = { aiType: this.#aiType, ...estimate() };
      const verdict = await reserveInTime(
        this.#budget,
        request,
        this.#maxWaitMs,
        systemRuntime,
        signal,
      );
      const { reservation } = verdict;
      if (reservation === null) throw new BudgetDeniedError(verdict);
      const hold = new Hold(this.#budget, reservation.id, verdict.estimate, warnProcess);
      if (signal?.aborted === true) {
        await hold.end({ kind: 'free', error: 'the caller aborted it before it was sent' });
        throw signal.reason;
      }
      return hold;
    } catch (error) {
      throw neverRetried(error);
    }
  }
}

/** The request's JSON. @throws invalid_input for a body that can be read only once */
function bodyOf({ body }: Request): string {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return new TextDecoder().decode(body);
  throw invalidInput('body', "can't be estimated", 'give the SDK an object');
}

/** The SDK tries again after any error whose text speaks of a time-out. A refusal stays one. */
function neverRetried(error: unknown): unknown {
  const refusal = error instanceof BudgetDeniedError || error instanceof TokenctlError;
  if (refusal && /timed? ?out/i.test(String(error))) {
    Object.defineProperty(error, 'toString', { value: () => error.name });
  }
  return error;
}

/** Within what time the SDK tries again, if it does: by its own pause, or as the answer says; in ms. */
function retryWithinMs(attempt: number, headers = new Headers()): number {
  const ms = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  const after = headers.get('retry-after') ?? '';
  const seconds = Number.parseFloat(after);
  const date = Date.parse(after) - systemRuntime.nowMs();
  const said = [ms, seconds * 1_000, date].find((value) => value > 0) ?? 0;
  const own = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
  return Math.max(said, own) + PAUSE_GRACE_MS;
}

export { BudgetDeniedError };
