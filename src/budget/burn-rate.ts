/** How fast tokens are used, and when a limit would be reached at that pace. */

export interface HourUse {
  readonly startsAtMs: number;
  readonly used: number;
}

export interface BurnRate {
  /** Tokens an hour over the last hour; null when there is not enough data. */
  readonly lastHour: number | null;
  /** Tokens an hour over the last 24 hours; null when there is not enough data. */
  readonly lastDay: number | null;
}

const HOUR_MS = 3_600_000;

/**
 * The rates measured to now. The oldest hour is counted by the share of it that lies in the period.
 * @param sinceMs since when there is a count; a rate over a longer period is null
 */
export function burnRate(
  hours: readonly HourUse[],
  sinceMs: number | null,
  nowMs: number,
): BurnRate {
  return { lastHour: rateOver(1), lastDay: rateOver(24) };

  function rateOver(length: number): number | null {
    const fromMs = nowMs - length * HOUR_MS;
    if (sinceMs === null || sinceMs > fromMs) return null;
    let tokens = 0;
    for (const hour of hours) {
      const endsAtMs = hour.startsAtMs + HOUR_MS;
      if (endsAtMs <= fromMs || hour.startsAtMs > nowMs) continue;
      const inside = endsAtMs - Math.max(hour.startsAtMs, fromMs);
      tokens += (hour.used * inside) / HOUR_MS;
    }
    return Math.round(tokens / length);
  }
}

/** When `remaining` tokens are used up at a rate of tokens an hour; null if not before `byMs`. */
export function reachedAt(
  remaining: number | null,
  rate: number | null,
  nowMs: number,
  byMs: number,
): number | null {
  if (remaining === null || rate === null || rate <= 0) return null;
  const atMs = nowMs + Math.ceil((remaining / rate) * HOUR_MS);
  return atMs < byMs ? atMs : null;
}
