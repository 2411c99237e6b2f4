import { TokenctlError } from '../budget/errors.ts';
import { HASHES_AT_ONCE, tokensByHash, type AccessToken } from '../ledger/access-tokens.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Runtime } from '../platform/runtime.ts';
import { RecentMap } from './recent-map.ts';

/** How old an answer may be, in ms. */
const KNOWN_FOR_MS = 5_000;
/** How long a hash that nobody has is remembered, in ms. */
const UNKNOWN_FOR_MS = 1_000;
/** Answers of each kind that are remembered. */
export const REMEMBERED = 10_000;
/** Hashes never seen before that may wait for the database. */
export const NEWCOMERS = 1_000;

interface Answer {
  readonly token: AccessToken;
  /** On the monotonic clock, when the database was asked: what was changed later is not in it. */
  readonly askedAtMs: number;
}

interface Waiting {
  readonly answer: Promise<AccessToken | null>;
  resolve(token: AccessToken | null): void;
  reject(error: unknown): void;
}

/**
 * Finds tokens by their hash. Answers are remembered for a moment; one question is under way at a
 * time, and what comes meanwhile is asked together. So a flood of wrong tokens neither fills the
 * memory nor keeps the database busy, and those that were good before it are asked for first.
 */
export class TokenLookup {
  readonly #ledger: Ledger;
  readonly #runtime: Runtime;
  readonly #known = new RecentMap<string, Answer>(REMEMBERED);
  /** When each was asked for. */
  readonly #unknown = new RecentMap<string, number>(REMEMBERED);
  /** By hash, in the order in which they came. */
  readonly #returning = new Map<string, Waiting>();
  readonly #newcomers = new Map<string, Waiting>();
  /** What is being asked now. */
  #asked: ReadonlyMap<string, Waiting> = new Map();
  #asking = false;

  constructor(ledger: Ledger, runtime: Runtime) {
    this.#ledger = ledger;
    this.#runtime = runtime;
  }

  /** Whose hash it is; null when nobody's. @throws ledger_unavailable, ledger_busy */
  async find(hash: string): Promise<AccessToken | null> {
    const nowMs = this.#runtime.monotonicMs();
    const known = this.#known.get(hash);
    if (known !== undefined && nowMs - known.askedAtMs < KNOWN_FOR_MS) return known.token;
    const unknownAtMs = this.#unknown.get(hash);
    if (unknownAtMs !== undefined && nowMs - unknownAtMs < UNKNOWN_FOR_MS) return null;
    const waiting = this.#asked.get(hash) ?? this.#returning.get(hash) ?? this.#newcomers.get(hash);
    return (waiting ?? this.#wait(hash, known !== undefined)).answer;
  }

  #wait(hash: string, returning: boolean): Waiting {
    if (!returning && this.#newcomers.size >= NEWCOMERS) {
      throw new TokenctlError('ledger_busy', 'too many unknown tokens wait for the ledger');
    }
    const waiting = newWaiting();
    (returning ? this.#returning : this.#newcomers).set(hash, waiting);
    if (!this.#asking) void this.#ask();
    return waiting;
  }

  /** Asks until nobody waits. */
  async #ask(): Promise<void> {
    this.#asking = true;
    for (;;) {
      // What comes in the same turn is asked together.
      await this.#runtime.yield();
      const asked = this.#take();
      if (asked.size === 0) break;
      this.#asked = asked;
      await this.#answer(asked);
      this.#asked = new Map();
    }
    this.#asking = false;
  }

  async #answer(asked: ReadonlyMap<string, Waiting>): Promise<void> {
    const askedAtMs = this.#runtime.monotonicMs();
    try {
      const found = await this.#ledger.read((ops) => tokensByHash(ops, [...asked.keys()]));
      if (this.#runtime.monotonicMs() - askedAtMs > KNOWN_FOR_MS) {
        throw new TokenctlError('ledger_unavailable', 'the ledger was too slow to say who it is');
      }
      for (const [hash, waiting] of asked) {
        const token = found.get(hash) ?? null;
        this.#remember(hash, token, askedAtMs);
        waiting.resolve(token);
      }
    } catch (error) {
      // Those who wait would only learn the same later.
      const all = [...asked.values(), ...this.#take(Infinity).values()];
      for (const waiting of all) waiting.reject(error);
    }
  }

  #remember(hash: string, token: AccessToken | null, askedAtMs: number): void {
    if (token === null) {
      this.#known.delete(hash);
      this.#unknown.set(hash, askedAtMs);
    } else {
      this.#unknown.delete(hash);
      this.#known.set(hash, { token, askedAtMs });
    }
  }

  /** Those who have waited longest, the returning ones first. */
  #take(most = HASHES_AT_ONCE): Map<string, Waiting> {
    const taken = new Map<string, Waiting>();
    for (const queue of [this.#returning, this.#newcomers]) {
      for (const [hash, waiting] of queue) {
        if (taken.size >= most) return taken;
        queue.delete(hash);
        taken.set(hash, waiting);
      }
    }
    return taken;
  }
}

function newWaiting(): Waiting {
  let resolve!: Waiting['resolve'];
  let reject!: Waiting['reject'];
  const answer = new Promise<AccessToken | null>((...both) => {
    [resolve, reject] = both;
  });
  return { answer, resolve, reject };
}
