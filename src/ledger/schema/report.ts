/** What a migration did, or would do. */
export interface MigrationReport {
  /** The database itself was created. */
  readonly created: boolean;
  readonly applied: readonly string[];
  /** What was taken over from the tables of older backends; null where there were none. */
  readonly adopted: Adoption | null;
  readonly dryRun: boolean;
  readonly upToDate: boolean;
}

export interface Adoption {
  /** Log rows that are counted now. */
  readonly logs: number;
  readonly months: readonly AdoptedMonth[];
}

/** One month's old token_usage row of one AI type, beside what its log rows add up to. */
export interface AdoptedMonth {
  readonly aiType: string;
  readonly month: string;
  readonly oldTokens: number;
  readonly counted: number;
  /**
   * adjusted: the older figure was higher, and the difference was added. logs_win: it was lower.
   * ignored: a row of totals, or of no month.
   */
  readonly outcome: 'agrees' | 'adjusted' | 'logs_win' | 'ignored';
  /** The command that restores the older figure, where there is one. */
  readonly fix: string | null;
}

export interface OldUsage {
  readonly aiType: string;
  /** The AI type as it counts; null for a name that stands for no AI type (a row of totals). */
  readonly countsAs: string | null;
  /** As it was written; 'YYYY-MM' unless its writer erred. */
  readonly month: string;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly total: number;
  readonly requests: number;
}

export interface CountedMonth {
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly used: number;
  readonly requests: number;
}

/** What must be added so that nothing that was counted before is lost. Amounts are never negative. */
export interface AdoptionDifference extends CountedMonth {
  readonly aiType: string;
  readonly month: string;
}

const TOTALS = ['global', 'all', 'none'];

/** The AI type under which an older token_usage row counts, by the rule of the triggers. */
export function countedName(written: string): string | null {
  const name = written.trim().toLowerCase();
  if (TOTALS.includes(name)) return null;
  return /^[a-z0-9][a-z0-9_.-]{0,49}$/.test(name) && name !== 'unknown' ? name : 'unknown';
}

/** Compares each older month with its logs. Where it was higher the difference is kept. */
export function compareMonths(
  old: readonly OldUsage[],
  counted: (aiType: string, month: string) => CountedMonth,
  currentMonth: string,
): { months: AdoptedMonth[]; differences: AdoptionDifference[] } {
  const sums = new Map<string, OldUsage>();
  const months: AdoptedMonth[] = [];
  for (const row of old) {
    if (row.countsAs === null || !/^\d{4}-(0[1-9]|1[0-2])$/.test(row.month)) {
      const { aiType, month, total } = row;
      months.push({ aiType, month, oldTokens: total, counted: 0, outcome: 'ignored', fix: null });
      continue;
    }
    const key = `${row.countsAs} ${row.month}`;
    const sum = sums.get(key);
    sums.set(key, {
      ...row,
      aiType: row.countsAs,
      tokensIn: row.tokensIn + (sum?.tokensIn ?? 0),
      tokensOut: row.tokensOut + (sum?.tokensOut ?? 0),
      total: Math.max(row.total, row.tokensIn + row.tokensOut) + (sum?.total ?? 0),
      requests: row.requests + (sum?.requests ?? 0),
    });
  }
  const differences: AdoptionDifference[] = [];
  for (const { aiType, month, tokensIn, tokensOut, total, requests } of sums.values()) {
    const now = counted(aiType, month);
    const base = { aiType, month, oldTokens: total, counted: now.used };
    if (total === now.used) {
      months.push({ ...base, outcome: 'agrees', fix: null });
    } else if (total > now.used) {
      months.push({ ...base, outcome: 'adjusted', fix: null });
      differences.push({
        aiType,
        month,
        tokensIn: Math.max(0, tokensIn - now.tokensIn),
        tokensOut: Math.max(0, tokensOut - now.tokensOut),
        used: total - now.used,
        requests: Math.max(0, requests - now.requests),
      });
    } else {
      const fix =
        month === currentMonth
          ? `tokenctl reset --ai-type ${aiType} --window month --to ${String(total)} --reason "figure before adoption"`
          : null;
      months.push({ ...base, outcome: 'logs_win', fix });
    }
  }
  return { months, differences };
}
