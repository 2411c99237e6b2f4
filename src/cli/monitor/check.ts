import type { App, MonitorCheck } from '../../app.ts';
import { channelsOf } from '../alert-channels.ts';
import type { Output } from '../output.ts';

export interface Checked extends MonitorCheck {
  /** When the next check must be at the latest, in ms; Infinity leaves it to the interval. */
  readonly lookAgainInMs: number;
}

/** One check: says what could not be told. Without an alert log it only looks. @throws ledger_unavailable */
export async function check(app: App, alertLog: string | null, output: Output): Promise<Checked> {
  const channels = alertLog === null ? null : await channelsOf(alertLog, output);
  const found = await app.watch(channels);
  for (const { channel, error, last } of found.failed) {
    const next = last ? 'it is given up' : 'it is tried again';
    output.warn(`an alert could not be told by the channel ${channel}: ${error}; ${next}`);
  }
  const { lookAgainAtMs, report } = found;
  const lookAgainInMs = lookAgainAtMs === null ? Infinity : lookAgainAtMs - Date.parse(report.time);
  return { ...found, lookAgainInMs };
}
