import type { RecentRequest } from '../budget/decide.ts';
import type { PastDenial } from '../budget/rejudge.ts';
import type { WindowKind } from '../budget/windows.ts';
import type { Step } from './steps.ts';

/**
 * What the ledger asks of a database: a handful of prepared statements, one file a dialect
 * (sqlite.ts, postgres.ts). Tokens are numbers; a sum above 2^53 - 1 is read as 2^53 - 1, which is
 * above every limit.
 */

export type DatabaseKind = 'sqlite' | 'postgresql';

type LogState = 'reserved' | 'settled' | 'released' | 'expired' | 'denied';

/** A row of token_usage_logs, as far as a settle or a retry needs it. */
export interface LogRow {
  readonly id: string;
  readonly aiType: string;
  readonly state: string;
  readonly reservedTokens: number;
  readonly reservedInputTokens: number;
  readonly requestItems: number;
  /** What it is charged now, in tokens: what it counts in its windows. */
  readonly charged: number;
  readonly expiresAtMs: number;
  readonly idempotencyKey: string | null;
}

export interface NewLog {
  readonly id: string;
  readonly aiType: string;
  readonly state: LogState;
  readonly atMs: number;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
  readonly model: string | null;
  readonly requestType: string;
  readonly reservedTokens: number;
  readonly reservedInputTokens: number;
  readonly requestItems: number;
  readonly expiresAtMs: number | null;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly totalTokens: number;
  readonly success: boolean;
  readonly errorMessage: string | null;
  /** How many denials it stands for; 1 unless it is a summary. */
  deniedCount: number;
  readonly verdict: string | null;
}

/** How a reservation ended: the new values of its row. */
export interface EndedLog {
  readonly id: string;
  readonly state: 'settled' | 'released';
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly totalTokens: number;
  readonly cacheCreationTokens: number;
  readonly cacheReadTokens: number;
  /** What failed; null is a success. */
  readonly errorMessage: string | null;
  /** Null keeps what the reservation said. */
  readonly model: string | null;
  /** Why the model stopped. */
  readonly stopReason: string | null;
}

/** One window of one scope; the global scope has the AI type null. */
export interface WindowRow {
  readonly aiType: string | null;
  readonly kind: WindowKind;
  readonly start: string;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly used: number;
  readonly held: number;
  /** Every request counted, whatever was reset: what rates read. */
  readonly requests: number;
  /** What resets took from `requests`; never positive. */
  readonly requestsReset: number;
  readonly failed: number;
  readonly denied: number;
  readonly lastRequestAtMs: number | null;
}

/** Open reservations past their time: the next batch of a guard charges them. */
export interface DueHold {
  readonly aiType: string;
  /** The hour that they were reserved in, 'YYYY-MM-DDTHH'. */
  readonly hourStart: string;
  readonly tokens: number;
  readonly inputTokens: number;
  readonly requests: number;
}

export type AdjustmentKind = 'reset' | 'undo' | 'correction' | 'deleted' | 'adopted';

export interface NewAdjustment {
  readonly kind: AdjustmentKind;
  readonly resetId: number | null;
  readonly aiType: string | null;
  readonly windowKind: WindowKind;
  readonly windowStart: string;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly used: number;
  readonly requests: number;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly atMs: number;
}

export interface StoredRevision {
  readonly revision: number;
  readonly settings: string;
}

type Answer<T> = T | Promise<T>;

/** A statement that both databases understand, with parameters by name, `@name`. */
export interface PlainStatement {
  /** Under which PostgreSQL prepares it once. */
  readonly name: string;
  readonly sql: string;
}

type PlainValue = string | number | null;

/** What a log row is to an operator: an open hold past its time counts as expired already. */
export const REQUEST_STATES = [
  'held',
  'settled',
  'failed',
  'released',
  'expired',
  'denied',
] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

/** A row of token_usage_logs, as an operator reads it. Its texts are as their writer gave them. */
export interface LogEntry {
  readonly id: string;
  /** The instant that decides its windows, in ms since 1970 UTC. */
  readonly atMs: number;
  readonly aiType: string;
  readonly state: RequestState;
  readonly tokensIn: number;
  readonly tokensOut: number;
  /** What it is charged, in tokens; 0 while it is held, and for a denial. */
  readonly charged: number;
  /** What was reserved; 0 for a denial, and for a row that was only logged. */
  readonly reservedTokens: number;
  readonly reservedInputTokens: number;
  readonly requestItems: number;
  /** How many denials it stands for. */
  readonly deniedCount: number;
  readonly model: string | null;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
  readonly requestType: string | null;
  readonly error: string | null;
  readonly stopReason: string | null;
  readonly expiresAtMs: number | null;
  readonly endedAtMs: number | null;
  /** A denial's, as JSON. */
  readonly verdict: string | null;
}

/** A place in the log, which is ordered by time, then id. */
export interface LogPosition {
  readonly atMs: number;
  readonly id: string;
}

/** Which rows of the log; null takes all. */
export interface LogFilter {
  readonly aiType: string | null;
  readonly state: RequestState | null;
  readonly model: string | null;
  /** A request id or an idempotency key. */
  readonly name: string | null;
  /** Only what counts as failed: failed, expired, or released with an error. */
  readonly failed: boolean;
}

export interface LogPageQuery {
  readonly filter: LogFilter;
  readonly order: 'newest first' | 'oldest first';
  /** Where the page before ended; null begins at the end of the range. */
  readonly from: LogPosition | null;
  /** From this instant, in ms. */
  readonly sinceMs: number;
  /** Up to, and without, this instant, in ms. */
  readonly untilMs: number;
  /** The most entries that it gives. */
  readonly limit: number;
}

export interface LogPage {
  readonly entries: readonly LogEntry[];
  /** Where the next page begins; null when the range has no more. */
  readonly end: LogPosition | null;
}

/** The operations of one open transaction. */
export interface Operations {
  readonly kind: DatabaseKind;
  /** The decision's time: after the lock is held. */
  readonly nowMs: number;
  /** The newest limit revision; null in a database that has none yet. */
  newestRevision(): Answer<StoredRevision | null>;
  /** Charges at most `limit` due holds in full. On PostgreSQL each transaction has charged 256 as it began. */
  expireDue(limit: number): Answer<void>;
  /** PostgreSQL: no other transaction has written the log and is still open, nor can one write it until this one ends. SQLite has one writer anyway. */
  lockLogs(): Answer<void>;
  /** PostgreSQL: folds all of the triggers' deltas into the windows. SQLite has none. */
  foldAll(): Answer<void>;
  /** The named windows (null: all), of the global scope and of the given AI types (null: of all). */
  windows(starts: readonly string[] | null, aiTypes: readonly string[] | null): Answer<WindowRow[]>;
  /** The newest `limit` countable requests of the 60 s before now, oldest first. */
  recentRequests(limit: number): Answer<RecentRequest[]>;
  logsById(ids: readonly string[]): Answer<LogRow[]>;
  logsByKey(keys: readonly string[]): Answer<LogRow[]>;
  /** Gives a row that has no key this one, which no other row may have. */
  giveKey(id: string, key: string): Answer<void>;
  /** Part of the log. Looks at 20,000 rows at most, so that a page may hold few entries and not be the last. */
  logPage(query: LogPageQuery): Answer<LogPage>;
  /** The row with this id. */
  logEntry(id: string): Answer<LogEntry | null>;
  insertLogs(rows: readonly NewLog[]): Answer<void>;
  /**
   * Ends those of the reservations that are open; the ids that were. With `careful`, a row that a
   * foreign transaction has locked is left out; else it is waited for, but not long.
   */
  endOpenLogs(rows: readonly EndedLog[], careful: boolean): Answer<string[]>;
  /** Sets how reservations ended, whatever their state; the ids, less those left out as above. */
  endLogs(rows: readonly EndedLog[], careful: boolean): Answer<string[]>;
  /** Adds denials to a summary row of this second. */
  addDenials(id: string, count: number): Answer<void>;
  /** The newest `limit` rows of denials that count at `fromMs` or later. */
  newestDenials(fromMs: number, limit: number): Answer<PastDenial[]>;
  dueHolds(): Answer<DueHold[]>;
  /** When the newest countable row was made, in ms; null in an empty log. */
  newestLogAtMs(): Answer<number | null>;
  /** When the database's first migration was applied, in ms. */
  createdAtMs(): Answer<number | null>;
  insertAdjustments(rows: readonly NewAdjustment[]): Answer<void>;
  /** The sum of a reset's adjustments by window, with their kinds. */
  resetAdjustments(resetId: number): Answer<ResetAdjustment[]>;
  /** The newest reset's number; 0 when there was none. */
  newestResetId(): Answer<number>;
  /** What the log rows add up to, by AI type and hour: reads every row. */
  rowSums(): Answer<RowSum[]>;
  /** What the adjustments add up to, by window; as windows without `held`. */
  adjustmentSums(): Answer<WindowRow[]>;
  /** Sets these windows to exactly these counts. */
  setWindows(rows: readonly WindowRow[]): Answer<void>;
  /** The rows before an instant that can be pruned, due holds among them, and how many open reservations stay. */
  prunable(beforeMs: number): Answer<{ rows: PrunableRows[]; open: number }>;
  /**
   * Deletes at most `limit` rows before an instant, the oldest first; how many it deleted. Counts and
   * rollups stay. Open reservations stay, and on PostgreSQL rows that a foreign transaction has locked.
   */
  pruneLogs(beforeMs: number, limit: number, actor: string | null): Answer<number>;
  /** Runs a statement on the tables beside the counts (alerts); the rows that it returns. */
  query<R>(statement: PlainStatement, values: Readonly<Record<string, PlainValue>>): Answer<R[]>;
}

/** Log rows of one month and AI type that can be pruned. */
export interface PrunableRows {
  readonly month: string;
  readonly aiType: string;
  readonly rows: number;
}

/** Log rows of one AI type and hour, added up. */
export interface RowSum {
  readonly aiType: string;
  readonly hourStart: string;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly used: number;
  readonly held: number;
  readonly requests: number;
  readonly failed: number;
  readonly denied: number;
}

export interface ResetAdjustment {
  readonly kind: AdjustmentKind;
  readonly aiType: string | null;
  readonly windowKind: WindowKind;
  readonly windowStart: string;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly used: number;
  readonly requests: number;
}

/** What a failed operation means for a retry. */
export type FailureKind =
  /** Someone else holds the lock: try again soon. */
  | 'busy'
  /** The database can't be reached, or the outcome is unknown: reconnect, then try again. */
  | 'lost'
  /** The data was refused: trying again changes nothing. */
  | 'content'
  /** The database answers, but can't be used as it is (not migrated, read-only, full). */
  | 'unusable';

/** read: one instant, no lock. write: the ledger's lock from its start. */
export type Mode = 'read' | 'write';

export interface Connection {
  readonly kind: DatabaseKind;
  /** Runs `work` in one transaction. */
  transaction<T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T>;
  classify(error: unknown): FailureKind;
  /** Why it failed, in words for an operator, without secrets. */
  explain(error: unknown): string;
  /** For messages: where the database is, without its password. */
  readonly location: string;
  close(): Promise<void>;
}
