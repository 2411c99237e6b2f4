import type { TokenctlError } from '../budget/errors.ts';
import type { Estimate, Verdict } from '../budget/verdict.ts';

/** What a guard asks of the ledger. Everything in it was checked and bounded before it queued. */

export interface ReserveCommand {
  readonly kind: 'reserve';
  /** The id of the reservation, if it is admitted: made before, so that a replay finds it. */
  readonly id: string;
  readonly aiType: string;
  readonly estimate: Estimate;
  /** How many requests it stands for; 1 unless it is a batch. */
  readonly items: number;
  /** The largest single request in it, in tokens. */
  readonly largestItem: number;
  readonly model: string | null;
  readonly requestId: string | null;
  readonly requestType: string;
  /** The caller's key: it may have been used before, and may be again. */
  readonly idempotencyKey: string | null;
  /** How long it is held, in seconds; null takes the limit `reservationTtl`. */
  readonly ttlSeconds: number | null;
}

/** What a call really used, in tokens. */
export interface SettledUsage {
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly cacheCreationTokens: number;
  readonly cacheReadTokens: number;
}

interface EndOfReservation {
  readonly id: string;
  /** The AI types whose reservations the caller may end; null, or left out, is any. */
  readonly aiTypes?: readonly string[] | null;
}

interface SettleCommand extends EndOfReservation {
  readonly kind: 'settle';
  /** Null when it is unknown what was charged: the hold is charged in full. */
  readonly usage: SettledUsage | null;
  readonly model: string | null;
  readonly stopReason: string | null;
  /** What failed; null is a success. */
  readonly errorMessage: string | null;
}

interface ReleaseCommand extends EndOfReservation {
  readonly kind: 'release';
  readonly errorMessage: string | null;
}

export type EndCommand = SettleCommand | ReleaseCommand;
export type Command = ReserveCommand | EndCommand;

/** How a reservation ended. */
export interface Ending {
  readonly id: string;
  readonly state: 'settled' | 'released' | 'expired';
  /** What it is charged now, in tokens. */
  readonly charged: number;
}

export type Outcome =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'ending'; readonly ending: Ending }
  | { readonly kind: 'refused'; readonly error: TokenctlError }
  /** A foreign transaction has locked its row: to be tried again, while others go on. */
  | { readonly kind: 'locked' };
