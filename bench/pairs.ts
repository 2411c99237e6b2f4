import type { Guard } from '../src/guard/guard.ts';

/** Reserve + settle pairs by concurrent callers of one process, for a time. */
export async function guardedPairs(
  guard: Guard,
  callers: number,
  forMs: number,
): Promise<{ pairs: number; ms: number; reserveMs: number[] }> {
  const start = performance.now();
  const reserveMs: number[] = [];
  let pairs = 0;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() - start < forMs) {
        const before = performance.now();
        const verdict = await guard.reserve({
          aiType: 'bench',
          estimate: { input: 80, output: 20 },
        });
        reserveMs.push(performance.now() - before);
        if (verdict.reservation === null) throw new Error(JSON.stringify(verdict));
        await guard.settle(verdict.reservation.id, { inputTokens: 60, outputTokens: 12 });
        pairs += 1;
      }
    }),
  );
  return { pairs, ms: performance.now() - start, reserveMs };
}
