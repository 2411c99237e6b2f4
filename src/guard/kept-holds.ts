import type { Outcome } from '../anthropic/outcome.ts';
import { later } from '../platform/timers.ts';
import type { Hold } from './hold.ts';

/** The SDK's options of a call, of which the caller's own signal is looked at. */
export interface SdkCall {
  readonly signal?: AbortSignal | null | undefined;
}

interface Kept {
  readonly hold: Hold;
  readonly outcome: Outcome;
  readonly stop: () => void;
}

/**
 * Holds between two attempts at a call. The next attempt takes its hold up again; one that nobody
 * takes ends by how its last attempt ended: when the caller aborts, when the SDK gives up, or, if
 * neither can be seen, when the time for another attempt is over.
 */
export class KeptHolds {
  /** By the options of a call, which are the same object in all its attempts. */
  readonly #byCall = new WeakMap<SdkCall, Set<Kept>>();

  /**
   * @param forMs until when another attempt may come
   * @returns ends it now, unless the next attempt has taken it
   */
  keep(call: SdkCall, hold: Hold, outcome: Outcome, forMs: number): () => Promise<void> {
    const kept = this.#byCall.get(call) ?? new Set();
    this.#byCall.set(call, kept);
    const { signal } = call;
    const giveUp = async (): Promise<void> => {
      if (!kept.delete(one)) return;
      one.stop();
      await hold.end(outcome);
    };
    const onAbort = (): void => void giveUp();
    const backstop = later(forMs, onAbort);
    signal?.addEventListener('abort', onAbort, { once: true });
    const one: Kept = {
      hold,
      outcome,
      stop: () => {
        backstop.callOff();
        signal?.removeEventListener('abort', onAbort);
      },
    };
    kept.add(one);
    if (signal?.aborted === true) onAbort();
    return giveUp;
  }

  /** The hold of this call's last attempt. Where a call was made twice at once, either of the two: they are equal. */
  take(call: SdkCall): Hold | null {
    const kept = this.#byCall.get(call);
    const [one] = kept ?? [];
    if (kept === undefined || one === undefined) return null;
    kept.delete(one);
    one.stop();
    if (one.outcome.kind === 'unknown') one.hold.countUnknownAttempt();
    return one.hold;
  }
}
