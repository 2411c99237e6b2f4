import { v7 as uuidv7 } from 'uuid';

/** Time, randomness and waiting: passed to everything that needs them, so that tests can replace them. */
export interface Runtime {
  /** The wall clock, in ms since 1970 UTC. */
  nowMs(): number;
  /** A clock that never goes back, in ms: for deadlines. */
  monotonicMs(): number;
  /** From 0 up to 1, for jitter. */
  random(): number;
  /** A new UUIDv7, ordered by time. */
  newId(): string;
  sleep(ms: number): Promise<void>;
  /** Lets everything that is ready run first. */
  yield(): Promise<void>;
}

export const systemRuntime: Runtime = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  random: () => Math.random(),
  newId: () => uuidv7(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};
