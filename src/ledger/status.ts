import { burnRate, reachedAt } from '../budget/burn-rate.ts';
import { globalScopeLimits } from '../budget/decide.ts';
import { levelAt, percentUsed, type Level, type Percent } from '../budget/levels.ts';
import { ownLimits, type Limit, type Limits, type ScopeLimits } from '../budget/limits.ts';
import type { Finding } from '../budget/finding.ts';
import { lintLimits } from '../budget/lint.ts';
import {
  isoTime,
  WINDOW_KINDS,
  windowAt,
  windowsAt,
  type IsoTime,
  type Window,
  type WindowKind,
} from '../budget/windows.ts';
import { bindingOf, type Binding } from './binding.ts';
import type { WindowRow } from './port.ts';
import type { Snapshot } from './snapshot.ts';
import { windowStatus, type WindowStatus } from './window-status.ts';

/** What one AI type used in the month. Amounts are tokens. */
interface AiTypeStatus {
  readonly aiType: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly used: number;
  readonly held: number;
  /** Used + held of the current day; null for a past month. */
  readonly today: number | null;
  readonly requests: number;
  readonly failed: number;
  readonly denied: number;
  /** Its own monthly limit; null when it has none. */
  readonly limit: Limit;
  /** Its part of all tokens used and held this month. */
  readonly percentOfGlobal: Percent;
  readonly lastRequestAt: IsoTime | null;
  readonly status: 'active' | 'warning' | 'critical' | 'limit_reached';
}

/** What `status --json` prints; additive, versioned by schemaVersion. */
export interface StatusReport {
  readonly schemaVersion: 1;
  readonly time: IsoTime;
  readonly level: Level;
  /** Where the levels begin, in tokens of the month, and the largest request at level critical. */
  readonly thresholds: Pick<Limits, 'warningAt' | 'criticalAt' | 'emergencyAt' | 'criticalRequest'>;
  readonly database: {
    readonly kind: Snapshot['kind'];
    readonly location: string;
    /** Since when it counts. */
    readonly since: IsoTime | null;
  };
  /** The past month asked for, 'YYYY-MM'; null for now. */
  readonly month: string | null;
  /** The global windows, then those of each AI type that has limits of its own. */
  readonly windows: readonly WindowStatus[];
  readonly rates: readonly {
    readonly window: 'minute' | 'day';
    readonly requests: number;
    readonly limit: Limit;
  }[];
  readonly aiTypes: readonly AiTypeStatus[];
  /** The greatest estimate that passes now, in tokens; 0 when none does, null for a past month. */
  readonly largestAdmissible: number | null;
  /** Null for a past month, or where every limit is off. */
  readonly binding: Binding | null;
  readonly burnRate: {
    /** Tokens an hour; null when there is not enough data. */
    readonly lastHour: number | null;
    readonly lastDay: number | null;
    /** When the enforced monthly limit is reached at the day's rate (else the hour's); null if not this month. */
    readonly limitReachedAt: IsoTime | null;
  };
  /** When the newest row of the log was made; null in an empty log. */
  readonly lastLogAt: IsoTime | null;
  readonly limitsRevision: number;
  /** The problems of the limits. */
  readonly findings: readonly Finding[];
}

/** What a snapshot says, as the report that every screen, script and API shows. Pure. */
export function statusReport(
  snapshot: Snapshot,
  location: string,
  aiType: string | null = null,
): StatusReport {
  const { nowMs, limits: inForce, month: pastMonth } = snapshot;
  const { limits } = inForce;
  const windows = pastMonth === null ? windowsAt(nowMs) : monthOnly(pastMonth);
  const globalRow = findWindow(snapshot.windows, null, windows.month);
  const monthTokens = globalRow.used + globalRow.held;
  const scopes: [string | null, ScopeLimits | null][] = [
    [null, globalScopeLimits(limits)],
    ...Object.entries(limits.aiTypes).filter(([name]) => aiType === null || name === aiType),
  ];
  if (aiType !== null && ownLimits(limits, aiType) === null) scopes.push([aiType, null]);
  const kinds = pastMonth === null ? WINDOW_KINDS : (['month'] as const);
  const statuses = scopes.flatMap(([name, own]) =>
    kinds.map((kind) =>
      windowStatus(findWindow(snapshot.windows, name, windows[kind]), windows[kind], own),
    ),
  );
  const burn = burnRate(
    snapshot.hours.map((row) => ({
      startsAtMs: Date.parse(`${row.start}:00:00Z`),
      used: row.used,
    })),
    snapshot.sinceMs,
    nowMs,
  );
  const enforced = limits.enforcedMonthly;
  const limitReachedAtMs = reachedAt(
    enforced === null ? null : Math.max(0, enforced - monthTokens),
    burn.lastDay ?? burn.lastHour,
    nowMs,
    windows.month.resetsAtMs,
  );
  return {
    schemaVersion: 1,
    time: isoTime(nowMs),
    level: levelAt(monthTokens, limits),
    thresholds: {
      warningAt: limits.warningAt,
      criticalAt: limits.criticalAt,
      emergencyAt: limits.emergencyAt,
      criticalRequest: limits.criticalRequest,
    },
    database: {
      kind: snapshot.kind,
      location,
      since: snapshot.sinceMs === null ? null : isoTime(snapshot.sinceMs),
    },
    month: pastMonth,
    windows: statuses,
    rates: [
      {
        window: 'minute',
        requests: snapshot.requestsLastMinute,
        limit: limits.requestsPerMinute,
      },
      { window: 'day', requests: snapshot.requestsToday, limit: limits.requestsPerDay },
    ],
    aiTypes: aiTypeStatuses(snapshot, windows, monthTokens, aiType),
    largestAdmissible: snapshot.largestAdmissible,
    binding: pastMonth === null ? bindingOf(snapshot, statuses, aiType) : null,
    burnRate: {
      ...burn,
      limitReachedAt: limitReachedAtMs === null ? null : isoTime(limitReachedAtMs),
    },
    lastLogAt: snapshot.lastLogAtMs === null ? null : isoTime(snapshot.lastLogAtMs),
    limitsRevision: inForce.revision,
    findings: lintLimits(inForce.settings).filter((finding) => finding.severity === 'problem'),
  };
}

function monthOnly(month: string): Record<WindowKind, Window> {
  const window = windowAt('month', Date.parse(`${month}-01T00:00:00Z`));
  return { month: window, day: window, hour: window };
}

function findWindow(rows: readonly WindowRow[], aiType: string | null, window: Window): WindowRow {
  return (
    rows.find(
      (row) => row.aiType === aiType && row.kind === window.kind && row.start === window.start,
    ) ?? {
      aiType,
      kind: window.kind,
      start: window.start,
      tokensIn: 0,
      tokensOut: 0,
      used: 0,
      held: 0,
      requests: 0,
      requestsReset: 0,
      failed: 0,
      denied: 0,
      lastRequestAtMs: null,
    }
  );
}

function aiTypeStatuses(
  snapshot: Snapshot,
  { month, day }: Record<WindowKind, Window>,
  monthTokens: number,
  only: string | null,
): AiTypeStatus[] {
  const { limits } = snapshot.limits;
  return snapshot.windows
    .flatMap((row): AiTypeStatus[] => {
      if (row.aiType === null || row.kind !== 'month' || row.start !== month.start) return [];
      if (only !== null && row.aiType !== only) return [];
      const own = ownLimits(limits, row.aiType)?.monthly ?? null;
      const taken = row.used + row.held;
      const today = findWindow(snapshot.windows, row.aiType, day);
      return [
        {
          aiType: row.aiType,
          inputTokens: row.tokensIn,
          outputTokens: row.tokensOut,
          used: row.used,
          held: row.held,
          today: snapshot.month === null ? today.used + today.held : null,
          requests: row.requests + row.requestsReset,
          failed: row.failed,
          denied: row.denied,
          limit: own,
          percentOfGlobal: monthTokens === 0 ? 0 : (percentUsed(taken, monthTokens) ?? 0),
          lastRequestAt: row.lastRequestAtMs === null ? null : isoTime(row.lastRequestAtMs),
          status: usageStatus(taken, own ?? limits.enforcedMonthly, limits),
        },
      ];
    })
    .toSorted((a, b) => b.used + b.held - (a.used + a.held) || (a.aiType < b.aiType ? -1 : 1));
}

/** The label of an AI type's month, by the shares of its own limit or else of the enforced one. */
function usageStatus(
  tokens: number,
  limit: Limit,
  shares: { readonly warning: Limit; readonly critical: Limit },
): AiTypeStatus['status'] {
  if (limit === null) return 'active';
  const reaches = (percent: Limit): boolean =>
    percent !== null && tokens >= Math.ceil((limit * percent) / 100);
  if (tokens >= limit) return 'limit_reached';
  if (reaches(shares.critical)) return 'critical';
  return reaches(shares.warning) ? 'warning' : 'active';
}
