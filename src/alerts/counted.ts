import { levelAt } from '../budget/levels.ts';
import { ownLimits, type Limits } from '../budget/limits.ts';
import { count } from '../budget/tokens.ts';
import { percentText } from '../budget/words.ts';
import { utcMinute, windowText, type WindowKind } from '../budget/windows.ts';
import type { Alert, AlertLevel } from '../ledger/alerts.ts';
import { numbersOf, rowOf, type AlertState, type Signal, type SignalLevel } from './signal.ts';

/** The kinds that count the tokens of a window: `level`, `ai-type` and `exhausted`. Pure. */

/** How far a count must fall below what raised it before that is over, in percent of the limit. */
const HYSTERESIS_PERCENT = 1;
/** A window is exhausted when less than this is left, in percent: no reservation takes the last token. */
const EXHAUSTED_PERCENT = 1;

/** The enforced month: its levels may come again whenever they were over. */
export function levelSignals(state: AlertState): Signal[] {
  const { limits } = state;
  const levels = (['warning', 'critical', 'emergency'] as const).flatMap((level) => {
    const threshold = limits[`${level}At`];
    if (threshold === null) return [];
    const counted = countedLevel(state, null, 'month', level, threshold);
    const { limit, percent, resetsAt } = counted.data;
    const { month } = state.current;
    return {
      ...counted,
      mayComeAgain: () => true,
      get fact() {
        return `${percentText(percent ?? 0)} of the ${count(limit ?? 0)} tokens of ${month.start} are used or held`;
      },
      get effect() {
        return effectOfLevel(level, resetsAt, limits);
      },
      command: 'tokenctl status',
    };
  });
  return [{ kind: 'level', aiType: null, window: state.current.month, levels }];
}

/** What happens to requests at a level of the month. */
function effectOfLevel(level: AlertLevel, resetsAt: string, limits: Limits): string {
  const { criticalRequest: small, emergencyAt: stop } = limits;
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
      return `every request is denied until ${utcMinute(resetsAt)}, or until usage is reset or the limit raised`;
  }
}

/** Whether every request is denied for the month, as its level tells. */
export function isEmergency({ current, windows, limits, kinds }: AlertState): boolean {
  const { used = 0, held = 0 } = rowOf(windows, null, current.month) ?? {};
  return kinds.level && levelAt(used + held, limits) === 'emergency';
}

/** The day and the hour of all AI types. */
export function exhaustedSignals(state: AlertState): Signal[] {
  return toldOnce(state, [
    ...signal(state, 'exhausted', null, 'day', [['critical', exhaustedAt(state.limits.daily)]]),
    ...signal(state, 'exhausted', null, 'hour', [['warning', exhaustedAt(state.limits.hourly)]]),
  ]);
}

/** The windows of each AI type that has limits of its own. */
export function aiTypeSignals(state: AlertState): Signal[] {
  const { limits } = state;
  return Object.keys(limits.aiTypes).flatMap((aiType) => {
    const own = ownLimits(limits, aiType);
    if (own === null) return [];
    return toldOnce(state, [
      ...signal(state, 'ai-type', aiType, 'month', [
        ['warning', shareOf(own.monthly, limits.warning)],
        ['critical', exhaustedAt(own.monthly)],
      ]),
      ...signal(state, 'ai-type', aiType, 'day', [['critical', exhaustedAt(own.daily)]]),
      ...signal(state, 'ai-type', aiType, 'hour', [['warning', exhaustedAt(own.hourly)]]),
    ]);
  });
}

/**
 * What is denied already for a longer window, or for an emergency, is not raised for a shorter one too.
 * @param signals of one scope, the longest window first
 */
function toldOnce(state: AlertState, signals: readonly Signal[]): Signal[] {
  let denied = isEmergency(state);
  return signals.map((each) => {
    const levels = denied
      ? each.levels.map((level) => ({ ...level, reached: 'no' as const }))
      : each.levels;
    denied ||= each.levels.some(
      ({ reached, data }) => reached === 'yes' && data.threshold === exhaustedAt(data.limit),
    );
    return { ...each, levels };
  });
}

/** A limit of 0 was meant to deny everything: nobody needs to be told. */
function exhaustedAt(limit: number | null): number | null {
  if (limit === null || limit === 0) return null;
  return Math.floor((limit * (100 - EXHAUSTED_PERCENT)) / 100) + 1;
}

function shareOf(limit: number | null, percent: number | null): number | null {
  if (limit === null || limit === 0 || percent === null) return null;
  return Math.ceil((limit * percent) / 100);
}

/** Of a window that has a limit; none for one that has not. */
function signal(
  state: AlertState,
  kind: 'exhausted' | 'ai-type',
  aiType: string | null,
  windowKind: WindowKind,
  thresholds: readonly (readonly [AlertLevel, number | null])[],
): Signal[] {
  const levels = thresholds.flatMap(([level, threshold]) =>
    threshold === null ? [] : [ownLevel(state, aiType, windowKind, level, threshold)],
  );
  if (levels.length === 0) return [];
  return [{ kind, aiType, window: state.current[windowKind], levels }];
}

function ownLevel(
  state: AlertState,
  aiType: string | null,
  windowKind: WindowKind,
  level: AlertLevel,
  threshold: number,
): SignalLevel {
  const counted = countedLevel(state, aiType, windowKind, level, threshold);
  const { used, held, limit, percent, resetsAt } = counted.data;
  return {
    ...counted,
    mayComeAgain: (over) => rearmed(over, counted),
    get fact() {
      const window = windowText(windowKind, state.current[windowKind].start);
      const whose = aiType === null ? 'the' : `${aiType}'s`;
      return `${percentText(percent ?? 0)} of ${whose} ${count(limit ?? 0)} tokens of the ${window} are used or held`;
    },
    get effect() {
      const left = Math.max(0, (limit ?? 0) - used - held);
      if (threshold !== exhaustedAt(limit)) {
        return `nothing is denied for it yet; ${count(left)} tokens are left`;
      }
      const its = aiType === null ? '' : ` of ${aiType}`;
      const which =
        left === 0 ? `every request${its} is` : `requests${its} above ${count(left)} tokens are`;
      return `${which} denied until ${utcMinute(resetsAt)}`;
    },
    command: aiType === null ? 'tokenctl status' : `tokenctl status --ai-type ${aiType}`,
  };
}

type Counted = Pick<SignalLevel, 'level' | 'reached' | 'overBecause' | 'data'>;

/** A level that is reached from a number of tokens on. */
function countedLevel(
  state: AlertState,
  aiType: string | null,
  windowKind: WindowKind,
  level: AlertLevel,
  threshold: number,
): Counted {
  const data = { ...numbersOf(state, aiType, windowKind), threshold };
  const { used, held } = data;
  return {
    level,
    reached: used >= threshold ? 'yes' : used + held >= threshold ? 'by holds' : 'no',
    data,
    overBecause(alert) {
      // Someone has acted, and wants to hear of it anew, also where usage came back at once.
      if (data.newestReset > alert.data.newestReset) return 'usage was reset';
      if (threshold > (alert.data.threshold ?? 0)) return 'the limit was raised';
      const margin = Math.floor(((alert.data.limit ?? 0) * HYSTERESIS_PERCENT) / 100);
      return used + held < threshold - margin ? 'less is used and held' : null;
    },
  };
}

/** Whether someone has acted since: reset the window, or raised what raised it. */
function rearmed(over: Alert, { data }: Pick<SignalLevel, 'data'>): boolean {
  return (
    data.newestReset > over.data.newestReset || (data.threshold ?? 0) > (over.data.threshold ?? 0)
  );
}
