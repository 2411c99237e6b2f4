import { windowsAt, type WindowKind } from '../budget/windows.ts';
import type { DueHold, Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** Requests that were charged in full because nobody settled them, in the current windows. */
export interface ExpiredRequests extends Readonly<Record<WindowKind, number>> {
  readonly aiType: string;
}

const requestsSince = (start: string): string =>
  `sum(CASE WHEN counted_at_ms < ${start} THEN 0 WHEN request_items > 1 THEN request_items ELSE 1 END)`;

/** Reads the index of expired reservations alone: its cost grows with what expired in the month, not with the log. */
export const EXPIRED: PlainStatement = {
  name: 'expired_requests',
  sql: `SELECT counted_as AS "aiType", ${requestsSince('@month')} AS month, ${requestsSince('@day')} AS day, ${requestsSince('@hour')} AS hour
    FROM token_usage_logs
    WHERE state = 'expired' AND counted_at_ms >= @month AND counted_as IS NOT NULL
    GROUP BY counted_as`,
};

/**
 * Those that are charged already, and of the holds that are due, which count as expired from their time
 * on; in the windows that they were reserved in. An AI type may come more than once: add them up.
 */
export function* readExpired(
  ops: Operations,
  due: readonly DueHold[],
): Step<readonly ExpiredRequests[]> {
  const { month, day, hour } = windowsAt(ops.nowMs);
  const charged = yield* step(
    ops.query<ExpiredRequests>(EXPIRED, {
      month: month.startsAtMs,
      day: day.startsAtMs,
      hour: hour.startsAtMs,
    }),
  );
  const overdue = due
    .filter(({ hourStart }) => hourStart.startsWith(month.start))
    .map(({ aiType, hourStart, requests }) => ({
      aiType,
      month: requests,
      day: hourStart.startsWith(day.start) ? requests : 0,
      hour: hourStart === hour.start ? requests : 0,
    }));
  return [...charged, ...overdue];
}
