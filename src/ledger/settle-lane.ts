import type { Runtime } from '../platform/runtime.ts';
import { openEnding } from './batch.ts';
import type { Connection, EndedLog } from './port.ts';
import { BoundedQueue, type Waiting } from './queue.ts';

/** Settles and releases in one statement, at most. */
const AT_ONCE = 256;

export interface SettleLaneOptions {
  readonly connection: Connection;
  readonly endOpen: NonNullable<Connection['endOpen']>;
  readonly runtime: Runtime;
  readonly mostQueued: number;
  /** Takes what is not simply an open reservation's end: it needs a look at its row, under the lock. */
  readonly handOver: (waiting: Waiting) => void;
  readonly refuseLate: (waiting: Waiting, cause: unknown) => void;
}

/**
 * Ends open reservations beside the admissions, on a connection of their own. An end decides nothing
 * and only ever replaces a hold by what was used, so it needs no lock: to a decision it is as one of
 * another process, committed before or after it. Where a database has one writer there is no lane.
 */
export class SettleLane {
  readonly #options: SettleLaneOptions;
  readonly #queue: BoundedQueue;
  #draining: Promise<void> | null = null;

  constructor(options: SettleLaneOptions) {
    this.#options = options;
    this.#queue = new BoundedQueue(options.mostQueued);
  }

  /** False when it is full. */
  push(waiting: Waiting): boolean {
    if (!this.#queue.push(waiting)) return false;
    this.#start();
    return true;
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#draining !== null) await this.#draining;
  }

  #start(): void {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
      if (this.#queue.size > 0) this.#start();
    });
  }

  async #drain(): Promise<void> {
    const { connection, runtime, refuseLate } = this.#options;
    let failures = 0;
    let cause: unknown = null;
    await runtime.yield();
    for (;;) {
      for (const late of this.#queue.takeLate(runtime.monotonicMs())) refuseLate(late, cause);
      const batch = this.#queue.take(AT_ONCE);
      if (batch.length === 0) return;
      try {
        await this.#end(batch);
        failures = 0;
        cause = null;
        await runtime.yield();
      } catch (error) {
        const kind = connection.classify(error);
        if (kind === 'busy' || kind === 'lost') {
          cause = error;
          this.#queue.putBack(batch);
          await runtime.sleep(runtime.random() * Math.min(500, 10 * 2 ** failures));
          failures += 1;
        } else {
          for (const waiting of batch) this.#options.handOver(waiting);
        }
      }
    }
  }

  async #end(batch: readonly Waiting[]): Promise<void> {
    const { endOpen, handOver } = this.#options;
    const ends = new Map<string, { waiting: Waiting; log: EndedLog }>();
    const others: Waiting[] = [];
    for (const waiting of batch) {
      const { command } = waiting;
      const log = command.kind === 'reserve' || ends.has(command.id) ? null : openEnding(command);
      if (log === null) others.push(waiting);
      else ends.set(log.id, { waiting, log });
    }
    // In the order of their ids, so that two processes that end the same ones can't deadlock.
    const logs = [...ends.values()]
      .map(({ log }) => log)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const ended = new Set(logs.length === 0 ? [] : await endOpen(logs));
    for (const { waiting, log } of ends.values()) {
      if (!ended.has(log.id)) others.push(waiting);
      else {
        const { id, state, totalTokens } = log;
        waiting.resolve({ kind: 'ending', ending: { id, state, charged: totalTokens } });
      }
    }
    for (const waiting of others) handOver(waiting);
  }
}
