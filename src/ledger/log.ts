import type { Ledger } from './ledger.ts';
import type { LogEntry, LogFilter, LogPage, LogPageQuery, LogPosition } from './port.ts';
import { step, type Step } from './steps.ts';

/**
 * The log as an operator reads it: whole searches and following, each made of short reads, so that a
 * log of any length neither holds a snapshot open nor meets a time-out.
 */

export interface LogQuery {
  readonly filter: LogFilter;
  /** From this instant, in ms; null from the beginning. */
  readonly sinceMs: number | null;
  /** Up to, and without, this instant, in ms; null has no end. */
  readonly untilMs: number | null;
  /** The most entries: the newest ones. */
  readonly limit: number;
}

export const EVERYTHING: LogFilter = {
  aiType: null,
  state: null,
  model: null,
  name: null,
  failed: false,
};

/** The newest denials, of an AI type or of all, looked for in one read: among the newest 20,000 denials. */
export function newestDenials(aiType: string | null, limit: number): LogPageQuery {
  return {
    filter: { ...EVERYTHING, aiType, state: 'denied' },
    order: 'newest first',
    from: null,
    sinceMs: 0,
    untilMs: Number.MAX_SAFE_INTEGER,
    limit,
  };
}

/** The newest first. @throws ledger_unavailable */
export async function readDenials(ledger: Ledger, limit: number): Promise<readonly LogEntry[]> {
  const { entries } = await readPage(ledger, newestDenials(null, limit));
  return entries;
}

/** The newest requests that match, the newest last. @throws ledger_unavailable */
export async function readLog(ledger: Ledger, query: LogQuery): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  let from: LogPosition | null = null;
  do {
    const limit = query.limit - entries.length;
    const page: LogPage = await readPage(ledger, {
      ...rangeOf(query),
      order: 'newest first',
      from,
      limit,
    });
    entries.push(...page.entries);
    from = page.end;
  } while (from !== null && entries.length < query.limit);
  return entries.reverse();
}

/** What a name stands for, and how many requests bear it. */
export interface FoundRequest {
  /** The newest of them. */
  readonly entry: LogEntry;
  readonly count: number;
}

/** Entries in one read. */
const PAGE = 2_000;

/**
 * The request with this row id (which is a reservation's id), else the newest with this request id or
 * idempotency key: for these the whole log is read. Null when there is none.
 * @throws ledger_unavailable
 */
export async function findRequest(ledger: Ledger, name: string): Promise<FoundRequest | null> {
  const byId = await ledger.read(function* (ops): Step<LogEntry | null> {
    return yield* step(ops.logEntry(name));
  });
  if (byId !== null) return { entry: byId, count: 1 };
  let newest: LogEntry | null = null;
  let count = 0;
  let from: LogPosition | null = null;
  do {
    const page: LogPage = await readPage(ledger, {
      ...rangeOf({ filter: { ...EVERYTHING, name }, sinceMs: null, untilMs: null }),
      order: 'newest first',
      from,
      limit: PAGE,
    });
    newest ??= page.entries[0] ?? null;
    count += page.entries.length;
    from = page.end;
  } while (from !== null);
  return newest === null ? null : { entry: newest, count };
}

/** How long after its time a row may still be committed and be seen by who follows. */
const LATE_MS = 10 * 60_000;
/** The most rows of these last minutes that are remembered; the older of more are not looked at again. */
const REMEMBERED = 10_000;

/**
 * Gives each request once, as it comes. A row's time is when its call was made, and it may be
 * committed minutes later: so each look reads the last minutes again, and leaves out what it has seen.
 */
export class LogFollower {
  readonly #filter: LogFilter;
  /** What was seen of the last minutes, in the order of the log. */
  #seen: LogPosition[] = [];
  /** What is from this instant on, and after the floor, is looked at. */
  #sinceMs = 0;
  #floor: LogPosition | null = null;

  constructor(filter: LogFilter) {
    this.#filter = filter;
  }

  /** The newest requests so far, the newest last. What came before them is not given any more. */
  async start(ledger: Ledger, sinceMs: number | null, limit: number): Promise<LogEntry[]> {
    const filter = this.#filter;
    this.#sinceMs = (await databaseNow(ledger)) - LATE_MS;
    const most = Math.max(limit, REMEMBERED);
    const recent = await readLog(ledger, {
      filter,
      sinceMs: this.#sinceMs,
      untilMs: null,
      limit: most,
    });
    this.#floor = recent.length < most ? null : positionOf(recent[0]);
    this.#remember(recent);
    const shown = recent.filter(({ atMs }) => atMs >= (sinceMs ?? 0));
    const missing = limit - shown.length;
    if (missing <= 0) return limit === 0 ? [] : shown.slice(-limit);
    const before = { filter, sinceMs, untilMs: this.#sinceMs, limit: missing };
    return [...(await readLog(ledger, before)), ...shown];
  }

  /** What has come since, page by page, so that a long absence takes no memory. */
  async *next(ledger: Ledger): AsyncGenerator<readonly LogEntry[]> {
    const nowMs = await databaseNow(ledger);
    let from = this.#floor;
    do {
      const page: LogPage = await readPage(ledger, {
        ...rangeOf({ filter: this.#filter, sinceMs: this.#sinceMs, untilMs: null }),
        order: 'oldest first',
        from,
        limit: PAGE,
      });
      const seen = new Set(this.#seen.map(({ id }) => id));
      const fresh = page.entries.filter(({ id }) => !seen.has(id));
      this.#remember(fresh);
      if (fresh.length > 0) yield fresh;
      from = page.end;
    } while (from !== null);
    // Only now: a look that failed half-way is made again from where it began.
    this.#sinceMs = Math.max(this.#sinceMs, nowMs - LATE_MS);
  }

  #remember(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    const all = [...this.#seen, ...entries.map(({ atMs, id }) => ({ atMs, id }))]
      .filter(({ atMs }) => atMs >= this.#sinceMs)
      .toSorted(inOrder);
    const dropped = Math.max(0, all.length - REMEMBERED);
    this.#floor = all[dropped - 1] ?? this.#floor;
    this.#seen = all.slice(dropped);
  }
}

function positionOf(entry: LogEntry | undefined): LogPosition | null {
  return entry === undefined ? null : { atMs: entry.atMs, id: entry.id };
}

function inOrder(a: LogPosition, b: LogPosition): number {
  return a.atMs - b.atMs || (a.id < b.id ? -1 : 1);
}

const BEGINNING_MS = 0;
const END_MS = Number.MAX_SAFE_INTEGER;

function rangeOf({
  filter,
  sinceMs,
  untilMs,
}: Omit<LogQuery, 'limit'>): Pick<LogPageQuery, 'filter' | 'sinceMs' | 'untilMs'> {
  return { filter, sinceMs: sinceMs ?? BEGINNING_MS, untilMs: untilMs ?? END_MS };
}

function readPage(ledger: Ledger, query: LogPageQuery): Promise<LogPage> {
  return ledger.read(function* (ops): Step<LogPage> {
    return yield* step(ops.logPage(query));
  });
}

function databaseNow(ledger: Ledger): Promise<number> {
  return ledger.read(function* (ops): Step<number> {
    return ops.nowMs;
  });
}
