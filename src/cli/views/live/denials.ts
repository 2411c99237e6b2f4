import type { Reason } from '../../../budget/verdict.ts';
import type { LogEntry } from '../../../ledger/port.ts';
import { verdictOf } from '../../../ledger/request-document.ts';
import type { Screen } from '../../output.ts';
import { table } from '../table.ts';
import { age, count, oneLine, shorten } from '../text.ts';

/** The newest denials: when, who, how many tokens, and the rule that it broke, in few words. */
export function denialTable(denials: readonly LogEntry[], screen: Screen, nowMs: number): string[] {
  return table(
    [
      { title: 'Denied' },
      { title: 'AI type' },
      { title: 'Tokens', align: 'right' },
      { title: 'Why' },
    ],
    denials.map((entry) => [
      `${age(nowMs - entry.atMs)} ago`,
      shorten(oneLine(entry.aiType), Math.max(8, Math.floor(screen.width / 4))),
      askedText(entry),
      whyText(entry),
    ]),
    screen,
  );
}

function askedText(entry: LogEntry): string {
  const asked = verdictOf(entry)?.estimate.total;
  return asked === undefined ? '-' : count(asked);
}

function whyText(entry: LogEntry): string {
  const reasons = verdictOf(entry)?.reasons ?? [];
  const [first] = reasons;
  const parts = [
    entry.deniedCount < 2 ? null : `${count(entry.deniedCount)} times`,
    first === undefined ? entry.error : reasonText(first),
    reasons.length < 2 ? null : `and ${String(reasons.length - 1)} more`,
  ];
  return oneLine(parts.filter((part) => part !== null).join(', '));
}

/** A rule that was broken, by the numbers of then. */
export function reasonText(reason: Reason): string {
  const { code, scope, window, limit, used, held, message } = reason;
  if (limit === null) return code === 'emergency_shutdown' ? EMERGENCY : message;
  const whose = scope === null || scope === 'global' ? '' : `${scope} `;
  switch (code) {
    case 'window_exceeded': {
      const left = Math.max(0, limit - (used ?? 0) - (held ?? 0));
      return reason.canEverPass
        ? `${whose}${window ?? ''}: ${count(left)} of ${count(limit)} left`
        : `${whose}${window ?? ''}: the limit is ${count(limit)}`;
    }
    case 'rate_exceeded':
      return `rate: ${count(limit)} requests ${window === 'minute' ? 'in 60 s' : 'a day'}`;
    case 'request_too_large':
      return `${whose}request: the limit is ${count(limit)}`;
    case 'provider_request_too_large':
      return `request: the ceiling is ${count(limit)}`;
    case 'critical_restricts_large':
      return `level critical: at most ${count(limit)}`;
    case 'emergency_shutdown':
      return EMERGENCY;
    default:
      return message;
  }
}

const EMERGENCY = 'emergency: every request is denied';
