import { judge, type Request } from './model-verdict.ts';
import type { Settings } from '../../src/budget/limits.ts';
import { type Answer, type Reserve, type Verdict } from './commands.ts';
import {
  addTo,
  countOf,
  GLOBAL,
  nothing,
  rollupKey,
  startsOf,
  windowKey,
  type Count,
  type Row,
  type Sums,
} from './model-counts.ts';
import { largestAdmissible, type Counted, type Recent } from './model-decide.ts';
import { modelLimits, type ModelLimits } from './model-limits.ts';
import { ModelResets, type Adjustment } from './model-resets.ts';
import { RecentRows } from './recent-rows.ts';

/** What one write does: rows go out and come in, and adjustments are added. */
export interface Effect {
  readonly before: Row | null;
  readonly after: Row | null;
  readonly adjustments: readonly Adjustment[];
}

/**
 * The ledger as docs/rules.md has it, one command after the other, in memory: exact, slow and
 * obvious. It knows no lock, no batch and no retry.
 */
export class Model {
  readonly rows = new Map<string, Row>();
  readonly windows: Sums = new Map();
  readonly rollups: Sums = new Map();
  readonly resets = new ModelResets();
  /** Open reservations. */
  readonly open = new Map<string, Row>();
  /** Rows that a foreign transaction has locked: nobody charges them meanwhile. */
  readonly locked = new Set<string>();
  readonly #keys = new Map<string, string>();
  readonly #recent = new RecentRows();
  /** What a token read from the cache counts, in percent of a token. */
  readonly cacheReadPercent: number;
  limits: ModelLimits;
  settings: Settings;

  constructor(settings: Settings, cacheReadPercent: number) {
    this.settings = settings;
    this.limits = modelLimits(settings);
    this.cacheReadPercent = cacheReadPercent;
  }

  setLimits(settings: Settings): void {
    this.settings = settings;
    this.limits = modelLimits(settings);
  }

  window(scope: string, start: string): Count {
    return this.windows.get(windowKey(scope, start)) ?? nothing();
  }

  apply({ before, after, adjustments }: Effect): void {
    if (before !== null) this.#take(before);
    if (after !== null) this.#put(after);
    for (const adjustment of adjustments) {
      addTo(this.windows, windowKey(adjustment.scope, adjustment.start), adjustment.count);
      this.resets.remember(adjustment);
    }
  }

  #take(row: Row): void {
    this.#count(row, -1);
    this.rows.delete(row.id);
    this.open.delete(row.id);
    this.#recent.take(row);
    if (row.key !== null) this.#keys.delete(row.key);
  }

  #put(row: Row): void {
    this.#count(row, 1);
    this.rows.set(row.id, row);
    if (row.state === 'reserved') this.open.set(row.id, row);
    this.#recent.put(row);
    if (row.key !== null) this.#keys.set(row.key, row.id);
  }

  #count(row: Row, sign: 1 | -1): void {
    const count = countOf(row);
    const starts = startsOf(row.atMs);
    for (const start of starts) {
      addTo(this.windows, windowKey(GLOBAL, start), count, sign);
      addTo(this.windows, windowKey(row.aiType, start), count, sign);
    }
    const key = rollupKey(starts[2], row.aiType, row.model, row.requestType);
    addTo(this.rollups, key, { ...count, held: 0 }, sign);
  }

  /** A window as readers show it: they charge nothing, but what is due is used. */
  shown(scope: string, start: string, nowMs: number): Count {
    const sums: Sums = new Map([[start, { ...this.window(scope, start) }]]);
    for (const row of this.due(nowMs)) {
      if (scope !== GLOBAL && scope !== row.aiType) continue;
      if (!startsOf(row.atMs).includes(start)) continue;
      addTo(sums, start, {
        tokensIn: row.reservedInput,
        tokensOut: row.reserved - row.reservedInput,
        used: row.reserved,
        held: -row.reserved,
      });
    }
    return sums.get(start)!;
  }

  /** Open reservations whose time is over, the oldest end first. */
  due(nowMs: number): Row[] {
    return [...this.open.values()]
      .filter((row) => row.expiresAtMs <= nowMs)
      .toSorted((a, b) => a.expiresAtMs - b.expiresAtMs);
  }

  /** Those of them that a batch can charge. */
  chargeable(nowMs: number): Row[] {
    return this.due(nowMs).filter(({ id }) => !this.locked.has(id));
  }

  /** The holder vanished: the hold is charged in full. */
  expire(row: Row): void {
    const after: Row = {
      ...row,
      state: 'expired',
      tokensIn: row.reservedInput,
      tokensOut: row.reserved - row.reservedInput,
      total: row.reserved,
      success: false,
      resetsBefore: this.resets.count,
    };
    this.apply({ before: row, after, adjustments: [] });
  }

  /** The row becomes another; a charge that falls after a reset took it gives back what it took. */
  changed(before: Row, after: Row): Effect {
    return { before, after, adjustments: this.resets.corrections(before, after) };
  }

  /** Deleting never frees budget: what it cost stays, and an open hold is charged. */
  deleted(row: Row): Effect {
    const count = countOf(row);
    const charged = {
      ...count,
      tokensIn: count.tokensIn + (row.state === 'reserved' ? row.reservedInput : 0),
      tokensOut:
        count.tokensOut + (row.state === 'reserved' ? row.reserved - row.reservedInput : 0),
      used: count.used + count.held,
      held: 0,
    };
    const adjustments = [GLOBAL, row.aiType].flatMap((scope) =>
      startsOf(row.atMs).map((start) => ({ reset: null, scope, start, count: charged })),
    );
    return { before: row, after: null, adjustments };
  }

  reserve(command: Reserve, nowMs: number): Answer {
    const { aiType, items, key } = command;
    const input = items.reduce((sum, item) => sum + item.input, 0);
    const output = items.reduce((sum, item) => sum + item.output, 0);
    const tokens = input + output;
    const estimate = { input, output, total: tokens };
    const same = this.rows.get(command.id) ?? this.#byKey(key);
    if (same !== undefined) {
      if (
        same.aiType !== aiType ||
        same.reserved !== tokens ||
        same.reservedInput !== input ||
        same.items !== items.length
      ) {
        return { error: 'key_reused' };
      }
      if (same.state !== 'reserved') return { error: 'reservation_ended' };
      return { verdict: this.#admitted(same, estimate, nowMs) };
    }
    const verdict = judge(command, this.counted(aiType, nowMs));
    const row: Row = {
      id: command.id,
      aiType,
      atMs: nowMs,
      flagged: false,
      state: 'reserved',
      tokensIn: 0,
      tokensOut: 0,
      total: 0,
      reserved: tokens,
      reservedInput: input,
      items: items.length,
      denials: 1,
      expiresAtMs: nowMs + (command.ttlSeconds ?? this.limits.ttlSeconds) * 1000,
      success: true,
      model: command.model,
      requestType: 'sdk',
      key,
      resetsBefore: this.resets.count,
    };
    if (!verdict.admitted) {
      // A denial binds nothing. Several may share one row, so they are counted and not kept.
      this.#count({ ...row, state: 'denied', reserved: 0 }, 1);
      return { verdict };
    }
    this.apply({ before: null, after: row, adjustments: [] });
    return { verdict: this.#admitted(row, estimate, nowMs) };
  }

  #byKey(key: string | null): Row | undefined {
    const id = key === null ? undefined : this.#keys.get(key);
    return id === undefined ? undefined : this.rows.get(id);
  }

  #admitted(row: Row, estimate: Verdict['estimate'], nowMs: number): Verdict {
    return {
      admitted: true,
      aiType: row.aiType,
      estimate,
      reasons: [],
      retryAt: null,
      largestAdmissible: this.largest(row.aiType, nowMs),
      reservation: { id: row.id, expiresAt: new Date(row.expiresAtMs).toISOString() },
    };
  }

  largest(aiType: string, nowMs: number): number {
    return largestAdmissible(this.counted(aiType, nowMs));
  }

  /** What a reserve would be answered; reserves nothing. */
  check(request: Request, nowMs: number): Verdict {
    const scopeOf = { global: GLOBAL, own: request.aiType };
    return judge(request, {
      ...this.counted(request.aiType, nowMs),
      window: (scope, start) => this.shown(scopeOf[scope], start, nowMs),
    });
  }

  counted(aiType: string, nowMs: number): Counted {
    return {
      nowMs,
      limits: this.limits,
      aiType,
      window: (scope, start) => this.window(scope === 'global' ? GLOBAL : aiType, start),
      recent: this.recent(nowMs),
    };
  }

  /** The newest requests of the last 60 s, as many as the minute's limit; oldest first. */
  recent(nowMs: number): Recent[] {
    const { perMinute } = this.limits;
    return perMinute === null ? [] : this.#recent.newest(nowMs, perMinute);
  }

  /** Of the requests at the edge of the newest it is left open which are read. */
  recentIsUnclear(nowMs: number): boolean {
    const { perMinute } = this.limits;
    return perMinute !== null && this.#recent.isUnclear(nowMs, perMinute);
  }
}
