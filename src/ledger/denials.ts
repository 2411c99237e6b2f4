import type { NewLog } from './port.ts';

/** Denials a second and AI type that get a row of their own; the rest share that second's summary row. */
const DENIAL_ROWS_PER_SECOND = 10;

interface Second {
  readonly second: number;
  readonly rows: number;
  readonly summaryId: string | null;
}

/** What a batch writes about its denials, and what to remember once it is committed. */
export interface DenialPlan {
  readonly rows: NewLog[];
  /** Denials to add to summary rows that earlier batches wrote, by row id. */
  readonly additions: ReadonlyMap<string, number>;
  readonly next: ReadonlyMap<string, Second>;
}

/**
 * Keeps a storm of denials from filling the log: above ten a second and AI type, in one process, they
 * are counted in one summary row. `seen` is what earlier batches wrote, by AI type.
 */
export function planDenials(
  denials: readonly NewLog[],
  seen: ReadonlyMap<string, Second>,
  nowMs: number,
): DenialPlan {
  const second = Math.floor(nowMs / 1000);
  const rows: NewLog[] = [];
  const additions = new Map<string, number>();
  const next = new Map<string, Second>();
  for (const [aiType, entry] of seen) if (entry.second === second) next.set(aiType, entry);
  const summaries = new Map<string, NewLog>();
  for (const denial of denials) {
    const entry = next.get(denial.aiType) ?? { second, rows: 0, summaryId: null };
    if (entry.rows < DENIAL_ROWS_PER_SECOND) {
      rows.push(denial);
      next.set(denial.aiType, { ...entry, rows: entry.rows + 1 });
      continue;
    }
    const mine = summaries.get(denial.aiType);
    if (mine !== undefined) {
      mine.deniedCount += 1;
    } else if (entry.summaryId !== null) {
      additions.set(entry.summaryId, (additions.get(entry.summaryId) ?? 0) + 1);
    } else {
      const summary = { ...denial, requestId: null };
      summaries.set(denial.aiType, summary);
      rows.push(summary);
      next.set(denial.aiType, { ...entry, summaryId: summary.id });
    }
  }
  return { rows, additions, next };
}

export type SeenDenials = ReadonlyMap<string, Second>;
