import { invalidInput } from '../budget/errors.ts';
import { isoTime } from '../budget/windows.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Ledger } from './ledger.ts';
import type { PrunableRows } from './port.ts';
import { step, type Step } from './steps.ts';

/** Deletes the log rows of closed months. What they count for stays: windows, rollups, token_usage. */

export interface PrunePlan {
  readonly rows: readonly PrunableRows[];
  /** Open reservations of those months, which stay. Holds past their time are charged, then deleted. */
  readonly open: number;
}

/** Rows in one transaction: admissions go on between two of them. */
const CHUNK = 1_000;
/** How long a chunk's end gives way to others, at most, in ms. */
const GIVE_WAY_MS = 50;

/** What a prune would delete. @throws invalid_input where a month is not closed yet, by the ledger's clock */
export function planPrune(ledger: Ledger, before: string): Promise<PrunePlan> {
  return ledger.read(function* (ops): Step<PrunePlan> {
    requireClosed(before, ops.nowMs);
    return yield* step(ops.prunable(startOf(before)));
  });
}

/**
 * Deletes the rows of the months before `before` ('YYYY-MM'), the oldest first, a chunk a transaction.
 * Stopped half-way, what is deleted is deleted, and every count is right.
 * @returns how many it deleted
 */
export async function pruneLogs(
  ledger: Ledger,
  before: string,
  actor: string | null,
  runtime: Runtime,
  onProgress: (done: number) => void,
): Promise<number> {
  let deleted = 0;
  for (;;) {
    const startMs = runtime.monotonicMs();
    const rows = await ledger.write(function* (ops): Step<number> {
      requireClosed(before, ops.nowMs);
      yield* step(ops.expireDue(CHUNK));
      return yield* step(ops.pruneLogs(startOf(before), CHUNK, actor));
    });
    deleted += rows;
    onProgress(deleted);
    if (rows === 0) return deleted;
    await runtime.sleep(Math.min(runtime.monotonicMs() - startMs, GIVE_WAY_MS));
  }
}

/** @throws invalid_input unless every month before it is closed */
export function requireClosed(before: string, nowMs: number): void {
  const current = isoTime(nowMs).slice(0, 7);
  if (before <= current) return;
  throw invalidInput(
    '--before',
    `only closed months can be pruned, and ${current} is not closed yet (UTC)`,
    `at most: --before ${current}`,
  );
}

function startOf(month: string): number {
  return Date.parse(`${month}-01T00:00:00Z`);
}
