import type { Limit } from '../budget/limits.ts';
import { count } from '../budget/tokens.ts';
import { counted, duration, percentText } from '../budget/words.ts';
import type { Binding } from './binding.ts';
import type { StatusReport } from './status.ts';
import type { WindowStatus } from './window-status.ts';

/** A status in words, the same on screens and pages. Pure. */

/** Writes a time as it stands in a sentence. */
export type When = (iso: string) => string;

/** The largest request that passes now, which rule stops a larger one, and when that changes. */
export function bindingText(
  { binding, largestAdmissible, windows }: StatusReport,
  nowMs: number,
): string {
  if (binding === null) return 'any request passes now: every limit is off';
  const passes =
    largestAdmissible === null || largestAdmissible === 0
      ? 'no request passes now'
      : `a request of ${counted(largestAdmissible, 'token')} passes now`;
  const emptied = windows.find(
    (row) => row.scope === binding.scope && row.window === binding.window,
  );
  // A window that is empty already lets no more pass when it resets.
  const whole = binding.unit === 'tokens' && emptied?.remaining === emptied?.limit;
  const frees =
    binding.freesAt === null || (whole && emptied !== undefined)
      ? 'waiting does not help'
      : `frees in ${duration(Date.parse(binding.freesAt) - nowMs)}`;
  return `${passes}; ${ruleText(binding)} binds first, ${frees}`;
}

/** `the hour's limit of 194 tokens (194 left)` */
export function ruleText({ scope, window, unit, limit, remaining }: Binding): string {
  const whose = scope === 'global' ? 'the' : `${scope}'s`;
  const left = `(${count(remaining)} left)`;
  switch (window) {
    case 'month':
    case 'day':
    case 'hour':
      return unit === 'requests'
        ? `the limit of ${counted(limit, 'request')} a ${window} ${left}`
        : `${whose} limit of ${counted(limit, 'token')} a${window === 'hour' ? 'n' : ''} ${window} ${left}`;
    case 'minute':
      return `the limit of ${counted(limit, 'request')} in 60 s ${left}`;
    case 'request':
      return `${whose} limit of ${counted(limit, 'token')} a request`;
    case 'level':
      return remaining === 0
        ? `the emergency stop at ${counted(limit, 'token')} of the month`
        : `the level critical's limit of ${counted(limit, 'token')} a request`;
  }
}

/** What the level does to requests; null where it does nothing. */
export function levelMeaning(report: StatusReport, when: When): string | null {
  const { criticalAt, emergencyAt, criticalRequest } = report.thresholds;
  const restricts = criticalAt !== null && criticalRequest !== null;
  const stops = emergencyAt === null ? '' : `; from ${count(emergencyAt)} on every request is`;
  switch (report.level) {
    case 'ok':
      return null;
    case 'warning':
      return restricts
        ? `denies nothing yet; from ${counted(criticalAt, 'token')} requests above ${count(criticalRequest)} are denied`
        : `denies nothing yet${stops === '' ? '' : `${stops} denied`}`;
    case 'critical':
      return restricts
        ? `requests above ${counted(criticalRequest, 'token')} are denied${stops}`
        : `denies nothing yet${stops === '' ? '' : `${stops} denied`}`;
    case 'emergency': {
      const month = globalMonth(report);
      const reset = month === undefined ? 'the month resets' : when(month.resetsAt);
      return `${stopText(emergencyAt, month?.limit ?? null)}: every request is denied until ${reset}, or until usage is reset or the limit raised`;
    }
  }
}

/** `the emergency stop at 137,200 tokens (98 %) is reached` */
function stopText(emergencyAt: Limit, limit: Limit): string {
  if (emergencyAt === null || limit === null) return 'the emergency stop is reached';
  // The setting itself: the amount is that percentage, rounded up.
  const percent = limit === 0 ? 100 : Math.floor((100 * emergencyAt) / limit);
  return `the emergency stop at ${counted(emergencyAt, 'token')} (${String(percent)} %) is reached`;
}

/** How much of the month is taken. */
export function shareText(report: StatusReport): string {
  const global = globalMonth(report);
  return global === undefined || global.limit === null
    ? `${counted(takenOf(global), 'token')} used, no monthly limit`
    : `${percentText(global.percent)} of ${counted(global.limit, 'token')}`;
}

/** How fast it goes. */
export function burnText({ lastHour, lastDay }: StatusReport['burnRate']): string {
  if (lastHour === null && lastDay === null) return 'not enough data';
  const rate = (tokens: number | null): string =>
    tokens === null ? 'not enough data' : `${counted(tokens, 'token')} an hour`;
  return `${rate(lastHour)} over 1 h, ${rate(lastDay)} over 24 h`;
}

/** When the monthly limit is reached. */
export function runsOutText(report: StatusReport, nowMs: number, when: When): string {
  const month = globalMonth(report);
  if (month === undefined || month.limit === null) return 'never: there is no monthly limit';
  if (report.level === 'emergency') return 'the emergency stop is reached';
  if (month.remaining === 0) return 'the monthly limit is reached';
  const { limitReachedAt, lastHour, lastDay } = report.burnRate;
  if (limitReachedAt !== null) {
    const left = duration(Date.parse(limitReachedAt) - nowMs);
    return `in ${left} at this rate, ${when(limitReachedAt)}`;
  }
  return lastHour === null && lastDay === null
    ? 'not enough data'
    : 'not before the month resets, at this rate';
}

export function globalMonth(report: StatusReport): WindowStatus | undefined {
  return report.windows.find((row) => row.scope === 'global' && row.window === 'month');
}

/** Used + held. */
export function takenOf(row: WindowStatus | undefined): number {
  return (row?.used ?? 0) + (row?.held ?? 0);
}
