import type { AlertKind } from '../budget/alert-kinds.ts';
import type { Level, Percent } from '../budget/levels.ts';
import type { Limit } from '../budget/limits.ts';
import type { Window, WindowKind } from '../budget/windows.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';
import { fromScope, scopeOf } from './values.ts';

/** The tables `alerts` and `alert_deliveries`: what was raised, and the outbox of its deliveries. */

export type AlertLevel = Exclude<Level, 'ok'>;
/**
 * pending: reached by holds alone, which must last before it is raised. raised until it is resolved,
 * which arms it again.
 */
type AlertState = 'pending' | 'raised' | 'resolved';
/** What a delivery tells: that it was raised, or that it is over. */
export type AlertEvent = 'raised' | 'resolved';

/** What else an alert of some kinds measured, in tokens or requests, when it was raised. */
export type AlertDetails =
  /** How many of the hour's requests were denied. */
  | {
      readonly denied: number;
      /** Those that were asked for, the denied ones included. */
      readonly requests: number;
      /** The rule that denied the most, in words; null where that is not known. */
      readonly mostBy: string | null;
    }
  /** An hour that is not as usual. */
  | {
      /** Tokens that the hour used. */
      readonly tokensThisHour: number;
      /** Tokens that hours usually use at most (budget/usual-rate.ts). */
      readonly usual: number;
    }
  /** A month that will be too small. */
  | {
      /** Tokens that it will have used when it ends. */
      readonly projected: number;
    }
  /** Nothing is logged. */
  | {
      /** When the newest log was made, ISO 8601. */
      readonly silentSince: string;
    };

/** The numbers of an alert's window at the moment that it was seen or raised, in tokens. */
export interface AlertData {
  readonly used: number;
  readonly held: number;
  /** Null where the window has none. */
  readonly limit: Limit;
  /** used + held of the limit. */
  readonly percent: Percent | null;
  /** From where on it is raised, in tokens; null for a kind that does not count tokens. */
  readonly threshold: number | null;
  /** The newest reset of the window; 0 when there was none. */
  readonly newestReset: number;
  /** When the window ends, ISO 8601. */
  readonly resetsAt: string;
  /** The id of the alert that opened its incident; absent where it did so itself. */
  readonly incident?: string;
  /** Of the kinds that measure more. */
  readonly details?: AlertDetails;
  /** What else a reader wants to know; absent in what an older version raised. */
  readonly context?: AlertContext;
  /** The same counts when it was over; absent before, and in what an older version resolved. */
  readonly atEnd?: Pick<AlertData, 'used' | 'held' | 'limit' | 'percent'>;
  /** Why it was over, in words: 'the day has ended'; absent as `atEnd` is. */
  readonly overBecause?: string;
  /** The level that its incident stays at when this one is over; null or absent when it is wholly over. */
  readonly goesOnAt?: AlertLevel | null;
}

/** What surrounds the numbers of an alert, when it was raised. */
export interface AlertContext {
  /** Tokens an hour, over the last day or, where there is less data, the last hour; null without enough. */
  readonly tokensPerHour: number | null;
  /** When the limit is reached at that rate, ISO 8601; null if not before the window ends. */
  readonly limitReachedAt: string | null;
  /** The AI types that used and hold the most tokens of the month, the greatest first. */
  readonly topAiTypes: readonly {
    readonly aiType: string;
    readonly tokens: number;
    /** Of all tokens of the month. */
    readonly percent: number;
  }[];
  /** What happens to requests now. */
  readonly effect: string;
  /** The next command to run. */
  readonly command: string;
}

export interface Alert {
  readonly id: string;
  /** `test` is in no database. */
  readonly kind: AlertKind | 'test';
  readonly level: AlertLevel;
  /** Whose window it is; null is the global scope. */
  readonly aiType: string | null;
  readonly windowKind: WindowKind;
  readonly windowStart: string;
  readonly state: AlertState;
  readonly message: string;
  readonly data: AlertData;
  readonly seenAtMs: number;
  readonly raisedAtMs: number | null;
  readonly resolvedAtMs: number | null;
}

/** The newest reset of a window. */
export interface NewestReset {
  readonly aiType: string | null;
  readonly kind: WindowKind;
  readonly id: number;
}

/** The same for all levels of one kind, scope and window, from the first that is raised to their end. */
export function incidentOf({ id, data }: Alert): string {
  return data.incident ?? id;
}

/** A delivery that was taken to be tried now. */
export interface Delivery {
  readonly alert: Alert;
  readonly event: AlertEvent;
  readonly channel: string;
  /** Which try this is, from 1. */
  readonly tries: number;
  /** When it is tried again, unless it is ended before. */
  readonly nextTryAtMs: number;
}

/** A try that failed. */
export interface DeliveryFailure {
  readonly error: string;
  /** It won't be tried again. */
  readonly last: boolean;
  /** When it may be tried again at the earliest; null leaves it to when it was taken. */
  readonly notBeforeMs: number | null;
}

export interface SqlAlert {
  id: string;
  kind: AlertKind;
  level: AlertLevel;
  scope_kind: string;
  scope_name: string;
  window_kind: WindowKind;
  window_start: string;
  state: AlertState;
  message: string;
  data: string;
  seen_at_ms: number;
  raised_at_ms: number | null;
  resolved_at_ms: number | null;
}

export interface SqlDelivery extends SqlAlert {
  event: AlertEvent;
  channel: string;
  tries: number;
}

interface SqlReset {
  scope_kind: string;
  scope_name: string;
  window_kind: WindowKind;
  id: number;
}

export const ALERT_COLUMNS = `id, kind, level, scope_kind, scope_name, window_kind, window_start, alerts.state, message, data,
  seen_at_ms, raised_at_ms, resolved_at_ms`;

/** `begun` is an alert of the incident of `alerts`, raised no later. */
const SAME_INCIDENT = `begun.kind = alerts.kind AND begun.scope_kind = alerts.scope_kind
  AND begun.scope_name = alerts.scope_name AND begun.window_kind = alerts.window_kind
  AND begun.window_start = alerts.window_start AND (begun.seen_at_ms, begun.id) <= (alerts.seen_at_ms, alerts.id)`;

const SQL = {
  open: {
    name: 'open_alerts',
    sql: `SELECT ${ALERT_COLUMNS} FROM alerts WHERE state IN ('pending', 'raised') ORDER BY seen_at_ms, id`,
  },
  newest: {
    name: 'newest_alerts',
    sql: `SELECT ${ALERT_COLUMNS} FROM alerts WHERE state <> 'pending' ORDER BY seen_at_ms DESC, id DESC LIMIT @limit`,
  },
  insert: {
    name: 'insert_alert',
    sql: `INSERT INTO alerts (id, kind, level, scope_kind, scope_name, window_kind, window_start, state, message,
        data, seen_at_ms, raised_at_ms, resolved_at_ms)
      VALUES (@id, @kind, @level, @scopeKind, @scopeName, @windowKind, @windowStart, @state, @message, @data,
        @seenAtMs, @raisedAtMs, @resolvedAtMs)`,
  },
  update: {
    name: 'update_alert',
    sql: `UPDATE alerts SET state = @state, message = @message, data = @data, raised_at_ms = @raisedAtMs,
      resolved_at_ms = @resolvedAtMs WHERE id = @id`,
  },
  remove: { name: 'remove_alert', sql: 'DELETE FROM alerts WHERE id = @id' },
  over: {
    name: 'over_alerts',
    sql: `SELECT ${ALERT_COLUMNS} FROM alerts WHERE seen_at_ms >= @since AND state = 'resolved'
      AND window_start IN (@month, @day, @hour) ORDER BY seen_at_ms, id`,
  },
  newestResets: {
    name: 'newest_resets',
    sql: `SELECT scope_kind, scope_name, window_kind, max(reset_id) AS id FROM usage_adjustments
      WHERE window_start IN (@month, @day, @hour) AND kind = 'reset'
      GROUP BY scope_kind, scope_name, window_kind`,
  },
  post: {
    name: 'post_delivery',
    sql: `INSERT INTO alert_deliveries (alert_id, event, channel, next_try_at_ms) VALUES (@id, @event, @channel, @at)`,
  },
  due: {
    name: 'due_deliveries',
    sql: `SELECT ${ALERT_COLUMNS}, event, channel, tries FROM alert_deliveries JOIN alerts ON alerts.id = alert_id
      WHERE alert_deliveries.state = 'waiting' AND channel = @channel
        AND (next_try_at_ms <= @now OR next_try_at_ms > @latest)
        AND (level = 'emergency' OR @urgentOnly = 0)
        AND (event = 'raised' OR NOT EXISTS (
          SELECT 1 FROM alert_deliveries AS earlier JOIN alerts AS begun ON begun.id = earlier.alert_id
          WHERE earlier.state = 'waiting' AND earlier.event = 'raised' AND earlier.channel = alert_deliveries.channel
            AND (begun.level = 'emergency' OR @urgentOnly = 0) AND ${SAME_INCIDENT}))
      ORDER BY next_try_at_ms, seen_at_ms, id LIMIT @limit`,
  },
  dueChannels: {
    name: 'due_channels',
    sql: `SELECT DISTINCT channel FROM alert_deliveries WHERE state = 'waiting' AND (next_try_at_ms <= @now OR next_try_at_ms > @latest)`,
  },
  take: {
    name: 'take_delivery',
    sql: `UPDATE alert_deliveries SET tries = tries + 1, next_try_at_ms = @nextTryAtMs
      WHERE alert_id = @id AND event = @event AND channel = @channel`,
  },
  end: {
    name: 'end_delivery',
    sql: `UPDATE alert_deliveries SET state = @state, last_error = @error, delivered_at_ms = @deliveredAtMs,
        next_try_at_ms = @nextTryAtMs
      WHERE alert_id = @id AND event = @event AND channel = @channel`,
  },
  dropOver: {
    name: 'drop_over_deliveries',
    sql: `UPDATE alert_deliveries SET state = 'dropped'
      WHERE channel = @channel AND event = 'raised' AND state = 'waiting' AND alert_id IN (
        SELECT begun.id FROM alerts AS begun, alerts
        WHERE alerts.id = @id AND begun.state = 'resolved' AND ${SAME_INCIDENT})`,
  },
} satisfies Record<string, PlainStatement>;

/** What is pending or raised, the oldest first. */
export function* openAlerts(ops: Operations): Step<Alert[]> {
  return (yield* step(ops.query<SqlAlert>(SQL.open, {}))).map(toAlert);
}

/** The newest that were raised, the newest first. */
export function* newestAlerts(ops: Operations, limit: number): Step<Alert[]> {
  return (yield* step(ops.query<SqlAlert>(SQL.newest, { limit }))).map(toAlert);
}

/** The current month, day and hour. */
type Windows = Readonly<Record<WindowKind, Window>>;

const startsOf = ({ month, day, hour }: Windows) => ({
  ...{ month: month.start, day: day.start, hour: hour.start },
});

/** What was over in windows that still last, the oldest first. */
export function* overAlerts(ops: Operations, windows: Windows): Step<Alert[]> {
  // Nothing is raised before its window begins, so the index of times finds them.
  const since = windows.month.startsAtMs;
  const rows = yield* step(ops.query<SqlAlert>(SQL.over, { ...startsOf(windows), since }));
  return rows.map(toAlert);
}

/** Of the windows that were reset. */
export function* newestResets(ops: Operations, windows: Windows): Step<NewestReset[]> {
  const rows = yield* step(ops.query<SqlReset>(SQL.newestResets, startsOf(windows)));
  return rows.map(({ scope_kind, scope_name, window_kind: kind, id }) => ({
    ...{ aiType: fromScope(scope_kind, scope_name), kind, id },
  }));
}

export function* insertAlert(ops: Operations, alert: Alert): Step<void> {
  const [scopeKind, scopeName] = scopeOf(alert.aiType);
  const { id, kind, level, windowKind, windowStart, seenAtMs } = alert;
  const values = { ...changing(alert), id, kind, level, windowKind, windowStart, seenAtMs };
  yield* step(ops.query(SQL.insert, { ...values, scopeKind, scopeName }));
}

/** Sets what may change: state, message, numbers and times. */
export function* updateAlert(ops: Operations, alert: Alert): Step<void> {
  yield* step(ops.query(SQL.update, { ...changing(alert), id: alert.id }));
}

export function* removeAlert(ops: Operations, id: string): Step<void> {
  yield* step(ops.query(SQL.remove, { id }));
}

/** Puts a delivery into the outbox, to be tried at once. */
export function* postDelivery(
  ops: Operations,
  alert: Alert,
  event: AlertEvent,
  channel: string,
): Step<void> {
  yield* step(ops.query(SQL.post, { id: alert.id, event, channel, at: ops.nowMs }));
}

/** How long a delivery waits for its next try, in ms. */
export interface TryPauses {
  readonly after: (tries: number) => number;
  /** No pause is longer. What waits longer was planned by a clock that has gone back since. */
  readonly longestMs: number;
}

/** The channels for which something is due. @param longestMs as in TryPauses */
export function* dueChannels(ops: Operations, longestMs: number): Step<string[]> {
  const asked = { now: ops.nowMs, latest: ops.nowMs + longestMs };
  const rows = yield* step(ops.query<{ channel: string }>(SQL.dueChannels, asked));
  return rows.map(({ channel }) => channel);
}

/**
 * Takes what is due for a channel, the oldest first; that an alert is over only after it was told. Until
 * its next try nobody else takes it; then it is due again, unless it was ended.
 * @param urgentOnly leaves all but emergencies where they are
 */
export function* takeDeliveries(
  ops: Operations,
  channel: string,
  limit: number,
  pauses: TryPauses,
  urgentOnly = false,
): Step<Delivery[]> {
  const { nowMs: now } = ops;
  const latest = now + pauses.longestMs;
  const asked = { now, latest, channel, limit, urgentOnly: urgentOnly ? 1 : 0 };
  const rows = yield* step(ops.query<SqlDelivery>(SQL.due, asked));
  const taken: Delivery[] = [];
  for (const row of rows) {
    taken.push(yield* takeDelivery(ops, row, now + pauses.after(row.tries + 1)));
  }
  return taken;
}

/** Takes one. @param nextTryAtMs when it is due again unless it is ended before */
export function* takeDelivery(
  ops: Operations,
  row: SqlDelivery,
  nextTryAtMs: number,
): Step<Delivery> {
  const { id, event, channel } = row;
  yield* step(ops.query(SQL.take, { id, event, channel, nextTryAtMs }));
  return { alert: toAlert(row), event, channel, tries: row.tries + 1, nextTryAtMs };
}

/** Ends a try: null is a success; an error leaves it to be tried again unless it was the last. */
export function* endDelivery(
  ops: Operations,
  { alert, event, channel, nextTryAtMs }: Delivery,
  failure: DeliveryFailure | null,
): Step<void> {
  const state = failure === null ? 'delivered' : failure.last ? 'dead' : 'waiting';
  const values = {
    ...{ id: alert.id, event, channel, state },
    error: failure?.error ?? null,
    deliveredAtMs: failure === null ? ops.nowMs : null,
    nextTryAtMs: Math.max(nextTryAtMs, failure?.notBeforeMs ?? 0),
  };
  yield* step(ops.query(SQL.end, values));
  // Of an incident whose end was told nothing may begin any more: what quiet hours held back below it.
  if (event === 'resolved' && failure === null) {
    yield* step(ops.query(SQL.dropOver, { id: alert.id, channel }));
  }
}

function changing({ state, message, data, raisedAtMs, resolvedAtMs }: Alert) {
  return { state, message, data: JSON.stringify(data), raisedAtMs, resolvedAtMs };
}

export function toAlert(row: SqlAlert): Alert {
  return {
    id: row.id,
    kind: row.kind,
    level: row.level,
    aiType: fromScope(row.scope_kind, row.scope_name),
    windowKind: row.window_kind,
    windowStart: row.window_start,
    state: row.state,
    message: row.message,
    data: JSON.parse(row.data) as AlertData,
    seenAtMs: row.seen_at_ms,
    raisedAtMs: row.raised_at_ms,
    resolvedAtMs: row.resolved_at_ms,
  };
}
