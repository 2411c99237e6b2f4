import { USUAL_ALERT_KINDS, type AlertKindSettings } from '../budget/alert-kinds.ts';
import { dueChannels, type Alert } from '../ledger/alerts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { limitsReader } from '../ledger/limits-in-force.ts';
import { readSnapshot, type Snapshot } from '../ledger/snapshot.ts';
import { step } from '../ledger/steps.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Channel } from './channel.ts';
import { deliverAlerts, LONGEST_WAIT_MS, routesOf, type FailedDelivery } from './deliver.ts';
import type { Postman } from './postman.ts';
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
 * what waits in the outbox to these channels. The postman goes out with what is for his; what came
 * back from him since the last check is among `failed`.
 * @throws ledger_unavailable
 */
export async function watchLedger(
  ledger: Ledger,
  channels: readonly Channel[],
  runtime: Runtime,
  postman: Postman | null = null,
  kinds: AlertKindSettings = USUAL_ALERT_KINDS,
): Promise<Watched> {
  const routes = routesOf([...channels, ...(postman?.channels ?? [])]);
  const readLimits = limitsReader();
  const { snapshot, raised, due } = await ledger.write(function* (ops) {
    yield* step(ops.expireDue(EXPIRED_AT_ONCE));
    const now: Snapshot = yield* readSnapshot(ops, readLimits, {});
    const found: Raised = yield* raiseAlerts(ops, now, routes, () => runtime.newId(), kinds);
    return { snapshot: now, raised: found, due: yield* dueChannels(ops, LONGEST_WAIT_MS) };
  });
  postman?.start(ledger, due);
  const failed: FailedDelivery[] = [];
  for (const channel of channels.filter(({ name }) => due.includes(name))) {
    failed.push(...(await deliverAlerts(ledger, channel, runtime)));
  }
  return { snapshot, ...raised, failed: [...failed, ...(postman?.takeFailed() ?? [])] };
}
