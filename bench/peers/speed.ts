import type { Budget } from './contender.ts';

export interface Speed {
  readonly perSecond: number;
  /** Of an admission alone, in ms: half, 99 % and 99.9 % take no longer. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** How fast the callers of one process are admitted to a budget that does not bind. */
export async function speedOf(budget: Budget, callers: number, forMs: number): Promise<Speed> {
  const start = performance.now();
  const times: number[] = [];
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() - start < forMs) {
        const before = performance.now();
        const admission = await budget.admit();
        times.push(performance.now() - before);
        if (admission === null) throw new Error('refused below the limit');
        if (admission.settle !== undefined) await admission.settle();
      }
    }),
  );
  const seconds = (performance.now() - start) / 1_000;
  // A memory store has millions of them.
  const sorted = Float64Array.from(times).sort();
  const at = (q: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { perSecond: sorted.length / seconds, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}
