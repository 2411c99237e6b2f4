import type { Verdict } from '../budget/verdict.ts';

/** What a denial means to who asked over HTTP. */
export interface Denial {
  /** undecided: the ledger could not say; never: it can't pass under these limits; later: it may. */
  readonly kind: 'undecided' | 'never' | 'later';
  /** In whole seconds, at least 1; null where waiting is not known to help. */
  readonly retryAfterS: number | null;
  /** Every reason, as one line. */
  readonly message: string;
}

/** How soon a ledger that did not answer may be asked again, in seconds. */
const LEDGER_RETRY_S = 2;

/**
 * What would let a request pass, each once: where waiting does not help what mends that, as all of it is needed;
 * else what mends any of the rest.
 */
export function fixesOf(reasons: Verdict['reasons']): string[] {
  const never = reasons.filter(({ canEverPass }) => !canEverPass);
  const told = never.length === 0 ? reasons : never;
  return [...new Set(told.flatMap(({ fix }) => fix ?? []))];
}

export function denialOf({ reasons, retryAt }: Verdict, nowMs: number): Denial {
  const message = `denied by tokenctl: ${reasons.map((reason) => reason.message).join('; ')}`;
  const undecided = reasons.some(
    ({ code }) => code === 'ledger_unavailable' || code === 'ledger_busy',
  );
  if (undecided) return { kind: 'undecided', retryAfterS: LEDGER_RETRY_S, message };
  if (reasons.some(({ canEverPass }) => !canEverPass)) {
    return { kind: 'never', retryAfterS: null, message };
  }
  const retryAfterS =
    retryAt === null ? null : Math.max(1, Math.ceil((Date.parse(retryAt) - nowMs) / 1_000));
  return { kind: 'later', retryAfterS, message };
}
