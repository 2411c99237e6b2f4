import { setTimeout as wait } from 'node:timers/promises';

/** The longest time that one timer can have, in ms. */
const LONGEST_MS = 2 ** 31 - 1;

/** Waits, at most 24 days. @throws the signal's reason when it is aborted */
export async function pause(ms: number, signal?: AbortSignal | null): Promise<void> {
  try {
    await wait(Math.min(ms, LONGEST_MS), undefined, signal ? { signal } : {});
  } catch (error) {
    throw signal?.reason ?? error;
  }
}

/** Does something later, unless it is called off, or the process has nothing else to do and ends. */
export function later(ms: number, work: () => void): { callOff(): void } {
  const timer = setTimeout(work, Math.min(ms, LONGEST_MS)).unref();
  return { callOff: () => clearTimeout(timer) };
}
