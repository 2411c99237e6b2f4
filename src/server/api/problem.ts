import { TokenctlError, type ErrorCode } from '../../budget/errors.ts';
import { jsonWith, type Suggest } from '../../budget/suggest.ts';
import type { ReasonCode, Verdict } from '../../budget/verdict.ts';
import { denialOf, fixesOf } from '../denial.ts';
import type { OwnAnswer } from '../listener.ts';

/** Every error that the API answers: `application/problem+json` (RFC 9457) with a code of the catalogue. */

/** What only HTTP knows. */
type HttpCode =
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'ai_type_not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'headers_too_large'
  | 'too_many_failures'
  | 'too_many_clients'
  | 'internal';

export type ProblemCode = ErrorCode | ReasonCode | HttpCode;

/** The usual status of each, and its title. Denials have theirs from the verdict. */
const PROBLEMS: Readonly<Record<ProblemCode, readonly [status: number, title: string]>> = {
  invalid_input: [400, 'The request is wrong'],
  unauthorized: [401, 'A token is needed'],
  forbidden: [403, 'The caller may not do this'],
  not_found: [404, 'There is no such path'],
  ai_type_not_found: [404, 'There is no such AI type'],
  reservation_not_found: [404, 'There is no such reservation'],
  request_not_found: [404, 'There is no such request'],
  reset_not_found: [404, 'There is no such reset'],
  token_not_found: [404, 'There is no such token'],
  alert_not_found: [404, 'There is no such alert'],
  method_not_allowed: [405, 'The path does not take this method'],
  request_timeout: [408, 'The request did not arrive in time'],
  reservation_ended: [409, 'The reservation has ended'],
  key_reused: [409, 'The key belongs to another request'],
  limits_changed: [409, 'The limits were changed meanwhile'],
  reset_undone: [409, 'The reset was undone already'],
  token_revoked: [409, 'The token was revoked already'],
  body_too_large: [413, 'The body is too long'],
  unsupported_media_type: [415, 'The body is no JSON'],
  request_too_large: [422, 'Denied: it can never pass'],
  provider_request_too_large: [422, 'Denied: it can never pass'],
  critical_restricts_large: [429, 'Denied'],
  emergency_shutdown: [429, 'Denied'],
  window_exceeded: [429, 'Denied'],
  rate_exceeded: [429, 'Denied'],
  too_many_failures: [429, 'Too many calls without a good token'],
  headers_too_large: [431, 'The headers are too long'],
  internal: [500, 'The server failed'],
  backup_failed: [500, 'The backup failed'],
  output_failed: [500, 'The output failed'],
  not_confirmed: [500, 'Not confirmed'],
  interrupted: [500, 'Interrupted'],
  too_many_clients: [503, 'Too many clients listen'],
  ledger_unavailable: [503, 'The ledger does not answer'],
  ledger_busy: [503, 'The ledger is busy'],
  database_missing: [503, 'There is no database'],
  database_not_migrated: [503, 'The database must be migrated'],
  database_newer: [503, 'The database is newer than this tokenctl'],
  database_unusable: [503, 'The database is unusable'],
};

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** How soon a ledger that did not answer may be asked again, in seconds. */
const LEDGER_RETRY_S = 2;

export interface ProblemDetails {
  /** Where it is not the code's usual one. */
  readonly status?: number;
  /** The input that was wrong: a field of the body by its path, a parameter or a header. */
  readonly field?: string | null;
  /** The next thing to do. */
  readonly fix?: string | null;
  readonly retryAfterS?: number | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** A denial's verdict, whose members stand beside those of the problem. */
  readonly verdict?: Verdict;
}

/** An answer that is an error. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly details: ProblemDetails;

  constructor(code: ProblemCode, detail: string, details: ProblemDetails = {}) {
    super(detail);
    this.name = 'Problem';
    this.code = code;
    this.status = details.status ?? PROBLEMS[code][0];
    this.details = details;
  }
}

/** For those who are told no more than that: strangers. The server's standard error says why. */
export function lostLedger(detail: string): Problem {
  return new Problem('ledger_unavailable', detail, { retryAfterS: LEDGER_RETRY_S });
}

/** Any error as the problem that is answered; a defect says nothing of itself. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof TokenctlError)) {
    return new Problem('internal', 'the server failed; its log says why');
  }
  const { code, message, field, fix } = error;
  const [status] = PROBLEMS[code];
  return new Problem(code, message, {
    field,
    fix,
    ...(status === 503 ? { retryAfterS: LEDGER_RETRY_S } : {}),
  });
}

/**
 * A denial: 503 where the ledger could not decide, 422 where it can never pass under the limits in
 * force, else 429 with the time after which it may.
 */
export function problemOfVerdict(verdict: Verdict, nowMs: number): Problem {
  const { kind, retryAfterS, message } = denialOf(verdict, nowMs);
  const { reasons } = verdict;
  const first = (kind === 'never' ? reasons.find((each) => !each.canEverPass) : null) ?? reasons[0];
  return new Problem(first?.code ?? 'internal', message, {
    status: { undecided: 503, never: 422, later: 429 }[kind],
    fix: first?.fix ?? null,
    retryAfterS,
    verdict,
  });
}

/**
 * @param requestId names the request, for reports of a problem
 * @param suggest for its commands; strangers get them as they are
 */
export function answerOfProblem(
  problem: Problem,
  requestId: string,
  suggest: Suggest = (text) => text,
): OwnAnswer {
  const { code, status, message: detail, details } = problem;
  const { field = null, fix = null, retryAfterS = null, headers = {}, verdict } = details;
  const body = jsonWith(suggest, {
    ...{ type: `urn:tokenctl:problem:${code}`, title: PROBLEMS[code][1], status, code, detail },
    ...{ field, fix, requestId },
    ...(verdict === undefined ? {} : { ...verdict, fixes: fixesOf(verdict.reasons) }),
  });
  return {
    status,
    headers: [
      ...['content-type', 'application/problem+json'],
      ...['content-length', String(Buffer.byteLength(body))],
      ...['cache-control', 'no-store'],
      ...(retryAfterS === null ? [] : ['retry-after', String(retryAfterS)]),
      ...Object.entries(headers).flat(),
    ],
    body,
  };
}
