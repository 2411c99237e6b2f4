import { openAlerts, type Alert } from './alerts.ts';
import { readExpired, type ExpiredRequests } from './expired.ts';
import { limitsReader } from './limits-in-force.ts';
import type { Ledger } from './ledger.ts';
import type { PlainStatement } from './port.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { step } from './steps.ts';

/** What metrics are made of, read at one instant. */
export interface Measurements {
  readonly snapshot: Snapshot;
  /** Those that were raised and are not over. */
  readonly raised: readonly Alert[];
  /** Reservations that are neither settled, released nor charged, those past their time included. */
  readonly openReservations: number;
  /** Tokens of those past their time. They show as used; the next batch charges them. */
  readonly overdueTokens: number;
  /** Of the current windows, those past their time included. */
  readonly expired: readonly ExpiredRequests[];
}

/** Reads the index of open reservations alone. */
const OPEN: PlainStatement = {
  name: 'open_reservations',
  sql: `SELECT count(*) AS open FROM token_usage_logs WHERE state = 'reserved'`,
};

/** Everything that metrics show of the ledger. Writes nothing. @throws ledger_unavailable */
export function readMeasurements(ledger: Ledger): Promise<Measurements> {
  const readLimits = limitsReader();
  return ledger.read(function* (ops) {
    const snapshot = yield* readSnapshot(ops, readLimits, {});
    const alerts = yield* openAlerts(ops);
    const [row] = yield* step(ops.query<{ open: number }>(OPEN, {}));
    const due = yield* step(ops.dueHolds());
    return {
      snapshot,
      raised: alerts.filter(({ state }) => state === 'raised'),
      openReservations: row?.open ?? 0,
      overdueTokens: due.reduce((sum, { tokens }) => sum + tokens, 0),
      expired: yield* readExpired(ops, due),
    };
  });
}
