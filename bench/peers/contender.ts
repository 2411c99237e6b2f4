/** What each call asks for, with every contender. */
export const INPUT_TOKENS = 80;
export const OUTPUT_TOKENS = 20;
export const TOKENS = INPUT_TOKENS + OUTPUT_TOKENS;

/**
 * Connections of a peer's pool on PostgreSQL. All their calls update one row, so that more of them
 * only wait for each other: the default of 10 was slower than 2 or 4.
 */
export const CONNECTIONS = 4;

/** One way to keep a budget, as its own documentation says. */
export interface Contender {
  readonly name: string;
  readonly store: 'memory' | 'sqlite' | 'postgresql';
  /** Makes the budget's tables. `place` is a file or a URL; nothing for memory. */
  create(place: string, limit: number): Promise<void>;
  /** This process's hold of the budget. */
  open(place: string, limit: number): Promise<Budget>;
}

export interface Budget {
  /** Asks for TOKENS; null when refused. @throws when the store gave no answer */
  admit(): Promise<Admission | null>;
  /** The tokens that the budget's own counter stands at. */
  counted(): Promise<number>;
  close(): Promise<void>;
}

interface Admission {
  /** What follows the provider's call; absent where there is nothing to do. */
  settle?(): Promise<unknown>;
}
