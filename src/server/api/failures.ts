import type { Runtime } from '../../platform/runtime.ts';
import { RecentMap } from '../recent-map.ts';

const MINUTE_MS = 60_000;
/** Addresses that are remembered. */
const ADDRESSES = 10_000;

interface Failures {
  readonly sinceMs: number;
  readonly count: number;
}

/**
 * Counts calls without a good token, by address. A good token passes all the same: on one machine all
 * backends have one address, and one that tries an old token over and over must not stop the others.
 */
export class FailedCalls {
  readonly #byAddress = new RecentMap<string, Failures>(ADDRESSES);
  readonly #runtime: Runtime;
  readonly #most: number;

  /** @param most how many an address may make in a minute */
  constructor(runtime: Runtime, most = 10) {
    this.#runtime = runtime;
    this.#most = most;
  }

  /** Counts one more; how many whole seconds the address should wait, null where it made few. */
  count(address: string): number | null {
    const nowMs = this.#runtime.monotonicMs();
    const known = this.#byAddress.get(address);
    const current =
      known === undefined || nowMs - known.sinceMs >= MINUTE_MS
        ? { sinceMs: nowMs, count: 0 }
        : known;
    const counted = { sinceMs: current.sinceMs, count: current.count + 1 };
    this.#byAddress.set(address, counted);
    if (counted.count <= this.#most) return null;
    return Math.max(1, Math.ceil((counted.sinceMs + MINUTE_MS - nowMs) / 1_000));
  }
}
