import { USUAL_ALERT_KINDS, type AlertKindSettings } from '../budget/alert-kinds.ts';
import { mostDeniedBy } from '../budget/denied-by.ts';
import { HISTORY_HOURS, usualMost } from '../budget/usual-rate.ts';
import { windowAt, windowsAt } from '../budget/windows.ts';
import {
  incidentOf,
  insertAlert,
  newestResets,
  openAlerts,
  overAlerts,
  postDelivery,
  removeAlert,
  updateAlert,
  type Alert,
  type AlertEvent,
} from '../ledger/alerts.ts';
import type { Operations } from '../ledger/port.ts';
import type { Snapshot } from '../ledger/snapshot.ts';
import { step, type Step } from '../ledger/steps.ts';
import { alertContext } from './context.ts';
import { evaluate, type Reached } from './evaluate.ts';
import { hourUse, isNotable, manyDenied } from './measured.ts';
import { numbersOf, type AlertState } from './signal.ts';

/** The channels that are told of an event. */
export type Routes = (alert: Alert, event: AlertEvent) => readonly string[];

export interface Raised {
  /** What is pending or raised now, the oldest first. */
  readonly open: readonly Alert[];
  /** When a level that only holds reach will have lasted, in ms; null when none waits. */
  readonly lookAgainAtMs: number | null;
}

const HOUR_MS = 3_600_000;
/** The newest denials that are asked which rule denied them, at most. */
const DENIALS = 200;

/**
 * Raises and resolves what this instant asks for, in the transaction that read it: so that several
 * monitors raise one alert, and a crash neither loses nor repeats it. Each change goes into the outbox.
 */
export function* raiseAlerts(
  ops: Operations,
  snapshot: Snapshot,
  routes: Routes,
  newId: () => string,
  kinds: AlertKindSettings = USUAL_ALERT_KINDS,
): Step<Raised> {
  const { nowMs } = snapshot;
  const windows = windowsAt(nowMs);
  const before = yield* openAlerts(ops);
  const known = [...before, ...(yield* overAlerts(ops, windows))];
  const state = yield* readState(ops, snapshot, kinds, known);
  const changes = evaluate(state, known);
  const gone = new Set<Alert>(changes.drop);
  for (const { alert, because, told, goesOnAt } of changes.resolve) {
    const { used, held, limit, percent } = numbersOf(state, alert.aiType, alert.windowKind);
    const atEnd = { used, held, limit, percent };
    const data = { ...alert.data, atEnd, overBecause: because, goesOnAt };
    const resolved: Alert = { ...alert, data, state: 'resolved', resolvedAtMs: nowMs };
    yield* updateAlert(ops, resolved);
    if (told) yield* post(ops, resolved, 'resolved', routes);
    gone.add(alert);
  }
  for (const { id } of changes.drop) yield* removeAlert(ops, id);
  const fresh: Alert[] = [];
  for (const { pending, opener, ...reached } of changes.raise) {
    if (pending !== null) gone.add(pending);
    const seen = pending ?? newAlert(reached, nowMs, newId());
    const { data: numbers, effect, command } = reached.level;
    const incident = opener === null ? seen.id : incidentOf(opener);
    const data = { ...numbers, incident, context: alertContext(snapshot, effect, command) };
    const message = messageOf(reached);
    const raised: Alert = { ...seen, state: 'raised', data, message, raisedAtMs: nowMs };
    yield* pending === null ? insertAlert(ops, raised) : updateAlert(ops, raised);
    yield* post(ops, raised, 'raised', routes);
    fresh.push(raised);
  }
  for (const reached of changes.wait) {
    const waiting = newAlert(reached, nowMs, newId());
    yield* insertAlert(ops, waiting);
    fresh.push(waiting);
  }
  const open = [...before.filter((alert) => !gone.has(alert)), ...fresh];
  return { open, lookAgainAtMs: changes.lookAgainAtMs };
}

/** What is known beside the snapshot. Hours and denials are read only where they decide something. */
function* readState(
  ops: Operations,
  snapshot: Snapshot,
  kinds: AlertKindSettings,
  known: readonly Alert[],
): Step<AlertState> {
  const { nowMs } = snapshot;
  const { limits } = snapshot.limits;
  const windows = windowsAt(nowMs);
  const isKnown = (kind: Alert['kind'], start: string): boolean =>
    known.some((alert) => alert.kind === kind && alert.windowStart === start);
  const resets = yield* newestResets(ops, windows);
  const base = { ...snapshot, current: windows, limits, kinds, resets };
  const asksUsual =
    kinds['burn-rate'] !== null && !isKnown('burn-rate', windows.day.start) && isNotable(base);
  const asksDenials = manyDenied(base) !== null && !isKnown('denials', windows.hour.start);
  return {
    ...base,
    usualHour: asksUsual ? yield* readUsual(ops, windows.hour.startsAtMs) : null,
    deniedMostBy: asksDenials
      ? mostDeniedBy(yield* step(ops.newestDenials(windows.hour.startsAtMs, DENIALS)))
      : null,
  };
}

function* readUsual(ops: Operations, beforeMs: number): Step<number | null> {
  const starts = Array.from(
    { length: HISTORY_HOURS },
    (_, back) => windowAt('hour', beforeMs - (back + 1) * HOUR_MS).start,
  );
  const rows = yield* step(ops.windows(starts, []));
  return usualMost(rows.map(hourUse), beforeMs);
}

function* post(ops: Operations, alert: Alert, event: AlertEvent, routes: Routes): Step<void> {
  for (const channel of routes(alert, event)) yield* postDelivery(ops, alert, event, channel);
}

function newAlert({ signal, level }: Reached, nowMs: number, id: string): Alert {
  const { kind, aiType, window } = signal;
  return {
    ...{ id, kind, aiType, level: level.level },
    ...{ windowKind: window.kind, windowStart: window.start },
    ...{ state: 'pending', message: messageOf({ signal, level }), data: level.data },
    ...{ seenAtMs: nowMs, raisedAtMs: null, resolvedAtMs: null },
  };
}

/** What it says, in one line: what is the matter, and what happens to requests now. */
function messageOf({ level: { fact, effect } }: Reached): string {
  return `${fact}; ${effect}`;
}
