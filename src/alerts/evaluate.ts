import type { AlertKind } from '../budget/alert-kinds.ts';
import { LEVELS, type Level } from '../budget/levels.ts';
import type { Alert, AlertLevel } from '../ledger/alerts.ts';
import { aiTypeSignals, exhaustedSignals, levelSignals } from './counted.ts';
import { burnRateSignals, denialSignals, overrunSignals, silenceSignals } from './measured.ts';
import type { AlertState, Signal, SignalLevel } from './signal.ts';

/**
 * What is raised and what is over. Pure: the ledger at one instant and the alerts that are known go in,
 * what is to be done comes out. An incident is one kind in one window of one scope.
 *
 * - Of an incident the highest level that is reached is raised, once: a start at 99 % of the month
 *   raises emergency alone. Of several that are over at once only the highest says so.
 * - What only holds reach must last 60 seconds: a hold may be gone a second later.
 * - It is over when its window ends, or when its kind says so. Then a level of the month is armed again;
 *   any other is not raised again in its window, unless someone reset it or raised its limit.
 */

/** How long a level that is reached by holds alone must last, in ms. */
export const HELD_MUST_LAST_MS = 60_000;

/** What each kind says of a state. A monitor that is blind can't evaluate, and tells that by itself. */
const RULES: Readonly<Record<Exclude<AlertKind, 'blind'>, (state: AlertState) => Signal[]>> = {
  level: levelSignals,
  'ai-type': aiTypeSignals,
  exhausted: exhaustedSignals,
  denials: denialSignals,
  'burn-rate': burnRateSignals,
  overrun: overrunSignals,
  silence: silenceSignals,
};

/** A level of a signal that is raised, or waits. */
export interface Reached {
  readonly signal: Signal;
  readonly level: SignalLevel;
}

/** What is to be done, in this order. */
export interface AlertChanges {
  /** Raised ones that are over, and why; the highest of each incident is told. */
  readonly resolve: readonly {
    readonly alert: Alert;
    readonly because: string;
    readonly told: boolean;
    /** The highest level that its incident stays at; null when it is wholly over. */
    readonly goesOnAt: AlertLevel | null;
  }[];
  /** Pending ones that did not last, or that a higher level has overtaken. */
  readonly drop: readonly Alert[];
  /** With the pending alert that it was, and a lower one that stays and has opened its incident. */
  readonly raise: readonly (Reached & {
    readonly pending: Alert | null;
    readonly opener: Alert | null;
  })[];
  /** Levels that only holds reach, seen for the first time. */
  readonly wait: readonly Reached[];
  /** When a pending one will have lasted, in ms; null when none waits. */
  readonly lookAgainAtMs: number | null;
}

/** @param known what is pending or raised, and what was over in the windows that still last */
export function evaluate(state: AlertState, known: readonly Alert[]): AlertChanges {
  const signals = (Object.keys(RULES) as (keyof typeof RULES)[]).flatMap((kind) =>
    isOn(state, kind) ? RULES[kind](state) : [],
  );
  const byIncident = new Map<string, Alert[]>();
  for (const alert of known) {
    if (alert.kind === 'blind') continue;
    const key = incidentKey(alert);
    byIncident.set(key, [...(byIncident.get(key) ?? []), alert]);
  }
  const changes = signals.map((signal) => {
    const { kind, aiType, window } = signal;
    const key = incidentKey({ kind, aiType, windowKind: window.kind, windowStart: window.start });
    const mine = byIncident.get(key) ?? [];
    byIncident.delete(key);
    return changesOf(signal, mine, state.nowMs);
  });
  const gone = [...byIncident.values()].map((alerts) => endOf(state, alerts));
  const seenAtMs = changes.flatMap((each) => each.seenAtMs);
  return {
    resolve: [...gone, ...changes].flatMap((each) => each.resolve),
    drop: [...gone, ...changes].flatMap((each) => each.drop),
    raise: changes.flatMap((each) => each.raise),
    wait: changes.flatMap((each) => each.wait),
    lookAgainAtMs: seenAtMs.length === 0 ? null : Math.min(...seenAtMs) + HELD_MUST_LAST_MS,
  };
}

interface IncidentChanges extends Omit<AlertChanges, 'lookAgainAtMs'> {
  /** When those that wait were first seen. */
  readonly seenAtMs: readonly number[];
}

function changesOf(signal: Signal, known: readonly Alert[], nowMs: number): IncidentChanges {
  const levelOf = (alert: Alert): SignalLevel | undefined =>
    signal.levels.find(({ level }) => level === alert.level);
  const over = new Map<Alert, string>();
  const stays: Alert[] = [];
  for (const alert of known.filter(({ state }) => state === 'raised')) {
    const level = levelOf(alert);
    const because = level === undefined ? NO_LIMIT : level.overBecause(alert);
    if (because === null) stays.push(alert);
    else over.set(alert, because);
  }
  const told = highest(stays.map(({ level }) => level));
  const was = [...known.filter(({ state }) => state === 'resolved'), ...over.keys()];
  const taken = signal.levels.filter(
    (each) =>
      each.reached !== 'no' &&
      was.every((alert) => alert.level !== each.level || each.mayComeAgain(alert)),
  );
  const pending = known.filter(({ state }) => state === 'pending');
  // A clock that went back must not make it wait for as long.
  const lasting = pending.filter(
    (alert) => alert.seenAtMs <= nowMs && taken.some(({ level }) => level === alert.level),
  );
  const lasted = (level: Level): boolean =>
    lasting.some((each) => each.level === level && nowMs - each.seenAtMs >= HELD_MUST_LAST_MS);
  const reached = taken.findLast((each) => each.reached === 'yes' || lasted(each.level));
  const raise =
    reached === undefined || rank(reached.level) <= told
      ? []
      : [
          {
            ...{ signal, level: reached, opener: stays[0] ?? null },
            pending: lasting.find(({ level }) => level === reached.level) ?? null,
          },
        ];
  const above = Math.max(told, reached === undefined ? 0 : rank(reached.level));
  const waiting = lasting.filter(({ level }) => rank(level) > above);
  const wait = taken
    .filter(({ level }) => rank(level) > above && !waiting.some((each) => each.level === level))
    .map((level) => ({ signal, level }));
  return {
    resolve: resolved(over, told === 0 ? null : (LEVELS[told] as AlertLevel)),
    drop: pending.filter((alert) => alert !== raise[0]?.pending && !waiting.includes(alert)),
    raise,
    wait,
    seenAtMs: [...waiting.map((alert) => alert.seenAtMs), ...wait.map(() => nowMs)],
  };
}

const NO_LIMIT = 'it has no limit any more';

/** Of what no signal stands for: its window has ended, or it is not looked for any more. */
function endOf(state: AlertState, alerts: readonly Alert[]): IncidentChanges {
  const over = new Map<Alert, string>();
  for (const alert of alerts.filter((each) => each.state === 'raised')) {
    const { kind, windowKind, windowStart } = alert;
    const ended = state.current[windowKind].start !== windowStart;
    const off = kind !== 'test' && !isOn(state, kind);
    over.set(alert, off ? 'it was switched off' : ended ? `the ${windowKind} has ended` : NO_LIMIT);
  }
  const drop = alerts.filter((alert) => alert.state === 'pending');
  return { resolve: resolved(over, null), drop, raise: [], wait: [], seenAtMs: [] };
}

function resolved(
  over: ReadonlyMap<Alert, string>,
  goesOnAt: AlertLevel | null,
): AlertChanges['resolve'] {
  const top = highest([...over.keys()].map(({ level }) => level));
  return [...over].map(([alert, because]) => ({
    ...{ alert, because, goesOnAt },
    told: rank(alert.level) === top,
  }));
}

function isOn({ kinds }: AlertState, kind: AlertKind): boolean {
  return kinds[kind] !== false && kinds[kind] !== null;
}

/** Silence has no window: it lasts from one month into the next. */
function incidentKey({
  kind,
  aiType,
  windowKind,
  windowStart,
}: Pick<Alert, 'kind' | 'aiType' | 'windowKind' | 'windowStart'>): string {
  return JSON.stringify(kind === 'silence' ? [kind] : [kind, aiType, windowKind, windowStart]);
}

function highest(levels: readonly Level[]): number {
  return Math.max(0, ...levels.map(rank));
}

function rank(level: Level): number {
  return LEVELS.indexOf(level);
}
