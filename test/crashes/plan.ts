/** When each worker of a crash run dies: half of them at random, half at named points, from one seed. */

/** The moments of a call at which a worker is told to kill itself; worker.mjs passes them. */
export const POINTS = [
  'before COMMIT',
  'after COMMIT, before the answer',
  'after the reserve, before its journal',
  'after the journal, before the call',
  'after the call, before the settle',
  'after the settle, before its journal',
] as const;
type Point = (typeof POINTS)[number];

export type Death =
  /** Killed from outside, so many ms after its start, or after it was ready. */
  | { readonly at: 'random'; readonly after: 'start' | 'ready'; readonly delayMs: number }
  /** It kills itself when it comes to the point for the so-many-eth time. */
  | { readonly at: Point; readonly passage: number };

const RANDOM_DELAY_MS = 200;
const PASSAGES = 8;
/** One in so many random kills hits a process that is still opening the database. */
const STARTING = 8;

/** One death for each life. With 12 or more lives, each point is among them. */
export function planDeaths(kills: number, seed: number): Death[] {
  const random = randomFrom(seed);
  return Array.from({ length: kills }, (_, life): Death => {
    if (life % 2 === 0) {
      const after = random() < 1 / STARTING ? 'start' : 'ready';
      return { at: 'random', after, delayMs: random() * RANDOM_DELAY_MS };
    }
    const at = POINTS[((life - 1) / 2) % POINTS.length]!;
    return { at, passage: 1 + Math.floor(random() * PASSAGES) };
  });
}

/** Numbers from 0 up to 1, always the same ones for one seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
