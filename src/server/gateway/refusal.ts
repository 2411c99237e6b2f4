import type { TokenctlError } from '../../budget/errors.ts';
import type { Verdict } from '../../budget/verdict.ts';

/** Answers that the gateway gives by itself, in the shape of the Anthropic API's errors. */

type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'request_too_large'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'api_error';

export interface Refusal {
  readonly status: number;
  readonly type: ErrorType;
  readonly message: string;
  /** In whole seconds; null where waiting is not known to help. */
  readonly retryAfterS: number | null;
  /** Clients of Anthropic try again after 408, 409, 429 and 5xx; false tells them not to. */
  readonly mayRetry: boolean;
  /** The verdict of a denial. */
  readonly verdict: Verdict | null;
}

/** Clients wait no longer than this before they try again; to wait less would be in vain. */
const LONGEST_RETRY_S = 60;
/** How soon a ledger that did not answer may be asked again, in seconds. */
const LEDGER_RETRY_S = 2;

export function refusal(
  status: number,
  type: ErrorType,
  message: string,
  { retryAfterS = null, mayRetry = true, verdict = null }: Partial<Refusal> = {},
): Refusal {
  return { status, type, message, retryAfterS, mayRetry, verdict };
}

/** Bad input: a 400 that names the field and what is accepted. */
export function refusalOfInput({ message, fix }: TokenctlError): Refusal {
  return refusal(400, 'invalid_request_error', fix === null ? message : `${message}: ${fix}`);
}

/**
 * A denial. 503 where the ledger could not decide; 400 where the request can never pass under the
 * limits in force; else 429, with the time after which it may.
 */
export function refusalOfVerdict(verdict: Verdict, nowMs: number): Refusal {
  const { reasons, retryAt } = verdict;
  const message = `denied by tokenctl: ${reasons.map((reason) => reason.message).join('; ')}`;
  const undecided = reasons.some(
    ({ code }) => code === 'ledger_unavailable' || code === 'ledger_busy',
  );
  if (undecided) {
    return refusal(503, 'api_error', message, { retryAfterS: LEDGER_RETRY_S, verdict });
  }
  if (reasons.some(({ canEverPass }) => !canEverPass)) {
    return refusal(400, 'invalid_request_error', message, { mayRetry: false, verdict });
  }
  const retryAfterS =
    retryAt === null ? null : Math.max(1, Math.ceil((Date.parse(retryAt) - nowMs) / 1_000));
  const mayRetry = retryAfterS !== null && retryAfterS < LONGEST_RETRY_S;
  return refusal(429, 'rate_limit_error', message, { retryAfterS, mayRetry, verdict });
}

/** An answer that is made here: its status, headers (name, value, …) and body. */
export interface OwnAnswer {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
}

/** @param requestId names this answer, for reports of a problem */
export function answerOfRefusal(refused: Refusal, requestId: string): OwnAnswer {
  const { status, type, message, retryAfterS, mayRetry, verdict } = refused;
  const details = verdict === null ? {} : { details: verdict };
  const error = { type: 'error', error: { type, message, ...details }, request_id: requestId };
  const body = JSON.stringify(error);
  const headers = [
    ...['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))],
    ...['request-id', requestId],
  ];
  if (retryAfterS !== null) headers.push('retry-after', String(retryAfterS));
  if (!mayRetry) headers.push('x-should-retry', 'false');
  return { status, headers, body };
}
