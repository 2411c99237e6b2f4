import { countOf, GLOBAL, startsOf, type Count, type Row } from './model-counts.ts';

/** A change of one window that no row makes. */
export interface Adjustment {
  /** Which reset it belongs to: itself, its corrections, its undo; null for a deleted row. */
  readonly reset: number | null;
  readonly scope: string;
  readonly start: string;
  readonly count: Partial<Count>;
}

export interface Reset {
  readonly id: number;
  undone: boolean;
  /** What it has taken and not given back, by scope and window. */
  readonly taken: Map<string, { scope: string; start: string; by: Taken }>;
}

type Taken = Record<(typeof TAKEN)[number], number>;
const TAKEN = ['tokensIn', 'tokensOut', 'used', 'requests'] as const;

/** What resets took, and what falls back to them: docs/rules.md, "Resets". */
export class ModelResets {
  readonly all: Reset[] = [];

  get count(): number {
    return this.all.length;
  }

  /** A new reset, which takes these amounts from these windows. */
  begin(taking: readonly { scope: string; start: string; by: Taken }[]): Adjustment[] {
    const id = this.count + 1;
    this.all.push({ id, undone: false, taken: new Map() });
    return taking.map(({ scope, start, by }) => adjustment(id, scope, start, by, -1));
  }

  /** Gives back what a reset took, less what it has given back already. */
  undo(reset: Reset): Adjustment[] {
    reset.undone = true;
    return [...reset.taken.values()].map(({ scope, start, by }) =>
      adjustment(reset.id, scope, start, by, 1),
    );
  }

  remember({ reset, scope, start, count }: Adjustment): void {
    if (reset === null) return;
    const { taken } = this.all[reset - 1]!;
    const key = `${start} ${scope}`;
    let entry = taken.get(key);
    if (entry === undefined) taken.set(key, (entry = { scope, start, by: none() }));
    entry.by.tokensIn -= count.tokensIn ?? 0;
    entry.by.tokensOut -= count.tokensOut ?? 0;
    entry.by.used -= count.used ?? 0;
    entry.by.requests -= count.requestsReset ?? 0;
  }

  /**
   * What falls in a window is given back by the resets since it was charged, the oldest first, each
   * at most what it still has of that window.
   */
  corrections(before: Row, after: Row): Adjustment[] {
    if (before.state === 'reserved' || before.state === 'denied') return [];
    const [old, now] = [countOf(before), countOf(after)];
    const stillIn = new Set(before.aiType === after.aiType ? startsOf(after.atMs) : []);
    return startsOf(before.atMs).flatMap((start) => {
      const left = none();
      for (const column of TAKEN) {
        left[column] = Math.max(0, old[column] - (stillIn.has(start) ? now[column] : 0));
      }
      return this.all.slice(before.resetsBefore).flatMap((reset) => {
        const has = reset.taken.get(`${start} ${before.aiType}`);
        if (has === undefined) return [];
        const given = none();
        for (const column of TAKEN) {
          given[column] = Math.max(0, Math.min(left[column], has.by[column]));
          left[column] -= given[column];
        }
        if (TAKEN.every((column) => given[column] === 0)) return [];
        return [GLOBAL, before.aiType].map((scope) => adjustment(reset.id, scope, start, given, 1));
      });
    });
  }
}

function none(): Taken {
  return { tokensIn: 0, tokensOut: 0, used: 0, requests: 0 };
}

function adjustment(
  reset: number,
  scope: string,
  start: string,
  by: Taken,
  sign: 1 | -1,
): Adjustment {
  const { tokensIn, tokensOut, used, requests } = by;
  return {
    reset,
    scope,
    start,
    count: {
      tokensIn: sign * tokensIn,
      tokensOut: sign * tokensOut,
      used: sign * used,
      requestsReset: sign * requests,
    },
  };
}
