import { insertAlert, postDelivery, type Alert } from './alerts.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** Alerts that were told while the ledger was away, kept when it is back. */

/** That one was raised has been told by this channel. */
export interface Told {
  readonly channel: string;
  readonly tries: number;
  readonly atMs: number;
}

const TOLD: PlainStatement = {
  name: 'told_delivery',
  sql: `INSERT INTO alert_deliveries (alert_id, event, channel, state, tries, next_try_at_ms, delivered_at_ms)
    VALUES (@id, 'raised', @channel, 'delivered', @tries, @atMs, @atMs)`,
};

/** Keeps one that is over, with what was told of it; that it is over goes by the outbox to these channels. */
export function* keepTold(
  ops: Operations,
  alert: Alert,
  told: readonly Told[],
  tellEnd: readonly string[],
): Step<void> {
  yield* insertAlert(ops, alert);
  for (const each of told) yield* step(ops.query(TOLD, { id: alert.id, ...each }));
  for (const channel of tellEnd) yield* postDelivery(ops, alert, 'resolved', channel);
}
