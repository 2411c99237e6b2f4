import { windowAt, type Window } from '../budget/windows.ts';
import {
  incidentOf,
  insertAlert,
  newestResetOf,
  openAlerts,
  postDelivery,
  removeAlert,
  updateAlert,
  type Alert,
  type AlertEvent,
} from '../ledger/alerts.ts';
import type { Operations } from '../ledger/port.ts';
import type { Snapshot } from '../ledger/snapshot.ts';
import type { Step } from '../ledger/steps.ts';
import { alertContext } from './context.ts';
import { alertData, alertEffect, alertMessage, evaluate, type MonthState } from './evaluate.ts';

/** The channels that are told of an event. */
export type Routes = (alert: Alert, event: AlertEvent) => readonly string[];

export interface Raised {
  /** What is pending or raised now, the oldest first. */
  readonly open: readonly Alert[];
  /** When a level that only holds reach will have lasted, in ms; null when none waits. */
  readonly lookAgainAtMs: number | null;
}

/**
 * Raises and resolves what this instant asks for, in the transaction that read it: so that several
 * monitors raise one alert, and a crash neither loses nor repeats it. Each change goes into the outbox.
 */
export function* raiseAlerts(
  ops: Operations,
  snapshot: Snapshot,
  routes: Routes,
  newId: () => string,
): Step<Raised> {
  const { nowMs } = snapshot;
  const month = windowAt('month', nowMs);
  const state = monthState(snapshot, month, yield* newestResetOf(ops, month.start));
  const before = yield* openAlerts(ops);
  const changes = evaluate(state, before);
  const gone = new Set<Alert>([...changes.resolve, ...changes.drop]);
  for (const alert of changes.resolve) {
    const { used, held, limit, percent } = alertData(state, alert.level);
    const data = { ...alert.data, atEnd: { used, held, limit, percent } };
    const resolved: Alert = { ...alert, data, state: 'resolved', resolvedAtMs: nowMs };
    yield* updateAlert(ops, resolved);
    yield* post(ops, resolved, 'resolved', routes);
  }
  for (const { id } of changes.drop) yield* removeAlert(ops, id);
  const open = before.filter((alert) => !gone.has(alert) && alert !== changes.raise?.pending);
  if (changes.raise !== null) {
    const { level, pending } = changes.raise;
    const fresh = pending ?? newAlert(level, state, newId());
    const numbers = alertData(state, level);
    const message = alertMessage(level, numbers, state);
    const effect = alertEffect(level, numbers, state);
    const opener = open.find((alert) => alert.state === 'raised');
    const incident = opener === undefined ? fresh.id : incidentOf(opener);
    const data = { ...numbers, incident, context: alertContext(snapshot, effect) };
    const raised: Alert = { ...fresh, state: 'raised', data, message, raisedAtMs: nowMs };
    yield* pending === null ? insertAlert(ops, raised) : updateAlert(ops, raised);
    yield* post(ops, raised, 'raised', routes);
    open.push(raised);
  }
  for (const level of changes.wait) {
    const waiting = newAlert(level, state, newId());
    yield* insertAlert(ops, waiting);
    open.push(waiting);
  }
  return { open, lookAgainAtMs: changes.lookAgainAtMs };
}

function* post(ops: Operations, alert: Alert, event: AlertEvent, routes: Routes): Step<void> {
  for (const channel of routes(alert, event)) yield* postDelivery(ops, alert, event, channel);
}

function monthState(
  { nowMs, windows, limits }: Snapshot,
  month: Window,
  newestReset: number,
): MonthState {
  const row = windows.find(
    ({ aiType, kind, start }) => aiType === null && kind === 'month' && start === month.start,
  );
  const { used, held } = row ?? { used: 0, held: 0 };
  return { nowMs, month, used, held, limits: limits.limits, newestReset };
}

function newAlert(level: Alert['level'], state: MonthState, id: string): Alert {
  const data = alertData(state, level);
  return {
    ...{ id, kind: 'level', level, aiType: null },
    ...{ windowKind: 'month', windowStart: state.month.start },
    ...{ state: 'pending', message: alertMessage(level, data, state), data },
    ...{ seenAtMs: state.nowMs, raisedAtMs: null, resolvedAtMs: null },
  };
}
