import { LEVELS, levelAt, percentUsed, type Level } from '../budget/levels.ts';
import type { Limits } from '../budget/limits.ts';
import { count } from '../budget/tokens.ts';
import { isoTime, type Window } from '../budget/windows.ts';
import type { Alert, AlertData, AlertLevel } from '../ledger/alerts.ts';

/**
 * When a level of the enforced month is raised and when it is over. Pure: what is open and the counts
 * go in, what is to be done comes out.
 *
 * - The highest level that is reached is raised, once: a start at 99 % raises emergency alone.
 * - A level that only holds reach must last 60 seconds: a hold may be gone a second later.
 * - It is over, and armed again, when the month ends, when usage was reset or the limit raised, or
 *   when the count lies 1 % of the limit below it: one at the border does not flap.
 */

/** How long a level that is reached by holds alone must last, in ms. */
export const HELD_MUST_LAST_MS = 60_000;
/** How far holds must fall below a level before it is over, in percent of the limit. */
const HYSTERESIS_PERCENT = 1;

/** The enforced month at one instant, in tokens. */
export interface MonthState {
  readonly nowMs: number;
  readonly month: Window;
  readonly used: number;
  readonly held: number;
  readonly limits: Limits;
  /** The newest reset of this month's global window; 0 when there was none. */
  readonly newestReset: number;
}

/** What is to be done, in this order. */
export interface AlertChanges {
  /** Raised ones that are over. */
  readonly resolve: readonly Alert[];
  /** Pending ones that did not last, or that a higher level has overtaken. */
  readonly drop: readonly Alert[];
  /** A level to be raised; with the pending alert that it was. */
  readonly raise: { readonly level: AlertLevel; readonly pending: Alert | null } | null;
  /** Levels that only holds reach, seen for the first time. */
  readonly wait: readonly AlertLevel[];
  /** When a pending one will have lasted, in ms; null when none waits. */
  readonly lookAgainAtMs: number | null;
}

export function evaluate(state: MonthState, open: readonly Alert[]): AlertChanges {
  const { nowMs, month, used, held, limits } = state;
  const raised = open.filter((alert) => alert.state === 'raised');
  const resolve = raised.filter(
    (alert) => alert.windowStart !== month.start || isOver(alert, state),
  );
  const told = Math.max(
    0,
    ...raised.filter((alert) => !resolve.includes(alert)).map(({ level }) => rank(level)),
  );
  const taken = rank(levelAt(used + held, limits));
  const pending = open.filter((alert) => alert.state === 'pending');
  const lasting = pending.filter(
    ({ windowStart, level, seenAtMs }) =>
      windowStart === month.start &&
      rank(level) <= taken &&
      // A clock that went back must not make it wait for as long.
      seenAtMs <= nowMs,
  );
  const reached = Math.max(
    rank(levelAt(used, limits)),
    ...lasting
      .filter(({ seenAtMs }) => nowMs - seenAtMs >= HELD_MUST_LAST_MS)
      .map(({ level }) => rank(level)),
  );
  const raise =
    reached > told
      ? {
          level: LEVELS[reached] as AlertLevel,
          pending: lasting.find(({ level }) => rank(level) === reached) ?? null,
        }
      : null;
  const known = Math.max(told, reached);
  const waiting = lasting.filter(({ level }) => rank(level) > known);
  const wait = LEVELS.slice(known + 1, taken + 1).filter(
    (level): level is AlertLevel => !waiting.some((alert) => alert.level === level),
  );
  const seenAtMs = [...waiting.map((alert) => alert.seenAtMs), ...wait.map(() => nowMs)];
  return {
    resolve,
    drop: pending.filter((alert) => alert !== raise?.pending && !waiting.includes(alert)),
    raise,
    wait,
    lookAgainAtMs: seenAtMs.length === 0 ? null : Math.min(...seenAtMs) + HELD_MUST_LAST_MS,
  };
}

/** The numbers that an alert of a level carries. */
export function alertData(state: MonthState, level: AlertLevel): AlertData {
  const { used, held, limits, month } = state;
  const limit = limits.enforcedMonthly ?? 0;
  return {
    used,
    held,
    limit,
    percent: percentUsed(used + held, limit) ?? 0,
    threshold: thresholdOf(level, limits) ?? 0,
    newestReset: state.newestReset,
    resetsAt: isoTime(month.resetsAtMs),
  };
}

/** What it says, in one line: how much is used, and what happens to requests now. */
export function alertMessage(level: AlertLevel, data: AlertData, state: MonthState): string {
  const { percent, limit } = data;
  const share = `${percent.toFixed(2)} % of the ${count(limit)} tokens of ${state.month.start} are used or held`;
  return `${share}; ${alertEffect(level, data, state)}`;
}

/** What happens to requests at a level. */
export function alertEffect(
  level: AlertLevel,
  { resetsAt }: AlertData,
  { limits }: MonthState,
): string {
  const small = limits.criticalRequest;
  const stop = limits.emergencyAt;
  const all = stop === null ? null : `from ${count(stop)} on every request`;
  switch (level) {
    case 'warning':
      return `nothing is denied for it yet${all === null ? '' : `; ${all} is denied`}`;
    case 'critical':
      if (small !== null) {
        return `requests above ${count(small)} tokens are denied${all === null ? '' : `, ${all}`}`;
      }
      return all === null ? 'nothing is denied for it' : `${all} is denied`;
    case 'emergency':
      return `every request is denied until ${timeText(resetsAt)}, or until usage is reset or the limit raised`;
  }
}

function rank(level: Level): number {
  return LEVELS.indexOf(level);
}

function thresholdOf(level: AlertLevel, limits: Limits): number | null {
  return { warning: limits.warningAt, critical: limits.criticalAt, emergency: limits.emergencyAt }[
    level
  ];
}

/** Whether a raised level of this month is over. */
function isOver({ level, data }: Alert, { used, held, limits, newestReset }: MonthState): boolean {
  const threshold = thresholdOf(level, limits);
  if (threshold === null) return true;
  // Someone has acted, and wants to hear of it anew, also where usage came back at once.
  if (newestReset > data.newestReset || threshold > data.threshold) return true;
  const margin = Math.floor((data.limit * HYSTERESIS_PERCENT) / 100);
  return used + held < threshold - margin;
}

/** '2026-12-01 00:00 UTC' */
function timeText(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}
