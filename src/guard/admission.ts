import type { Verdict } from '../budget/verdict.ts';
import type { Runtime } from '../platform/runtime.ts';
import { pause } from '../platform/timers.ts';
import type { Budget } from './hold.ts';
import type { ReserveRequest } from './input.ts';

/** The shortest wait before a reserve is tried again, and how much it is spread, in ms. */
const SHORTEST_WAIT_MS = 20;
const SPREAD_MS = 30;

/**
 * Reserves, and waits for a window or rate that frees in time. A denial that no waiting mends, or that
 * frees too late, is answered at once.
 * @param maxWaitMs how long it may wait in all
 * @throws the signal's reason when it is aborted while waiting
 */
export async function reserveInTime(
  budget: Budget,
  request: ReserveRequest,
  maxWaitMs: number,
  runtime: Runtime,
  signal: AbortSignal | null | undefined,
): Promise<Verdict> {
  const deadlineMs = runtime.monotonicMs() + maxWaitMs;
  for (;;) {
    const verdict = await budget.reserve(request);
    if (verdict.admitted || verdict.retryAt === null) return verdict;
    const untilFreeMs = Math.max(0, Date.parse(verdict.retryAt) - runtime.nowMs());
    const leftMs = deadlineMs - runtime.monotonicMs();
    if (untilFreeMs >= leftMs) return verdict;
    // Those who wait for the same window do not all come at the same instant.
    const waitMs = untilFreeMs + SHORTEST_WAIT_MS + runtime.random() * SPREAD_MS;
    await pause(Math.min(waitMs, leftMs), signal);
  }
}
