import type { Estimate } from '../budget/verdict.ts';
import { isObject } from './json.ts';
import type { Answer, ProviderUsage } from './usage.ts';

/** What one attempt at a call is charged, by how it ended. */
export type Outcome =
  /** The provider charged nothing, and said so by an HTTP error, or was never reached. */
  | { readonly kind: 'free'; readonly error: string }
  /** Nobody knows what was charged: the hold is. */
  | { readonly kind: 'unknown'; readonly error: string }
  | {
      readonly kind: 'used';
      readonly usage: ProviderUsage;
      readonly model: string | null;
      readonly stopReason: string | null;
      /** What went wrong after the answer had begun; null when it is whole. */
      readonly error: string | null;
    };

/** Of an answer with an HTTP error: it delivers no message, so nothing is charged. */
export function outcomeOfStatus(status: number): Outcome | null {
  if (status >= 200 && status < 300) return null;
  return { kind: 'free', error: `the provider answered with HTTP status ${String(status)}` };
}

/** Of an answer that was read to its end, or was cut. */
export function outcomeOfAnswer({ usage, model, stopReason, error, refused }: Answer): Outcome {
  if (usage !== null) return { kind: 'used', usage, model, stopReason, error };
  if (refused === true) return { kind: 'free', error: error ?? 'the provider refused it' };
  return { kind: 'unknown', error: error ?? 'the answer reports no usage' };
}

/** Of an attempt that got no answer: unknown once the request may have been sent. */
export function outcomeOfError(error: unknown): Outcome {
  const text = error instanceof Error ? error.message : String(error);
  return { kind: wasNeverSent(error) ? 'free' : 'unknown', error: text || 'no answer' };
}

/**
 * How a reservation ends, whose call took several attempts: each that may have been charged without
 * saying what counts as the whole estimate.
 */
export function usageOfAttempts(
  last: ProviderUsage | null,
  unknownAttempts: number,
  estimate: Estimate,
): ProviderUsage {
  return {
    inputTokens: (last?.inputTokens ?? 0) + unknownAttempts * estimate.input,
    outputTokens: (last?.outputTokens ?? 0) + unknownAttempts * estimate.output,
    cacheCreationInputTokens: last?.cacheCreationInputTokens ?? 0,
    cacheReadInputTokens: last?.cacheReadInputTokens ?? 0,
  };
}

const CONNECTING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
const NOT_CONNECTED =
  /^(UND_ERR_CONNECT_TIMEOUT|ERR_TLS_CERT_ALTNAME_INVALID|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+)$/;

/** Whether an error says that no connection was made. `fetch` hides the reason in its causes. */
function wasNeverSent(error: unknown): boolean {
  for (let depth = 0, at = error; depth < 8 && isObject(at); depth += 1, at = at['cause']) {
    if (CONNECTING.has(at['syscall']) || NOT_CONNECTED.test(String(at['code']))) return true;
    const all = at['errors'];
    if (Array.isArray(all) && all.length > 0) return all.every(wasNeverSent);
  }
  return false;
}
