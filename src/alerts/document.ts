import type { Level, Percent } from '../budget/levels.ts';
import type { Limit } from '../budget/limits.ts';
import { isoTime, type IsoTime, type WindowKind } from '../budget/windows.ts';
import { incidentOf, type Alert, type AlertContext, type AlertDetails } from '../ledger/alerts.ts';

/** An alert as webhooks and `alerts --json` have it. Amounts are tokens, at the moment it was raised. */
export interface AlertDocument {
  readonly id: string;
  /**
   * The same for all levels of one kind, scope and window, from the first that is raised to their end: what
   * opens and closes by a key takes this one. It is the id of the alert that opened it.
   */
  readonly incident: string;
  readonly kind: Alert['kind'];
  readonly level: Exclude<Level, 'ok'>;
  readonly state: Alert['state'];
  readonly message: string;
  /** `global`, or an AI type. */
  readonly scope: string;
  readonly window: {
    readonly kind: WindowKind;
    readonly start: string;
    readonly resetsAt: IsoTime;
  };
  readonly used: number;
  readonly held: number;
  /** Null where the window has none. */
  readonly limit: Limit;
  /** Used + held of the limit. */
  readonly percent: Percent | null;
  /** From how many tokens on it is raised; null for a kind that does not count tokens. */
  readonly threshold: number | null;
  /** What its kind measured beside; null for a kind that does not. */
  readonly details: AlertDetails | null;
  /** Over the last day or, where there is less data, the last hour; null without enough. */
  readonly tokensPerHour: number | null;
  /** When the limit is reached at that rate; null if not before the window ends. */
  readonly limitReachedAt: IsoTime | null;
  /** The AI types that used and hold the most, the greatest first. */
  readonly topAiTypes: AlertContext['topAiTypes'];
  /** What happens to requests; null in what an older version raised. */
  readonly effect: string | null;
  /** The next command to run. */
  readonly command: string;
  readonly raisedAt: IsoTime | null;
  readonly resolvedAt: IsoTime | null;
  /** The counts when it was over; null before. */
  readonly atEnd: {
    readonly used: number;
    readonly held: number;
    readonly limit: Limit;
    readonly percent: Percent | null;
  } | null;
  /** Why it was over, in words; null before, and in what an older version resolved. */
  readonly overBecause: string | null;
  /** The lower level that its incident stays at when this one is over; null when it is wholly over. */
  readonly goesOnAt: Exclude<Level, 'ok'> | null;
}

export function alertDocument(alert: Alert): AlertDocument {
  const { data, windowKind, windowStart, raisedAtMs, resolvedAtMs } = alert;
  const { used, held, limit, percent, threshold, resetsAt, context, atEnd } = data;
  const { id, kind, level, state, message } = alert;
  return {
    ...{ id, incident: incidentOf(alert), kind, level, state, message },
    scope: alert.aiType ?? 'global',
    window: { kind: windowKind, start: windowStart, resetsAt },
    ...{ used, held, limit, percent, threshold },
    details: data.details ?? null,
    tokensPerHour: context?.tokensPerHour ?? null,
    limitReachedAt: context?.limitReachedAt ?? null,
    topAiTypes: context?.topAiTypes ?? [],
    effect: context?.effect ?? null,
    command: context?.command ?? 'tokenctl status',
    raisedAt: raisedAtMs === null ? null : isoTime(raisedAtMs),
    resolvedAt: resolvedAtMs === null ? null : isoTime(resolvedAtMs),
    atEnd: atEnd ?? null,
    overBecause: data.overBecause ?? null,
    goesOnAt: data.goesOnAt ?? null,
  };
}
