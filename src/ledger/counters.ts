import type { Counters, RecentRequest, ScopeCounts, WindowCount } from '../budget/decide.ts';
import { WINDOW_KINDS, windowsAt, type WindowKind } from '../budget/windows.ts';
import type { WindowRow } from './port.ts';

interface Count {
  used: number;
  held: number;
}
type Scope = Record<WindowKind, Count>;

/**
 * The counts that a batch decides against: read once, then carried in memory, so that each request
 * of the batch sees those admitted before it.
 */
export class BatchCounters {
  readonly #scopes = new Map<string | null, Scope>();
  readonly #recent: RecentRequest[];
  #requestsToday = 0;

  constructor(rows: readonly WindowRow[], recent: readonly RecentRequest[], nowMs: number) {
    this.#recent = [...recent];
    const windows = windowsAt(nowMs);
    for (const row of rows) {
      if (windows[row.kind].start !== row.start) continue;
      this.#scope(row.aiType)[row.kind] = { used: row.used, held: row.held };
      if (row.aiType === null && row.kind === 'day') this.#requestsToday = row.requests;
    }
  }

  of(aiType: string | null): Counters {
    return {
      global: this.#scope(null),
      aiType: aiType === null ? EMPTY : this.#scope(aiType),
      recent: this.#recent,
      requestsToday: this.#requestsToday,
    };
  }

  /** A request was admitted: its estimate is held in every window at once. */
  admit(aiType: string, tokens: number, items: number, nowMs: number): void {
    for (const scope of [this.#scope(null), this.#scope(aiType)]) {
      for (const kind of WINDOW_KINDS) scope[kind].held += tokens;
    }
    // Where the clock has gone back, others were made after it.
    const before = this.#recent.findLastIndex(({ atMs }) => atMs <= nowMs);
    this.#recent.splice(before + 1, 0, { atMs: nowMs, items });
    this.#requestsToday += items;
  }

  #scope(aiType: string | null): Scope {
    let scope = this.#scopes.get(aiType);
    if (scope === undefined) {
      scope = { month: none(), day: none(), hour: none() };
      this.#scopes.set(aiType, scope);
    }
    return scope;
  }
}

function none(): Count {
  return { used: 0, held: 0 };
}

const NOTHING: WindowCount = { used: 0, held: 0 };
const EMPTY: ScopeCounts = { month: NOTHING, day: NOTHING, hour: NOTHING };
