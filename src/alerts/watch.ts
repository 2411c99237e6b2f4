import type { Alert } from '../ledger/alerts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { limitsReader } from '../ledger/limits-in-force.ts';
import { readSnapshot, type Snapshot } from '../ledger/snapshot.ts';
import { step } from '../ledger/steps.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Channel } from './channel.ts';
import { deliverAlerts, routesOf, type FailedDelivery } from './deliver.ts';
import { raiseAlerts, type Raised } from './raise.ts';

/** Due holds that one check charges, at most; the next one goes on. */
const EXPIRED_AT_ONCE = 256;

/** What one check of a monitor found. */
export interface Watched {
  readonly snapshot: Snapshot;
  /** Pending or raised now, the oldest first. */
  readonly open: readonly Alert[];
  /** When to look again at the latest, in ms by the ledger's clock; null leaves it to the interval. */
  readonly lookAgainAtMs: number | null;
  readonly failed: readonly FailedDelivery[];
}

/**
 * One check of a monitor: charges due holds, raises and resolves alerts at one instant, and delivers
 * what waits in the outbox.
 * @throws ledger_unavailable
 */
export async function watchLedger(
  ledger: Ledger,
  channels: readonly Channel[],
  runtime: Runtime,
): Promise<Watched> {
  const routes = routesOf(channels);
  const readLimits = limitsReader();
  const { snapshot, raised } = await ledger.write(function* (ops) {
    yield* step(ops.expireDue(EXPIRED_AT_ONCE));
    const now: Snapshot = yield* readSnapshot(ops, readLimits, {});
    const found: Raised = yield* raiseAlerts(ops, now, routes, () => runtime.newId());
    return { snapshot: now, raised: found };
  });
  return { snapshot, ...raised, failed: await deliverAlerts(ledger, channels, runtime) };
}
