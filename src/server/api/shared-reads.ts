import type { Runtime } from '../../platform/runtime.ts';

interface Reading {
  /** What is under way, once it has begun. */
  current: Promise<unknown>;
  /** What begins when that is over. */
  next: Promise<unknown> | null;
}

/**
 * Reads once for all who ask the same: one read of it is under way at a time, and those who ask meanwhile
 * share the next. So every answer is newer than its question, however many ask.
 */
export class SharedReads {
  readonly #runtime: Runtime;
  /** What somebody waits for, by what was asked. */
  readonly #readings = new Map<string, Reading>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** How many different reads somebody waits for. */
  get size(): number {
    return this.#readings.size;
  }

  /** @param key what is asked: whoever asks the same gets the same, an error too */
  share<T>(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.#readings.get(key);
    const reading = known ?? { current: Promise.resolve(), next: null };
    if (known === undefined) this.#readings.set(key, reading);
    reading.next ??= this.#readNext(key, reading, read);
    return reading.next as Promise<T>;
  }

  async #readNext<T>(key: string, reading: Reading, read: () => Promise<T>): Promise<T> {
    await reading.current;
    // What comes in the same turn is answered together.
    await this.#runtime.yield();
    reading.next = null;
    // Also where it throws by itself.
    const answer = (async () => read())();
    const over = answer.then(
      () => this.#forget(key, reading),
      () => this.#forget(key, reading),
    );
    reading.current = over;
    return answer;
  }

  #forget(key: string, reading: Reading): void {
    if (reading.next === null) this.#readings.delete(key);
  }
}
