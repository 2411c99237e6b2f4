import type { Row } from './model-counts.ts';
import type { Recent } from './model-decide.ts';

const MINUTE_MS = 60_000;
/** Clocks go back by less than this, so that what is older can't be recent again. */
const KEPT_MINUTES = 60;

/** Every countable row by its minute, so that the last 60 seconds are found without reading all. */
export class RecentRows {
  readonly #minutes = new Map<number, Map<string, Recent>>();
  #last: { readonly nowMs: number; readonly recent: readonly Recent[] } | null = null;

  put(row: Row): void {
    if (row.state === 'denied') return;
    this.#last = null;
    const minute = Math.floor(row.atMs / MINUTE_MS);
    let rows = this.#minutes.get(minute);
    if (rows === undefined) this.#minutes.set(minute, (rows = new Map<string, Recent>()));
    rows.set(row.id, { atMs: row.atMs, items: Math.max(row.items, 1) });
  }

  take(row: Row): void {
    this.#last = null;
    this.#minutes.get(Math.floor(row.atMs / MINUTE_MS))?.delete(row.id);
  }

  newest(nowMs: number, most: number): Recent[] {
    const recent = this.#recent(nowMs);
    return recent.slice(Math.max(0, recent.length - most));
  }

  /** More rows than are read, and those at the edge were made in the same millisecond but differ. */
  isUnclear(nowMs: number, most: number): boolean {
    const recent = this.#recent(nowMs);
    const first = recent.at(-most);
    if (most === 0 || recent.length <= most || first === undefined) return false;
    const tied = recent.filter(({ atMs }) => atMs === first.atMs);
    return tied.some(({ items }) => items !== first.items);
  }

  #recent(nowMs: number): readonly Recent[] {
    if (this.#last?.nowMs === nowMs) return this.#last.recent;
    const first = Math.floor((nowMs - MINUTE_MS) / MINUTE_MS);
    const recent: Recent[] = [];
    for (const [minute, rows] of this.#minutes) {
      if (minute < first - KEPT_MINUTES) this.#minutes.delete(minute);
      if (minute < first) continue;
      for (const row of rows.values()) if (row.atMs > nowMs - MINUTE_MS) recent.push(row);
    }
    recent.sort((a, b) => a.atMs - b.atMs);
    this.#last = { nowMs, recent };
    return recent;
  }
}
