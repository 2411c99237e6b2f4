import { TokenctlError } from '../budget/errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Channel } from './channel.ts';
import { deliverAlerts, type FailedDelivery } from './deliver.ts';

/**
 * Delivers beside the checks of a monitor, each channel by itself: one that is slow or dead holds up
 * neither another nor the monitor. Of one channel there is one delivery under way.
 */
export class Postman {
  readonly channels: readonly Channel[];
  readonly #runtime: Runtime;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #failed: FailedDelivery[] = [];

  constructor(channels: readonly Channel[], runtime: Runtime) {
    this.channels = channels;
    this.#runtime = runtime;
  }

  /** Goes out with what is due for these channels; those that are still at work go on with it. */
  start(ledger: Ledger, due: readonly string[]): void {
    for (const channel of this.channels) {
      const { name } = channel;
      if (!due.includes(name) || this.#underWay.has(name) || this.#stop.signal.aborted) continue;
      const round = this.#deliver(ledger, channel).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, round);
    }
  }

  /** What failed since this was asked last. */
  takeFailed(): FailedDelivery[] {
    return this.#failed.splice(0);
  }

  /** Until everything that is under way has come back. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Starts nothing any more, and waits for what is told just now. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.idle();
  }

  async #deliver(ledger: Ledger, channel: Channel): Promise<void> {
    try {
      const options = { heedSilence: true, signal: this.#stop.signal };
      this.#failed.push(...(await deliverAlerts(ledger, channel, this.#runtime, options)));
    } catch (error) {
      // A ledger that is lost is told by the check; what was under way is due again after its pause.
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof TokenctlError)) {
        this.#failed.push({ channel: channel.name, error: reason, last: false });
      }
    }
  }
}
