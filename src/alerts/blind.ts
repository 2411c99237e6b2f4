import { count } from '../budget/tokens.ts';
import { percentText } from '../budget/words.ts';
import { isoTime, utcMinute, windowAt } from '../budget/windows.ts';
import type { Alert, AlertData } from '../ledger/alerts.ts';
import type { StatusReport } from '../ledger/status.ts';

/**
 * The alert that a monitor is blind: it can't reach the ledger. It is told past the outbox, which lies
 * in the ledger. Pure.
 */

/** How long the ledger must be away before it is told, in ms by the clock that never goes back. */
export const BLIND_AFTER_MS = 60_000;

export interface Blindness {
  readonly id: string;
  readonly nowMs: number;
  /** When the first check began that the ledger did not answer. */
  readonly lostAtMs: number;
  /** What the last such check said. */
  readonly reason: string;
  /** `user@host` of the monitor; null where the system knows no name. */
  readonly who: string | null;
  /** What was seen last, and how long ago; null when the monitor has seen nothing yet. */
  readonly last: { readonly report: StatusReport; readonly ageMs: number } | null;
}

const EFFECT = "every request is denied while the ledger can't be reached";
const TOP = 5;

/** An emergency, as every request is denied: no quiet hours and no minimum level hold it back. */
export function blindAlert(blindness: Blindness): Alert {
  const { id, nowMs, lostAtMs, reason, who, last } = blindness;
  const month = windowAt('month', nowMs);
  const whose = who === null ? 'the monitor' : `the monitor of ${who}`;
  return {
    ...{ id, kind: 'blind', level: 'emergency', aiType: null, state: 'raised' },
    ...{ windowKind: 'month', windowStart: month.start },
    message: `${whose} has not reached the ledger since ${utcMinute(isoTime(lostAtMs))}: ${reason}; ${lastText(last)}; ${EFFECT}`,
    data: {
      ...monthCounts(last?.report ?? null),
      ...{ threshold: null, newestReset: 0, resetsAt: isoTime(month.resetsAtMs) },
      context: {
        tokensPerHour: last?.report.burnRate.lastDay ?? last?.report.burnRate.lastHour ?? null,
        limitReachedAt: last?.report.burnRate.limitReachedAt ?? null,
        topAiTypes: (last?.report.aiTypes ?? []).slice(0, TOP).map((each) => ({
          aiType: each.aiType,
          tokens: each.used + each.held,
          percent: each.percentOfGlobal,
        })),
        effect: EFFECT,
        command: 'tokenctl doctor',
      },
    },
    ...{ seenAtMs: lostAtMs, raisedAtMs: nowMs, resolvedAtMs: null },
  };
}

/** The same alert when the ledger answers again, with what it says then. */
export function healed(alert: Alert, report: StatusReport, nowMs: number): Alert {
  const data = {
    ...alert.data,
    atEnd: monthCounts(report),
    overBecause: 'the ledger answers again',
  };
  // By the ledger's clock, which may be behind this machine's.
  const resolvedAtMs = Math.max(nowMs, alert.raisedAtMs ?? 0);
  return { ...alert, data, state: 'resolved', resolvedAtMs };
}

function monthCounts(
  report: StatusReport | null,
): Pick<AlertData, 'used' | 'held' | 'limit' | 'percent'> {
  const row = monthOf(report);
  return {
    ...{ used: row?.used ?? 0, held: row?.held ?? 0 },
    ...{ limit: row?.limit ?? null, percent: row?.percent ?? null },
  };
}

function monthOf(report: StatusReport | null): StatusReport['windows'][number] | null {
  const rows = report?.windows ?? [];
  return rows.find(({ scope, window }) => scope === 'global' && window === 'month') ?? null;
}

function lastText(last: Blindness['last']): string {
  const row = monthOf(last?.report ?? null);
  if (last === null || row === null) return 'it has seen nothing before';
  const minutes = Math.floor(last.ageMs / 60_000);
  const ago = minutes === 0 ? 'less than a minute ago' : `${count(minutes)} min ago`;
  const share =
    row.limit === null
      ? `${count(row.used + row.held)} tokens used or held`
      : `${percentText(row.percent ?? 0)} of the ${count(row.limit)} tokens of ${row.startsAt.slice(0, 7)} used or held`;
  return `seen last ${ago}: level ${last.report.level}, ${share}`;
}
