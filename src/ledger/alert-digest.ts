import {
  ALERT_COLUMNS,
  incidentOf,
  takeDelivery,
  toAlert,
  type Delivery,
  type SqlDelivery,
  type TryPauses,
} from './alerts.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** Deliveries of the outbox that are told together. Emergencies are none of them: they go at once. */

/** Deliveries of one digest, at most; what is left makes the next one. */
const MOST = 500;

interface SqlWaiting extends SqlDelivery {
  next_try_at_ms: number;
}

const WAITING = {
  name: 'waiting_for_digest',
  sql: `SELECT ${ALERT_COLUMNS}, event, channel, tries, next_try_at_ms
    FROM alert_deliveries JOIN alerts ON alerts.id = alert_id
    WHERE alert_deliveries.state = 'waiting' AND channel = @channel AND level <> 'emergency'
    ORDER BY seen_at_ms, id, event LIMIT @limit`,
} satisfies PlainStatement;

/**
 * Takes what is told together: what was tried together before and is due again, unchanged, so that its
 * receiver knows it; else all that is new, once the oldest of it has waited.
 * @param waitMs how old the oldest must be
 * @returns the oldest alert first; empty when nothing is due
 */
export function* takeDigest(
  ops: Operations,
  channel: string,
  waitMs: number,
  pauses: TryPauses,
): Step<Delivery[]> {
  const { nowMs } = ops;
  const rows = yield* step(ops.query<SqlWaiting>(WAITING, { channel, limit: MOST }));
  const group = triedBefore(rows, nowMs, pauses.longestMs) ?? fresh(rows, nowMs, waitMs);
  const [first] = group;
  if (first === undefined) return [];
  const nextTryAtMs = nowMs + pauses.after(first.tries + 1);
  const taken: Delivery[] = [];
  for (const row of group) taken.push(yield* takeDelivery(ops, row, nextTryAtMs));
  return taken;
}

/** The same number of tries and the same time of the next one: that is how they were taken. */
function triedBefore(
  rows: readonly SqlWaiting[],
  nowMs: number,
  longestMs: number,
): readonly SqlWaiting[] | null {
  const due = rows.find(
    ({ tries, next_try_at_ms: at }) => tries > 0 && (at <= nowMs || at > nowMs + longestMs),
  );
  if (due === undefined) return null;
  return rows.filter((row) => row.tries === due.tries && row.next_try_at_ms === due.next_try_at_ms);
}

/** That an incident is over waits while that it began is tried again. */
function fresh(rows: readonly SqlWaiting[], nowMs: number, waitMs: number): readonly SqlWaiting[] {
  const begins = rows.filter(({ event, tries }) => event === 'raised' && tries > 0);
  const tried = new Set(begins.map(incidentIn));
  const all = rows.filter(
    (row) => row.tries === 0 && (row.event === 'raised' || !tried.has(incidentIn(row))),
  );
  const isOld = (atMs: number): boolean => nowMs - atMs >= waitMs || atMs > nowMs;
  return all.some((row) => isOld(happenedAt(row))) ? all : [];
}

function incidentIn(row: SqlWaiting): string {
  return incidentOf(toAlert(row));
}

function happenedAt({ event, raised_at_ms: raised, resolved_at_ms: resolved }: SqlWaiting): number {
  return (event === 'raised' ? raised : resolved) ?? 0;
}
