import type { TokenctlError } from '../../budget/errors.ts';
import { jsonWith, type Suggest } from '../../budget/suggest.ts';
import type { Verdict } from '../../budget/verdict.ts';
import { denialOf } from '../denial.ts';
import type { OwnAnswer } from '../listener.ts';
import type { Stranger } from '../strangers.ts';

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
  const { kind, retryAfterS, message } = denialOf(verdict, nowMs);
  switch (kind) {
    case 'undecided':
      return refusal(503, 'api_error', message, { retryAfterS, verdict });
    case 'never':
      return refusal(400, 'invalid_request_error', message, { mayRetry: false, verdict });
    case 'later': {
      const mayRetry = retryAfterS !== null && retryAfterS < LONGEST_RETRY_S;
      return refusal(429, 'rate_limit_error', message, { retryAfterS, mayRetry, verdict });
    }
  }
}

export function refusalOfStranger({ header, problem }: Stranger): Refusal {
  return refusal(403, 'permission_error', `${header}: ${problem}`);
}

export function unknownPath(method: string, target: string): Refusal {
  const path = (target.split('?')[0] ?? '').slice(0, 200);
  return refusal(
    404,
    'not_found_error',
    `${method} ${path}: this gateway serves /v1/messages, /v1/messages/count_tokens, /v1/messages/batches and /v1/models`,
  );
}

export function tooLarge(mostBytes: number): Refusal {
  const most = `${String(Math.floor(mostBytes / 1_048_576))} MiB`;
  return refusal(413, 'request_too_large', `body: must be at most ${most}`, { mayRetry: false });
}

/** Where upstream failed before its answer began. */
export function refusalOfNoAnswer(error: unknown): Refusal {
  if (codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT') {
    return refusal(504, 'timeout_error', 'the provider did not answer in time');
  }
  const why = error instanceof Error && error.message !== '' ? error.message : codeOf(error);
  return refusal(502, 'api_error', `the provider gave no answer: ${why}`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/**
 * @param requestId names this answer, for reports of a problem
 * @param suggest for the commands of a verdict, which nobody gets who may not spend
 */
export function answerOfRefusal(
  refused: Refusal,
  requestId: string,
  suggest: Suggest = (text) => text,
): OwnAnswer {
  const { status, type, message, retryAfterS, mayRetry, verdict } = refused;
  const details = verdict === null ? {} : { details: verdict };
  const error = { type: 'error', error: { type, message, ...details }, request_id: requestId };
  const body = jsonWith(suggest, error);
  const headers = [
    ...['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))],
    ...['request-id', requestId],
  ];
  if (retryAfterS !== null) headers.push('retry-after', String(retryAfterS));
  if (!mayRetry) headers.push('x-should-retry', 'false');
  return { status, headers, body };
}
