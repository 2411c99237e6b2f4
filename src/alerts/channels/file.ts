import { percentUsed } from '../../budget/levels.ts';
import { isoTime } from '../../budget/windows.ts';
import type { Alert } from '../../ledger/alerts.ts';
import { appendLine } from '../../platform/append-line.ts';
import type { Channel } from '../channel.ts';

/** A line of `token_usage_alerts.json`. Tokens are used + held of the month. */
interface AlertLine {
  readonly level: 'WARNING' | 'CRITICAL' | 'EMERGENCY';
  readonly message: string;
  readonly data: {
    /** Whether the emergency stop is reached, and the levels below it. */
    readonly emergency_shutdown: boolean;
    readonly critical_level: boolean;
    readonly warning_level: boolean;
    readonly usage_percentage: number;
    readonly total_tokens: number;
    readonly remaining_tokens: number;
    readonly timestamp: string;
  };
  readonly timestamp: string;
}

/** Appends a line of JSON for each level that is raised, durable before it counts as told. */
export function fileChannel(path: string): Channel {
  return {
    name: 'file',
    events: ['raised'],
    send: async (alert) => {
      await appendLine(path, JSON.stringify(alertLine(alert)));
    },
  };
}

function alertLine({ level, message, data, raisedAtMs, seenAtMs }: Alert): AlertLine {
  const timestamp = isoTime(raisedAtMs ?? seenAtMs);
  const total = data.used + data.held;
  return {
    level: level.toUpperCase() as AlertLine['level'],
    message,
    data: {
      emergency_shutdown: level === 'emergency',
      critical_level: level !== 'warning',
      warning_level: true,
      usage_percentage: percentUsed(total, data.limit) ?? 0,
      total_tokens: total,
      remaining_tokens: Math.max(0, (data.limit ?? total) - total),
      timestamp,
    },
    timestamp,
  };
}
