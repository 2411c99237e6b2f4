import type { IsoTime } from './windows.ts';

/** The answer to a request, in the shape that JSON and HTTP give (docs/rules.md). */

export type ReasonCode =
  | 'emergency_shutdown'
  | 'request_too_large'
  | 'provider_request_too_large'
  | 'critical_restricts_large'
  | 'window_exceeded'
  | 'rate_exceeded'
  | 'ledger_unavailable'
  | 'ledger_busy';

/** One rule that a request broke, with its arithmetic. Amounts are tokens, for rates requests. */
export interface Reason {
  readonly code: ReasonCode;
  /** 'global' or an AI type. */
  readonly scope: string | null;
  readonly window: 'month' | 'day' | 'hour' | 'minute' | null;
  readonly limit: number | null;
  readonly used: number | null;
  readonly held: number | null;
  readonly requested: number;
  /** Whether the same request could pass later, with the limits unchanged. */
  readonly canEverPass: boolean;
  /** When this rule would let it pass, if nothing else is used until then; null when time does not help. */
  readonly retryAt: IsoTime | null;
  readonly message: string;
  /** The command that would change it, where there is one. */
  readonly fix: string | null;
}

/** What a call may cost, in tokens. */
export interface Estimate {
  readonly input: number;
  readonly output: number;
  readonly total: number;
}

/** An admitted request's hold. */
export interface Reservation {
  readonly id: string;
  /** When it is charged in full unless it is settled or released before. */
  readonly expiresAt: IsoTime;
}

/** What a reserve or a check answers. */
export interface Verdict {
  readonly admitted: boolean;
  readonly aiType: string;
  readonly estimate: Estimate;
  /** Every rule that was broken; empty when admitted. */
  readonly reasons: readonly Reason[];
  /** When every reason would be gone; null when admitted, or when one never goes. */
  readonly retryAt: IsoTime | null;
  /** The greatest estimate that would pass now; 0 when none, null when the ledger is lost. */
  readonly largestAdmissible: number | null;
  /** Null for a denial, and for a check. */
  readonly reservation: Reservation | null;
}

/** A denial because the ledger itself could not answer: it fails closed. */
export function ledgerDenial(
  code: 'ledger_unavailable' | 'ledger_busy',
  aiType: string,
  estimate: Estimate,
  message: string,
  fix: string,
): Verdict {
  return {
    admitted: false,
    aiType,
    estimate,
    reasons: [
      {
        code,
        scope: null,
        window: null,
        limit: null,
        used: null,
        held: null,
        requested: estimate.total,
        canEverPass: true,
        retryAt: null,
        message,
        fix,
      },
    ],
    retryAt: null,
    largestAdmissible: null,
    reservation: null,
  };
}
