import { BatchCounters } from './counters.ts';
import { largestAdmissible, minuteRetryAt, recentItems, type Counters } from '../budget/decide.ts';
import { windowAt, windowsAt } from '../budget/windows.ts';
import type { LimitsInForce } from './limits-in-force.ts';
import type { DatabaseKind, DueHold, Operations, StoredRevision, WindowRow } from './port.ts';
import { step, type Step } from './steps.ts';

export interface SnapshotRequest {
  /** A past month, 'YYYY-MM'; the current month with its day and hour when absent. */
  readonly month?: string;
  readonly aiType?: string;
}

/** The ledger at one instant, due holds shown as used (readers never write). */
export interface Snapshot {
  readonly nowMs: number;
  readonly kind: DatabaseKind;
  /** The past month asked for; null for now. */
  readonly month: string | null;
  readonly limits: LimitsInForce;
  /** The month's, day's and hour's windows of every scope. */
  readonly windows: readonly WindowRow[];
  /** The global hours of the last 25, for the burn rate; oldest first. */
  readonly hours: readonly WindowRow[];
  /** Requests in the last 60 s, and in the UTC day, whatever was reset. */
  readonly requestsLastMinute: number;
  readonly requestsToday: number;
  /** When one more request fits the minute's rate; null when one fits now. */
  readonly minuteFreesAtMs: number | null;
  /** The greatest estimate that passes now; null for a past month. */
  readonly largestAdmissible: number | null;
  readonly lastLogAtMs: number | null;
  /** Since when the database counts; null where it has no limit revision yet. */
  readonly sinceMs: number | null;
}

const HOUR_MS = 3_600_000;

export function* readSnapshot(
  ops: Operations,
  readLimits: (stored: StoredRevision | null) => LimitsInForce,
  request: SnapshotRequest,
): Step<Snapshot> {
  const { nowMs } = ops;
  const inForce = readLimits(yield* step(ops.newestRevision()));
  const current = windowsAt(nowMs);
  const past = request.month !== undefined && request.month !== current.month.start;
  const starts = past
    ? [request.month]
    : [current.month.start, current.day.start, current.hour.start];
  const due = yield* step(ops.dueHolds());
  const windows = applyDue(yield* step(ops.windows(starts, null)), due, starts);
  const perMinute = inForce.limits.requestsPerMinute;
  const hourStarts = past ? [] : lastHours(nowMs);
  const hours = past
    ? []
    : applyDue(yield* step(ops.windows(hourStarts, [])), due, hourStarts)
        .filter((row) => row.aiType === null)
        .toSorted((a, b) => (a.start < b.start ? -1 : 1));
  const recent = past ? [] : yield* step(ops.recentRequests(perMinute ?? 10_000));
  const counters: Counters = new BatchCounters(windows, recent, nowMs).of(request.aiType ?? null);
  return {
    nowMs,
    kind: ops.kind,
    month: past ? request.month : null,
    limits: inForce,
    windows,
    hours,
    requestsLastMinute: recentItems(counters, nowMs),
    requestsToday: counters.requestsToday,
    minuteFreesAtMs: minuteFreesAt(counters, perMinute, nowMs),
    largestAdmissible: past
      ? null
      : largestAdmissible(inForce.limits, counters, request.aiType ?? null, nowMs),
    lastLogAtMs: yield* step(ops.newestLogAtMs()),
    sinceMs: yield* step(ops.createdAtMs()),
  };
}

function minuteFreesAt(counters: Counters, perMinute: number | null, nowMs: number): number | null {
  if (perMinute === null || recentItems(counters, nowMs) < perMinute) return null;
  return minuteRetryAt(counters, 1, perMinute, nowMs);
}

function lastHours(nowMs: number): string[] {
  return Array.from(
    { length: 25 },
    (_, back) => windowAt('hour', nowMs - (24 - back) * HOUR_MS).start,
  );
}

/** Moves due holds from held to used, in the windows that they were reserved in. */
export function applyDue(
  rows: readonly WindowRow[],
  due: readonly DueHold[],
  starts: readonly string[],
): WindowRow[] {
  if (due.length === 0) return [...rows];
  return rows.map((row) => {
    let { used, held, tokensIn, tokensOut } = row;
    for (const hold of due) {
      const inScope = row.aiType === null || row.aiType === hold.aiType;
      if (!inScope || !hold.hourStart.startsWith(row.start) || !starts.includes(row.start))
        continue;
      used += hold.tokens;
      held -= hold.tokens;
      tokensIn += hold.inputTokens;
      tokensOut += hold.tokens - hold.inputTokens;
    }
    return { ...row, used, held, tokensIn, tokensOut };
  });
}
