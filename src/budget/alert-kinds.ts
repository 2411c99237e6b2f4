import type { QuietHours } from './quiet-hours.ts';

/** What an alert can be about. */
export const ALERT_KINDS = [
  /** The enforced month reached a level. */
  'level',
  /** An AI type comes near, or to the end of, a limit of its own. */
  'ai-type',
  /** Of the day's or the hour's limit nothing to speak of is left. */
  'exhausted',
  /** Many of an hour's requests were denied. */
  'denials',
  /** An hour uses far more than hours usually do. */
  'burn-rate',
  /** At the rate of the last day the month passes its limit before it ends. */
  'overrun',
  /** Nothing was logged for too long. */
  'silence',
  /** The monitor can't reach the ledger. */
  'blind',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** Which kinds are raised, and from where on. Those that are false or null are off. */
export interface AlertKindSettings {
  readonly level: boolean;
  readonly 'ai-type': boolean;
  readonly exhausted: boolean;
  /** From which share of an hour's requests on, in percent from 1 to 100. */
  readonly denials: { readonly percent: number } | null;
  /** From how many times the usual on; above 1. */
  readonly 'burn-rate': { readonly times: number } | null;
  readonly overrun: boolean;
  /** After how long without a log, in ms; and the hours in which logs are to be expected, null for always. */
  readonly silence: { readonly afterMs: number; readonly hours: QuietHours | null } | null;
  readonly blind: boolean;
}

/** Where the configuration says nothing. */
export const USUAL_ALERT_KINDS: AlertKindSettings = {
  level: true,
  'ai-type': true,
  exhausted: true,
  denials: { percent: 50 },
  'burn-rate': { times: 3 },
  overrun: true,
  silence: null,
  blind: true,
};
