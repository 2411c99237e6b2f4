import type { Limits } from './limits.ts';

export const LEVELS = ['ok', 'warning', 'critical', 'emergency'] as const;
/** How near the enforced monthly limit is. */
export type Level = (typeof LEVELS)[number];

/** The level at used + held tokens of the month, before any new request. Thresholds that are off never apply. */
export function levelAt(usedAndHeld: number, limits: Limits): Level {
  const reached = (amount: number | null): boolean => amount !== null && usedAndHeld >= amount;
  if (reached(limits.emergencyAt)) return 'emergency';
  if (reached(limits.criticalAt)) return 'critical';
  if (reached(limits.warningAt)) return 'warning';
  return 'ok';
}

/** Used + held in percent of a limit: two decimals, rounded down (99.999 is never shown as 100). */
export type Percent = number;

/** amount of limit in percent; null where there is no limit. */
export function percentUsed(amount: number, limit: number | null): Percent | null {
  if (limit === null) return null;
  if (limit === 0) return amount > 0 ? 100 : 0;
  return Math.floor((amount * 10_000) / limit) / 100;
}
