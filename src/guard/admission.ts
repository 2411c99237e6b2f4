import type { Verdict } from '../budget/verdict.ts';
import type { Runtime } from '../platform/runtime.ts';
import { pause } from '../platform/timers.ts';
import type { Budget } from './hold.ts';
import type { ReserveRequest } from './input.ts';

/** The wait beyond the time that the verdict names, in ms: it doubles with each try, as clocks may differ. */
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1_000;

/**
 * Reserves, and waits for a window or rate that frees in time. A denial that no waiting mends, or that
 * frees too late, is answered at once. While it waits it only looks, so that trying counts as no denial.
 * @param maxWaitMs how long it may wait in all
 * @throws the signal's reason when it is aborted while waiting
 */
export async function reserveInTime(
  budget: Pick<Budget, 'reserve' | 'check'>,
  request: ReserveRequest,
  maxWaitMs: number,
  runtime: Runtime,
  signal: AbortSignal | null | undefined,
): Promise<Verdict> {
  const deadlineMs = runtime.monotonicMs() + maxWaitMs;
  let extraMs = FIRST_WAIT_MS;
  let verdict = await budget.reserve(request);
  for (;;) {
    if (verdict.admitted || verdict.retryAt === null) return verdict;
    const untilFreeMs = Math.max(0, Date.parse(verdict.retryAt) - runtime.nowMs());
    const leftMs = deadlineMs - runtime.monotonicMs();
    if (untilFreeMs >= leftMs) return verdict;
    // Those who wait for the same window do not all come at the same instant.
    await pause(Math.min(untilFreeMs + extraMs * (1 + runtime.random()), leftMs), signal);
    extraMs = Math.min(2 * extraMs, LONGEST_WAIT_MS);
    const seen = await budget.check(request);
    verdict = seen.admitted ? await budget.reserve(request) : seen;
  }
}
