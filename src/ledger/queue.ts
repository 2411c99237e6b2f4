import type { Command, Outcome } from './commands.ts';

/** A command that waits for its commit. */
export interface Waiting {
  readonly command: Command;
  /** On the clock that never goes back, in ms. */
  readonly deadlineMs: number;
  /** It was in a transaction whose outcome is unknown. */
  replay: boolean;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** First in, first out, with a bound. Taking from the front costs no copying of the rest. */
export class BoundedQueue {
  readonly #most: number;
  #items: Waiting[] = [];
  #first = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#items.length - this.#first;
  }

  /** False when it is full. */
  push(item: Waiting): boolean {
    if (this.size >= this.#most) return false;
    this.#items.push(item);
    return true;
  }

  take(most: number): Waiting[] {
    const taken = this.#items.slice(this.#first, this.#first + most);
    this.#first += taken.length;
    if (this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    } else if (this.#first > 4_096) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }

  /** Puts a batch back in front: it was admitted to the queue once, so the bound does not apply. */
  putBack(items: readonly Waiting[]): void {
    if (items.length === 0) return;
    this.#items = [...items, ...this.#items.slice(this.#first)];
    this.#first = 0;
  }

  /** Takes everything whose deadline has passed. */
  takeLate(nowMs: number): Waiting[] {
    if (this.size === 0) return [];
    const late: Waiting[] = [];
    const rest: Waiting[] = [];
    for (const item of this.#items.slice(this.#first)) {
      (item.deadlineMs <= nowMs ? late : rest).push(item);
    }
    if (late.length > 0) {
      this.#items = rest;
      this.#first = 0;
    }
    return late;
  }
}
