import { isoTime } from '../budget/windows.ts';
import type { AlertsReport, CaredAlert, DeliveryRow } from '../ledger/alert-care.ts';
import type { Silence } from '../ledger/alert-status.ts';
import { alertDocument, type AlertDocument } from './document.ts';

/** What an operator's looks at alerts give, in the shape that JSON and HTTP have. */

interface DeliveryDocument {
  /** What it tells: raised or resolved. */
  readonly event: DeliveryRow['event'];
  readonly channel: string;
  /** dead: refused for good, or tried too often. dropped: acknowledged before it was told. */
  readonly state: DeliveryRow['state'];
  readonly tries: number;
  /** Null unless it waits. */
  readonly nextTryAt: string | null;
  /** Of the last try; null where that went well, or there was none. */
  readonly lastError: string | null;
  readonly deliveredAt: string | null;
}

/** What `alerts ack --json` prints. */
export interface CaredAlertDocument extends AlertDocument {
  readonly ackedAt: string | null;
  readonly ackedBy: string | null;
  readonly deliveries: readonly DeliveryDocument[];
}

export interface SilenceEntry {
  readonly from: string;
  readonly until: string;
  readonly reason: string;
  readonly by: string | null;
}

/** What `alerts --json` prints. */
export interface AlertsDocument {
  /** The newest first, as many as were asked for. */
  readonly alerts: readonly CaredAlertDocument[];
  /** Null when none lasts. */
  readonly silence: SilenceEntry | null;
}

/** What `alerts retry --json` prints. */
export interface RetryDocument {
  /** What waits again. */
  readonly deliveries: readonly {
    readonly alertId: string;
    readonly event: DeliveryRow['event'];
    readonly channel: string;
  }[];
}

/** What `alerts silence --json` prints. */
export interface SilenceDocument {
  /** Whether a silence lasts now. */
  readonly silent: boolean;
  /** The one that began, or that was ended; null where there was none to end. */
  readonly silence: SilenceEntry | null;
}

export function alertsDocument({ alerts, silence }: AlertsReport): AlertsDocument {
  return { alerts: alerts.map(caredDocument), silence: silenceEntry(silence) };
}

export function caredDocument(alert: CaredAlert): CaredAlertDocument {
  return {
    ...alertDocument(alert),
    ackedAt: timeOf(alert.ackedAtMs),
    ackedBy: alert.ackedBy,
    deliveries: alert.deliveries.map((row) => ({
      ...{ event: row.event, channel: row.channel, state: row.state, tries: row.tries },
      nextTryAt: row.state === 'waiting' ? isoTime(row.nextTryAtMs) : null,
      lastError: row.lastError,
      deliveredAt: timeOf(row.deliveredAtMs),
    })),
  };
}

export function retryDocument(retried: readonly DeliveryRow[]): RetryDocument {
  return {
    deliveries: retried.map(({ alertId, event, channel }) => ({ alertId, event, channel })),
  };
}

export function silenceDocument(silence: Silence | null, silent: boolean): SilenceDocument {
  return { silent, silence: silenceEntry(silence) };
}

export function silenceEntry(silence: Silence | null): SilenceEntry | null {
  if (silence === null) return null;
  const { fromMs, untilMs, reason, actor: by } = silence;
  return { from: isoTime(fromMs), until: isoTime(untilMs), reason, by };
}

function timeOf(atMs: number | null): string | null {
  return atMs === null ? null : isoTime(atMs);
}
