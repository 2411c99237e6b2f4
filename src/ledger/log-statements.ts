import type { LogEntry, LogPage, LogPageQuery, LogPosition, RequestState } from './port.ts';

/**
 * Reading the log a page at a time. Both databases find a page by the index of `counted_at_ms`, or that of denials, and
 * read a bounded number of rows for it, however long the log is and however few rows match.
 */

/** The most rows that one page looks at. */
const SCANNED_AT_ONCE = 20_000;

/** As the index of denials has it. */
const DENIED = "state = 'denied' AND ";

/** What the two dialects write differently. */
export interface LogDialect {
  readonly from: string;
  /** The columns of `SqlEntry` after `is_due`. */
  readonly columns: string;
  /** The row's writer said that it failed. */
  readonly failed: string;
}

/** The statements, with parameters by name (`LogParameters`). */
export interface LogStatements {
  readonly newest: LogPageStatements;
  readonly oldest: LogPageStatements;
  /** Of denials alone, which have an index of their own. */
  readonly newestDenied: LogPageStatements;
  readonly oldestDenied: LogPageStatements;
  readonly byId: string;
}

/** Which of the statements reads such a page. */
export function pageKind({ order, filter }: LogPageQuery): Exclude<keyof LogStatements, 'byId'> {
  const newest = order === 'newest first';
  if (filter.state === 'denied') return newest ? 'newestDenied' : 'oldestDenied';
  return newest ? 'newest' : 'oldest';
}

interface LogPageStatements {
  /** The position of the last row that a page looks at. */
  readonly end: string;
  readonly entries: string;
}

export function logStatements({ from, columns, failed }: LogDialect): LogStatements {
  const due = "state = 'reserved' AND expires_at <= @now";
  const state = `CASE
      WHEN ${due} THEN 'expired'
      WHEN state = 'reserved' THEN 'held'
      WHEN state IN ('released', 'expired', 'denied') THEN state
      WHEN ${failed} THEN 'failed' ELSE 'settled' END`;
  const select = `SELECT id, counted_at_ms, counted_as, ${state} AS shown_state,
    CASE WHEN ${due} THEN 1 ELSE 0 END AS is_due, ${columns} FROM ${from}`;
  const filter = `(@aiType IS NULL OR counted_as = @aiType)
    AND (@state IS NULL OR ${state} = @state)
    AND (@model IS NULL OR model_used = @model)
    AND (@name IS NULL OR request_id = @name OR idempotency_key = @name)
    AND (@failed = 0 OR ${state} IN ('failed', 'expired') OR (state = 'released' AND ${failed}))`;
  const page = (after: '<' | '>', order: 'DESC' | 'ASC', only = ''): LogPageStatements => {
    const range = `${only}counted_at_ms >= @since AND counted_at_ms < @until
      AND (@fromId IS NULL OR (counted_at_ms, id) ${after} (@fromMs, @fromId))`;
    const ordered = `ORDER BY counted_at_ms ${order}, id ${order}`;
    return {
      end: `SELECT id, counted_at_ms FROM token_usage_logs WHERE ${range} ${ordered} LIMIT 1 OFFSET ${String(SCANNED_AT_ONCE - 1)}`,
      entries: `${select} WHERE ${range}
        AND (@endId IS NULL OR NOT (counted_at_ms, id) ${after} (@endMs, @endId))
        AND ${filter} ${ordered} LIMIT @limit`,
    };
  };
  return {
    newest: page('<', 'DESC'),
    oldest: page('>', 'ASC'),
    newestDenied: page('<', 'DESC', DENIED),
    oldestDenied: page('>', 'ASC', DENIED),
    byId: `${select} WHERE id = @id`,
  };
}

/** The parameters, with their types in PostgreSQL's words. */
export const LOG_PARAMETER_TYPES = {
  id: 'uuid',
  now: 'timestamp',
  since: 'bigint',
  until: 'bigint',
  fromMs: 'bigint',
  fromId: 'uuid',
  endMs: 'bigint',
  endId: 'uuid',
  aiType: 'text',
  state: 'text',
  model: 'text',
  name: 'text',
  failed: 'integer',
  limit: 'integer',
} as const;
export type LogParameters = Partial<
  Record<keyof typeof LOG_PARAMETER_TYPES, string | number | null>
>;

export interface SqlPosition {
  id: string;
  counted_at_ms: number;
}

/** A row as both drivers give it. */
export interface SqlEntry extends SqlPosition {
  counted_as: string | null;
  shown_state: RequestState;
  /** 1 where it is past its time, and no batch has charged it yet. */
  is_due: number;
  tokens_in: number;
  tokens_out: number;
  charged: number;
  reserved_tokens: number;
  reserved_input_tokens: number;
  request_items: number;
  denied_count: number;
  model_used: string | null;
  request_id: string | null;
  idempotency_key: string | null;
  request_type: string | null;
  error_message: string | null;
  stop_reason: string | null;
  expires_at_ms: number | null;
  ended_at_ms: number | null;
  verdict: string | null;
}

/** Where every row that is looked at is given, the limit of entries is bound enough. */
export function mayPassOver({ filter: { state, ...others } }: LogPageQuery): boolean {
  // Those of denials look at denials alone.
  if (state !== null && state !== 'denied') return true;
  return others.failed || Object.values(others).some((value) => typeof value === 'string');
}

/** The values of a page's first statement, which looks for its end. */
export function rangeValues({ order, from, sinceMs, untilMs }: LogPageQuery): LogParameters {
  const newest = order === 'newest first';
  return {
    since: from === null || newest ? sinceMs : Math.max(sinceMs, from.atMs),
    until: from === null || !newest ? untilMs : Math.min(untilMs, from.atMs + 1),
    fromMs: from?.atMs ?? null,
    fromId: from?.id ?? null,
  };
}

/** The values of a page's second statement, which reads it up to its end. */
export function entryValues(
  query: LogPageQuery,
  end: LogPosition | null,
  now: string,
): LogParameters {
  const { filter, limit } = query;
  const range = rangeValues(query);
  const newest = query.order === 'newest first';
  return {
    ...range,
    ...(end !== null && newest ? { since: end.atMs } : {}),
    ...(end !== null && !newest ? { until: end.atMs + 1 } : {}),
    endMs: end?.atMs ?? null,
    endId: end?.id ?? null,
    aiType: filter.aiType,
    state: filter.state,
    model: filter.model,
    name: filter.name,
    failed: filter.failed ? 1 : 0,
    now,
    limit,
  };
}

export function toPosition(row: SqlPosition | undefined): LogPosition | null {
  return row === undefined ? null : { atMs: row.counted_at_ms, id: row.id };
}

/** A full page ends with its last entry, any other where it stopped looking. */
export function toPage(
  rows: readonly SqlEntry[],
  { limit }: LogPageQuery,
  end: LogPosition | null,
): LogPage {
  const full = rows.length >= limit ? toPosition(rows.at(-1)) : null;
  return { entries: rows.map(toEntry), end: full ?? end };
}

/** What is due counts as it will be charged: in full. */
function chargeOf(row: SqlEntry): Pick<LogEntry, 'tokensIn' | 'tokensOut' | 'charged'> {
  const { reserved_tokens: held, reserved_input_tokens: heldInput } = row;
  return row.is_due === 1
    ? { tokensIn: heldInput, tokensOut: held - heldInput, charged: held }
    : { tokensIn: row.tokens_in, tokensOut: row.tokens_out, charged: row.charged };
}

export function toEntry(row: SqlEntry): LogEntry {
  return {
    id: row.id,
    atMs: row.counted_at_ms,
    aiType: row.counted_as ?? 'unknown',
    state: row.shown_state,
    ...chargeOf(row),
    reservedTokens: row.reserved_tokens,
    reservedInputTokens: row.reserved_input_tokens,
    requestItems: row.request_items,
    deniedCount: row.denied_count,
    model: row.model_used,
    requestId: row.request_id,
    idempotencyKey: row.idempotency_key,
    requestType: row.request_type,
    error: row.error_message,
    stopReason: row.stop_reason,
    expiresAtMs: row.expires_at_ms,
    endedAtMs: row.ended_at_ms,
    verdict: row.verdict,
  };
}
