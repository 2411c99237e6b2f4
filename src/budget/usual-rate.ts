import type { HourUse } from './burn-rate.ts';

/**
 * What an hour usually uses at most: the 95th percentile, by nearest rank (the value at place
 * ⌈0.95 · n⌉ of n in order), of the hours that used anything. Hours without usage are left out, so that
 * nights do not make each morning unusual.
 */

const PERCENTILE = 0.95;
/** Full hours that are looked at, before the current one. */
export const HISTORY_HOURS = 7 * 24;
/** With fewer hours that used anything, or a shorter time since the first, nothing is usual yet. */
const LEAST_HOURS = 24;
const LEAST_HISTORY_MS = 48 * 3_600_000;

/** In tokens; null when there is too little history. @param beforeMs when the current hour began */
export function usualMost(hours: readonly HourUse[], beforeMs: number): number | null {
  const used = hours.filter((hour) => hour.used > 0 && hour.startsAtMs < beforeMs);
  const firstMs = Math.min(...used.map(({ startsAtMs }) => startsAtMs));
  if (used.length < LEAST_HOURS || beforeMs - firstMs < LEAST_HISTORY_MS) return null;
  const inOrder = used.map((hour) => hour.used).toSorted((a, b) => a - b);
  return inOrder[Math.ceil(PERCENTILE * inOrder.length) - 1] ?? null;
}
