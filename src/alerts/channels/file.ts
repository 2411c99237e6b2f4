import { percentUsed } from '../../budget/levels.ts';
import { isoTime, type WindowKind } from '../../budget/windows.ts';
import type { Alert, AlertEvent, AlertLevel } from '../../ledger/alerts.ts';
import { appendLine } from '../../platform/append-line.ts';
import type { Channel } from '../channel.ts';

/** A line of `token_usage_alerts.json`. Tokens are used + held of the window. */
interface AlertLine {
  readonly level: 'WARNING' | 'CRITICAL' | 'EMERGENCY' | 'RESOLVED';
  readonly message: string;
  readonly data: {
    /** Whether the emergency stop is reached, and the levels below it; all are false once it is over. */
    readonly emergency_shutdown: boolean;
    readonly critical_level: boolean;
    readonly warning_level: boolean;
    /** 0 where its window has no limit, as `remaining_tokens`. */
    readonly usage_percentage: number;
    readonly total_tokens: number;
    readonly remaining_tokens: number;
    readonly timestamp: string;
    readonly id: string;
    readonly kind: Alert['kind'];
    /** What was raised, or is over. */
    readonly alert_level: AlertLevel;
    /** `global`, or an AI type. */
    readonly scope: string;
    readonly window_kind: WindowKind;
    readonly window_start: string;
  };
  readonly timestamp: string;
}

/** Files that are put aside when the log is long: `token_usage_alerts.1.json` is the newest. */
const KEPT = 3;

/**
 * Appends a line of JSON for what is raised and what is over, durable before it counts as told.
 * @param maxBytes a line that would make the file longer begins a new one
 */
export function fileChannel(path: string, maxBytes = Infinity): Channel {
  return {
    name: 'file',
    events: ['raised', 'resolved'],
    send: async (alert, event) => {
      const line = JSON.stringify(alertLine(alert, event));
      await appendLine(path, line, { maxBytes, kept: KEPT });
    },
  };
}

function alertLine(alert: Alert, event: AlertEvent): AlertLine {
  const { id, kind, level, aiType, windowKind, windowStart, message, data } = alert;
  const over = event === 'resolved';
  const timestamp = isoTime((over ? alert.resolvedAtMs : alert.raisedAtMs) ?? alert.seenAtMs);
  const { used, held, limit } = (over ? data.atEnd : null) ?? data;
  const total = used + held;
  return {
    level: over ? 'RESOLVED' : (level.toUpperCase() as AlertLine['level']),
    message: over ? `${level.toUpperCase()} is over, which was: ${message}` : message,
    data: {
      emergency_shutdown: !over && level === 'emergency',
      critical_level: !over && level !== 'warning',
      warning_level: !over,
      usage_percentage: percentUsed(total, limit) ?? 0,
      total_tokens: total,
      remaining_tokens: Math.max(0, (limit ?? total) - total),
      timestamp,
      ...{ id, kind, alert_level: level, scope: aiType ?? 'global' },
      ...{ window_kind: windowKind, window_start: windowStart },
    },
    timestamp,
  };
}
