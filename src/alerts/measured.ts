import { burnRate, reachedAt, type HourUse } from '../budget/burn-rate.ts';
import { levelAt } from '../budget/levels.ts';
import { openSinceMs } from '../budget/quiet-hours.ts';
import { count } from '../budget/tokens.ts';
import { isoTime, utcMinute, windowAt, windowText } from '../budget/windows.ts';
import type { WindowRow } from '../ledger/port.ts';
import { isEmergency } from './counted.ts';
import { numbersOf, rowOf, type AlertState, type Signal, type SignalLevel } from './signal.ts';

/** The kinds that look at something beside a window's count: `denials`, `burn-rate`, `overrun` and `silence`. Pure. */

const HOUR_MS = 3_600_000;
/** With fewer requests in an hour a share of them says nothing. */
const LEAST_REQUESTS = 20;
/** An hour is not unusual unless it uses more than this of the enforced month, in percent. */
const NEGLIGIBLE_PERCENT = 1;
/** An overrun is over when the projection is below this part of the limit, in percent. */
const CLEAR_PERCENT = 95;

/** So many of this hour's requests were denied that it matters; null where not. */
export function manyDenied({
  current,
  windows,
  kinds,
}: Pick<AlertState, 'current' | 'windows' | 'kinds'>): { denied: number; requests: number } | null {
  const row = rowOf(windows, null, current.hour);
  if (row === undefined || kinds.denials === null) return null;
  const { denied } = row;
  const requests = row.requests + denied;
  const many = requests >= LEAST_REQUESTS && denied * 100 >= kinds.denials.percent * requests;
  return many ? { denied, requests } : null;
}

/** Many of the hour's requests were denied. It stays until the hour ends. */
export function denialSignals(state: AlertState): Signal[] {
  const window = state.current.hour;
  const many = manyDenied(state);
  const { denied = 0, requests = 0 } = many ?? {};
  const { deniedMostBy: mostBy } = state;
  const level: SignalLevel = {
    level: 'warning',
    // In an emergency all are denied, which is told.
    reached: many === null || isEmergency(state) ? 'no' : 'yes',
    overBecause: () => null,
    mayComeAgain: () => false,
    data: {
      ...numbersOf(state, null, 'hour'),
      ...{ threshold: null, details: { denied, requests, mostBy } },
    },
    fact: `${count(denied)} of ${count(requests)} requests in the ${windowText('hour', window.start)} were denied`,
    effect: mostBy === null ? 'what is denied was not sent' : `most were denied by ${mostBy}`,
    command: 'tokenctl log --state denied --since 1h',
  };
  return [{ kind: 'denials', aiType: null, window, levels: [level] }];
}

/** Whether an hour uses enough to be unusual, if others use less: only then its history is asked for. */
export function isNotable(state: Pick<AlertState, 'current' | 'windows' | 'limits'>): boolean {
  const used = rowOf(state.windows, null, state.current.hour)?.used ?? 0;
  const { enforcedMonthly } = state.limits;
  return used * 100 > (enforcedMonthly ?? 0) * NEGLIGIBLE_PERCENT;
}

/** The hour uses far more than hours do. It is over when an hour has passed that does not. */
export function burnRateSignals(state: AlertState): Signal[] {
  const { current, windows, hours, usualHour: usual, kinds } = state;
  const { times = Infinity } = kinds['burn-rate'] ?? {};
  const { hour } = current;
  const used = rowOf(windows, null, hour)?.used ?? 0;
  const threshold = usual === null ? null : Math.floor(usual * times) + 1;
  const before = windowAt('hour', hour.startsAtMs - 1).start;
  const last = Math.max(used, hours.find(({ start }) => start === before)?.used ?? 0);
  const unusual = threshold !== null && used >= threshold && isNotable(state);
  const ratio = usual === null || usual === 0 ? '' : (used / usual).toFixed(1);
  const level: SignalLevel = {
    level: 'warning',
    reached: unusual ? 'yes' : 'no',
    overBecause: ({ data }) =>
      data.threshold !== null && last < data.threshold ? 'an hour was as usual' : null,
    mayComeAgain: () => false,
    data: {
      ...numbersOf(state, null, 'day'),
      ...{ threshold, details: { tokensThisHour: used, usual: usual ?? 0 } },
    },
    fact: `${count(used)} tokens were used in the ${windowText('hour', hour.start)}, ${ratio} times what hours of the last 7 days used at most, as a rule (${count(usual ?? 0)})`,
    effect: 'nothing is denied for it',
    command: 'tokenctl log --since 1h',
  };
  return [{ kind: 'burn-rate', aiType: null, window: current.day, levels: [level] }];
}

/** At the rate of the last 24 hours the month passes its limit. Above warning the levels tell it. */
export function overrunSignals(state: AlertState): Signal[] {
  const { nowMs, current, limits, hours, sinceMs } = state;
  const { month } = current;
  const numbers = numbersOf(state, null, 'month');
  const { used, held, limit } = numbers;
  if (limit === null) return [];
  const rate = burnRate(hours.map(hourUse), sinceMs, nowMs).lastDay;
  const hoursLeft = (month.resetsAtMs - nowMs) / HOUR_MS;
  const projected = rate === null ? null : Math.round(used + rate * hoursLeft);
  const early = ['ok', 'warning'].includes(levelAt(used + held, limits));
  const atMs = reachedAt(Math.max(0, limit - used - held), rate, nowMs, month.resetsAtMs);
  const when = atMs === null ? '' : `; the limit is reached ${utcMinute(isoTime(atMs))}`;
  const level: SignalLevel = {
    level: 'warning',
    reached: projected !== null && early && projected >= limit ? 'yes' : 'no',
    overBecause: () =>
      projected !== null && projected * 100 < limit * CLEAR_PERCENT
        ? 'the month is expected to stay below its limit'
        : null,
    mayComeAgain: (over) =>
      numbers.newestReset > over.data.newestReset || limit > (over.data.threshold ?? 0),
    data: { ...numbers, threshold: limit, details: { projected: projected ?? 0 } },
    fact: `at ${count(rate ?? 0)} tokens an hour, as in the last 24, the ${windowText('month', month.start)} comes to ${count(projected ?? 0)} tokens, of ${count(limit)}`,
    effect: `nothing is denied for it yet${when}`,
    command: 'tokenctl status',
  };
  return [{ kind: 'overrun', aiType: null, window: month, levels: [level] }];
}

export function hourUse({ start, used }: WindowRow): HourUse {
  return { startsAtMs: Date.parse(`${start}:00:00Z`), used };
}

/** Nothing was logged for long, in hours in which that is not to be expected. No window ends it. */
export function silenceSignals(state: AlertState): Signal[] {
  const { nowMs, kinds, sinceMs } = state;
  const { silence } = kinds;
  if (silence === null) return [];
  const lastMs = state.lastLogAtMs ?? sinceMs;
  const { afterMs, hours } = silence;
  const openMs = hours === null ? -Infinity : (openSinceMs(hours, nowMs) ?? Infinity);
  const silent = lastMs !== null && nowMs - lastMs > afterMs && nowMs - afterMs >= openMs;
  const silentSince = isoTime(lastMs ?? nowMs);
  const level: SignalLevel = {
    level: 'critical',
    reached: silent ? 'yes' : 'no',
    overBecause: ({ data: { details } }) => {
      const since = details !== undefined && 'silentSince' in details ? details.silentSince : null;
      return state.lastLogAtMs !== null && silentSince !== since ? 'a log has come' : null;
    },
    mayComeAgain: () => true,
    data: { ...numbersOf(state, null, 'month'), threshold: null, details: { silentSince } },
    fact: `nothing was logged since ${utcMinute(silentSince)}`,
    effect: 'usage that is not logged is not counted',
    command: 'tokenctl log --limit 5',
  };
  return [{ kind: 'silence', aiType: null, window: state.current.month, levels: [level] }];
}
