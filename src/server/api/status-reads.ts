import type { App } from '../../app.ts';
import type { Limits } from '../../budget/limits.ts';
import { statusReport, type StatusReport } from '../../ledger/status.ts';

/** The ledger at one instant. */
export interface Seen {
  readonly report: StatusReport;
  readonly limits: Limits;
}

/** Makes a document of what was seen once, for all who share it. */
export function sharedDocument<T extends object>(make: (seen: Seen) => T): (seen: Seen) => T {
  const made = new WeakMap<Seen, T>();
  return (seen) => {
    const known = made.get(seen) ?? make(seen);
    made.set(seen, known);
    return known;
  };
}

/**
 * Reads the ledger for all who ask: one read is under way at a time, and those who ask meanwhile share the
 * next. So every answer is newer than its question, however many ask.
 */
export class StatusReads {
  readonly #app: App;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<Seen> | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  /** @throws ledger_unavailable */
  read(): Promise<Seen> {
    this.#next ??= this.#readNext();
    return this.#next;
  }

  async #readNext(): Promise<Seen> {
    await this.#current;
    // What comes in the same turn is answered together.
    await this.#app.runtime.yield();
    this.#next = null;
    const seen = this.#read();
    this.#current = seen.catch(() => undefined);
    return seen;
  }

  async #read(): Promise<Seen> {
    const snapshot = await this.#app.ledger.snapshot();
    return {
      report: statusReport(snapshot, this.#app.location),
      limits: snapshot.limits.limits,
    };
  }
}
