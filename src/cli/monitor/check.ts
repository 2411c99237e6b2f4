import type { FailedDelivery } from '../../alerts/deliver.ts';
import type { App, MonitorCheck } from '../../app.ts';
import type { AlertCare } from '../../ledger/alert-status.ts';
import type { Output } from '../output.ts';
import type { Alerting } from './alerting.ts';

export interface Checked extends MonitorCheck {
  /** Null without alerts. */
  readonly care: AlertCare | null;
  /** When the next check must be at the latest, in ms; Infinity leaves it to the interval. */
  readonly lookAgainInMs: number;
}

/** One check: says what could not be told. Without alerts it only looks. @throws ledger_unavailable */
export async function check(app: App, alerting: Alerting | null, output: Output): Promise<Checked> {
  const own = alerting === null ? null : await alerting.ownChannels(output);
  const found = await app.watch(own, alerting?.postman ?? null, alerting?.kinds);
  sayFailed(found.failed, output);
  const { lookAgainAtMs, report } = found;
  const lookAgainInMs = lookAgainAtMs === null ? Infinity : lookAgainAtMs - Date.parse(report.time);
  if (alerting === null) return { ...found, care: null, lookAgainInMs };
  const care = await app.alertCare();
  const { blindWatch } = alerting;
  blindWatch.saw(report, care.silence?.untilMs ?? null);
  const channels = [...(own ?? []), ...alerting.postman.channels];
  const settledInMs = await blindWatch.answered(app, report, channels);
  return { ...found, care, lookAgainInMs: Math.min(lookAgainInMs, settledInMs) };
}

/** Warns of what could not be told. */
export function sayFailed(failed: readonly FailedDelivery[], output: Output): void {
  for (const { channel, error, last } of failed) {
    const next = last ? 'it is given up: tokenctl alerts retry' : 'it is tried again';
    output.warn(`an alert could not be told by the channel ${channel}: ${error}; ${next}`);
  }
}
