import { decide, type Counters, type RecentRequest, type ScopeCounts } from './decide.ts';
import type { Limits } from './limits.ts';
import type { Reason, ReasonCode, Verdict } from './verdict.ts';

/** Past denials under other limits: what a change of limits would have let through. */

/** A denial as the log keeps it. */
export interface PastDenial {
  /** The verdict as JSON; null where a foreign writer gave none. */
  readonly verdict: string | null;
  /** How many requests it asked for (a batch asks once); ≥ 1. */
  readonly items: number;
  /** How many denials the row stands for; ≥ 1. */
  readonly count: number;
}

/**
 * How many of these denials would have passed under `limits`, each judged alone by the counts that
 * its own reasons state. A rule that it did not break states none and is judged by the request
 * alone. What can't be read, or was not denied by a limit, would not have passed.
 */
export function wouldHavePassed(denials: readonly PastDenial[], limits: Limits): number {
  let passed = 0;
  for (const { verdict, items, count } of denials) {
    const read = readVerdict(verdict);
    if (read !== null && passes(limits, read, items)) passed += count;
  }
  return passed;
}

const SIZES: readonly ReasonCode[] = [
  'request_too_large',
  'provider_request_too_large',
  'critical_restricts_large',
];

function passes(limits: Limits, verdict: Verdict, items: number): boolean {
  const { aiType, estimate, reasons } = verdict;
  const size = reasons.find(({ code }) => SIZES.includes(code))?.requested;
  // A batch that broke no size says only that its largest item is at least the average one.
  const largestItem = size ?? Math.ceil(estimate.total / items);
  // Counts are given, so that the instant decides nothing but when to try again.
  const nowMs = 0;
  const counters = countersOf(reasons, aiType, nowMs);
  return decide(limits, counters, { aiType, estimate, items, largestItem }, nowMs).admitted;
}

/** The counts that a denial's reasons state. */
function countersOf(reasons: readonly Reason[], aiType: string, nowMs: number): Counters {
  const counts = (scope: string): ScopeCounts => {
    const of = (window: string): { used: number; held: number } => {
      const stated = reasons.find(
        (reason) =>
          reason.scope === scope && reason.window === window && reason.code !== 'rate_exceeded',
      );
      return { used: stated?.used ?? 0, held: stated?.held ?? 0 };
    };
    return { month: of('month'), day: of('day'), hour: of('hour') };
  };
  const requests = (window: string): number =>
    reasons.find((reason) => reason.code === 'rate_exceeded' && reason.window === window)?.used ??
    0;
  const lastMinute = requests('minute');
  const recent: RecentRequest[] = lastMinute === 0 ? [] : [{ atMs: nowMs, items: lastMinute }];
  return {
    global: counts('global'),
    aiType: counts(aiType),
    recent,
    requestsToday: requests('day'),
  };
}

/** A verdict with reasons that have counts; null for anything else. */
/** A denial as it was given; null where it can not be read, or no limit denied it. */
export function readVerdict(json: string | null): Verdict | null {
  if (json === null) return null;
  let raw: unknown;
  try {
    raw = JSON.parse(json);
  } catch {
    return null;
  }
  const { aiType, estimate, reasons } = (raw ?? {}) as Partial<Verdict>;
  const readable =
    typeof aiType === 'string' &&
    Number.isFinite(estimate?.total) &&
    Array.isArray(reasons) &&
    reasons.length > 0 &&
    reasons.every(isStated);
  return readable ? (raw as Verdict) : null;
}

/** Whether a reason is a limit's, with its numbers; a lost or busy ledger has none. */
function isStated(reason: Partial<Reason> | null): boolean {
  if (typeof reason !== 'object' || reason === null) return false;
  const { code, requested, limit, used, held } = reason;
  if (code === undefined || typeof requested !== 'number' || typeof limit !== 'number')
    return false;
  return SIZES.slice(0, 2).includes(code) || (typeof used === 'number' && typeof held === 'number');
}
