import { invalidInput, TokenctlError } from '../budget/errors.ts';
import { ALERT_COLUMNS, toAlert, type Alert, type AlertEvent, type SqlAlert } from './alerts.ts';
import type { Silence } from './alert-status.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** What an operator does with alerts: looks at them and their deliveries, takes one over, silences. */

/** A row of the outbox. */
export interface DeliveryRow {
  readonly alertId: string;
  readonly event: AlertEvent;
  readonly channel: string;
  /** dead: refused for good, or tried too often. dropped: the alert was acknowledged before it was told. */
  readonly state: 'waiting' | 'delivered' | 'dead' | 'dropped';
  readonly tries: number;
  readonly nextTryAtMs: number;
  readonly lastError: string | null;
  readonly deliveredAtMs: number | null;
}

/** An alert that was raised, and what became of it. */
export interface CaredAlert extends Alert {
  /** When someone said that they take care of it, and who. */
  readonly ackedAtMs: number | null;
  readonly ackedBy: string | null;
  readonly deliveries: readonly DeliveryRow[];
}

export interface SilenceRequest extends Pick<Silence, 'reason' | 'actor'> {
  readonly id: string;
  readonly forMs: number;
}

export interface AlertsReport {
  readonly nowMs: number;
  /** The newest first. */
  readonly alerts: readonly CaredAlert[];
  /** Null when none lasts. */
  readonly silence: Silence | null;
}

export interface AlertsQuery {
  /** The most that are listed; 50 usually. */
  readonly limit: number;
  /** Only those that are raised now; all usually. */
  readonly openOnly: boolean;
}

interface SqlCared extends SqlAlert {
  acked_at_ms: number | null;
  acked_by: string | null;
}

interface SqlDeliveryRow {
  alert_id: string;
  event: AlertEvent;
  channel: string;
  state: DeliveryRow['state'];
  tries: number;
  next_try_at_ms: number;
  last_error: string | null;
  delivered_at_ms: number | null;
}

interface SqlSilence {
  from_ms: number;
  until_ms: number;
  reason: string;
  actor: string | null;
}

const CARED = `${ALERT_COLUMNS}, acked_at_ms, acked_by`;

const SQL = {
  newest: {
    name: 'cared_alerts',
    sql: `SELECT ${CARED} FROM alerts WHERE state <> 'pending' AND (state = 'raised' OR @openOnly = 0)
      ORDER BY raised_at_ms DESC, id DESC LIMIT @limit`,
  },
  named: {
    name: 'named_alerts',
    sql: `SELECT ${CARED} FROM alerts WHERE state <> 'pending' AND id LIKE @pattern ORDER BY id DESC LIMIT 2`,
  },
  deliveries: {
    name: 'deliveries_of',
    sql: `SELECT alert_id, event, channel, state, tries, next_try_at_ms, last_error, delivered_at_ms
      FROM alert_deliveries WHERE alert_id = @id ORDER BY event, channel`,
  },
  ack: {
    name: 'ack_alert',
    sql: 'UPDATE alerts SET acked_at_ms = @now, acked_by = @actor WHERE id = @id AND acked_at_ms IS NULL',
  },
  drop: {
    name: 'drop_deliveries',
    sql: `UPDATE alert_deliveries SET state = 'dropped'
      WHERE alert_id = @id AND (state = 'dead' OR (state = 'waiting' AND event = 'raised'))`,
  },
  dead: {
    name: 'dead_deliveries',
    sql: `SELECT alert_id, event, channel, state, tries, next_try_at_ms, last_error, delivered_at_ms
      FROM alert_deliveries WHERE state = 'dead' ORDER BY alert_id, event, channel`,
  },
  retry: {
    name: 'retry_delivery',
    sql: `UPDATE alert_deliveries SET state = 'waiting', tries = 0, next_try_at_ms = @now
      WHERE alert_id = @id AND event = @event AND channel = @channel`,
  },
  silence: {
    name: 'silence_now',
    sql: `SELECT from_ms, until_ms, reason, actor FROM alert_silences
      WHERE from_ms <= @now AND until_ms > @now ORDER BY until_ms DESC LIMIT 1`,
  },
  addSilence: {
    name: 'add_silence',
    sql: `INSERT INTO alert_silences (id, from_ms, until_ms, reason, actor)
      VALUES (@id, @fromMs, @untilMs, @reason, @actor)`,
  },
  endSilence: {
    name: 'end_silence',
    sql: 'UPDATE alert_silences SET until_ms = @now WHERE until_ms > @now',
  },
} satisfies Record<string, PlainStatement>;

/** The newest alerts with their deliveries, and the silence that lasts. */
export function* readAlerts(
  ops: Operations,
  { limit = 50, openOnly = false }: Partial<AlertsQuery>,
): Step<AlertsReport> {
  const asked = { limit, openOnly: openOnly ? 1 : 0 };
  const rows = yield* step(ops.query<SqlCared>(SQL.newest, asked));
  const alerts: CaredAlert[] = [];
  for (const row of rows) alerts.push(yield* withDeliveries(ops, row));
  return { nowMs: ops.nowMs, alerts, silence: yield* silenceNow(ops) };
}

/**
 * Says that someone takes care of an alert: that it was raised is not told any more where it was not
 * yet, and its dead deliveries are done with. Done again it changes nothing.
 * @throws alert_not_found, invalid_input where several alerts end so
 */
export function* ackAlert(ops: Operations, named: string, actor: string | null): Step<CaredAlert> {
  const { id } = yield* findAlert(ops, named);
  yield* step(ops.query(SQL.ack, { id, now: ops.nowMs, actor }));
  yield* step(ops.query(SQL.drop, { id }));
  return yield* withDeliveries(ops, yield* findAlert(ops, id));
}

/** Lets the dead deliveries of an alert, or of all, be tried again as if they were new. @throws alert_not_found */
export function* retryDeliveries(ops: Operations, named: string | null): Step<DeliveryRow[]> {
  const only = named === null ? null : (yield* findAlert(ops, named)).id;
  const dead = (yield* step(ops.query<SqlDeliveryRow>(SQL.dead, {})))
    .map(toDelivery)
    .filter(({ alertId }) => only === null || alertId === only);
  for (const { alertId: id, event, channel } of dead) {
    yield* step(ops.query(SQL.retry, { id, event, channel, now: ops.nowMs }));
  }
  return dead;
}

/** Begins a silence, in place of one that lasts. */
export function* silenceAlerts(
  ops: Operations,
  { id, forMs, reason, actor }: SilenceRequest,
): Step<Silence> {
  yield* endSilence(ops);
  const silence = { fromMs: ops.nowMs, untilMs: ops.nowMs + forMs, reason, actor };
  yield* step(ops.query(SQL.addSilence, { id, ...silence }));
  return silence;
}

/** Ends the silence that lasts; null where there is none. */
export function* endSilence(ops: Operations): Step<Silence | null> {
  const silence = yield* silenceNow(ops);
  if (silence !== null) yield* step(ops.query(SQL.endSilence, { now: ops.nowMs }));
  return silence;
}

export function* isSilent(ops: Operations): Step<boolean> {
  return (yield* silenceNow(ops)) !== null;
}

function* silenceNow(ops: Operations): Step<Silence | null> {
  const [row] = yield* step(ops.query<SqlSilence>(SQL.silence, { now: ops.nowMs }));
  if (row === undefined) return null;
  const { from_ms: fromMs, until_ms: untilMs, reason, actor } = row;
  return { fromMs, untilMs, reason, actor };
}

/** The alert whose id is, or ends with, what was written. */
function* findAlert(ops: Operations, named: string): Step<SqlCared> {
  const text = named.trim().toLowerCase();
  if (!/^[0-9a-f-]{4,36}$/.test(text)) {
    throw invalidInput('ID', 'must be the id of an alert, or its last 4 characters or more', LIST);
  }
  const [found, another] = yield* step(ops.query<SqlCared>(SQL.named, { pattern: `%${text}` }));
  if (found === undefined) {
    throw new TokenctlError('alert_not_found', `there is no alert ${text}`, { fix: LIST });
  }
  if (another !== undefined) {
    throw invalidInput('ID', `several alerts end with ${text}`, `write more of it: ${LIST}`);
  }
  return found;
}

const LIST = 'tokenctl alerts';

function* withDeliveries(ops: Operations, row: SqlCared): Step<CaredAlert> {
  const rows = yield* step(ops.query<SqlDeliveryRow>(SQL.deliveries, { id: row.id }));
  return {
    ...toAlert(row),
    ackedAtMs: row.acked_at_ms,
    ackedBy: row.acked_by,
    deliveries: rows.map(toDelivery),
  };
}

function toDelivery(row: SqlDeliveryRow): DeliveryRow {
  return {
    alertId: row.alert_id,
    event: row.event,
    channel: row.channel,
    state: row.state,
    tries: row.tries,
    nextTryAtMs: row.next_try_at_ms,
    lastError: row.last_error,
    deliveredAtMs: row.delivered_at_ms,
  };
}
