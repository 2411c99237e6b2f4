import type { Alert, AlertEvent } from '../ledger/alerts.ts';

/** A way on which alerts go out. */
export interface Channel {
  /** Its name in the outbox. */
  readonly name: string;
  /** Which events it tells. */
  readonly events: readonly AlertEvent[];
  /** Tells one. May tell one again after a crash. @throws when it could not be told: it is tried again */
  send(alert: Alert, event: AlertEvent): Promise<void>;
}
