import { END_COLUMNS, INSERT_COLUMNS, RESERVE_COLUMNS } from './postgres-statements.ts';
import type { EndedLog, NewAdjustment, NewLog, WindowRow } from './port.ts';
import { scopeOf, writtenTime } from './values.ts';

/** Rows as the parameters of PostgreSQL's statements. */

/** One array a column, in the order of the statement's parameters. */
function toColumns<C extends string, R>(
  columns: Readonly<Record<C, string>>,
  rows: readonly R[],
  values: (row: R) => Readonly<Record<C, unknown>>,
): unknown[][] {
  const records = rows.map(values);
  return (Object.keys(columns) as C[]).map((column) => records.map((record) => record[column]));
}

export function insertColumns(rows: readonly NewLog[]): unknown[][] {
  return toColumns(INSERT_COLUMNS, rows, (row) => {
    const at = writtenTime(row.atMs);
    return {
      id: row.id,
      ai_type: row.aiType,
      month_year: at.slice(0, 7),
      request_id: row.requestId,
      tokens_in: row.tokensIn,
      tokens_out: row.tokensOut,
      total_tokens: row.totalTokens,
      model_used: row.model,
      request_type: row.requestType,
      success: row.success,
      error_message: row.errorMessage,
      created_at: at,
      state: row.state,
      reserved_tokens: row.reservedTokens,
      reserved_input_tokens: row.reservedInputTokens,
      request_items: row.requestItems,
      denied_count: row.deniedCount,
      expires_at: row.expiresAtMs === null ? null : writtenTime(row.expiresAtMs),
      settled_at: row.state === 'reserved' ? null : at,
      idempotency_key: row.idempotencyKey,
      verdict: row.verdict,
      counted_at_ms: row.atMs,
    };
  });
}

export function reserveColumns(rows: readonly NewLog[]): unknown[][] {
  return toColumns(RESERVE_COLUMNS, rows, (row) => ({
    id: row.id,
    ai_type: row.aiType,
    request_id: row.requestId,
    model_used: row.model,
    request_type: row.requestType,
    reserved_tokens: row.reservedTokens,
    reserved_input_tokens: row.reservedInputTokens,
    request_items: row.requestItems,
    expires_at: row.expiresAtMs === null ? null : writtenTime(row.expiresAtMs),
    idempotency_key: row.idempotencyKey,
  }));
}

/** The parameters of an ending: a column each, and their time. */
export function endValues(rows: readonly EndedLog[], at: string): unknown[] {
  const columns = toColumns(END_COLUMNS, rows, (row) => ({
    id: row.id,
    state: row.state,
    tokens_in: row.tokensIn,
    tokens_out: row.tokensOut,
    cache_creation_tokens: row.cacheCreationTokens,
    cache_read_tokens: row.cacheReadTokens,
    error_message: row.errorMessage,
    model_used: row.model,
    stop_reason: row.stopReason,
  }));
  return [...columns, at];
}

export function adjustmentJson(rows: readonly NewAdjustment[]): string {
  return JSON.stringify(
    rows.map((row) => {
      const [scopeKind, scopeName] = scopeOf(row.aiType);
      return {
        kind: row.kind,
        reset_id: row.resetId,
        scope_kind: scopeKind,
        scope_name: scopeName,
        window_kind: row.windowKind,
        window_start: row.windowStart,
        tokens_in: row.tokensIn,
        tokens_out: row.tokensOut,
        used: row.used,
        requests: row.requests,
        actor: row.actor,
        reason: row.reason,
        created_at_ms: row.atMs,
      };
    }),
  );
}

export function windowJson(rows: readonly WindowRow[]): string {
  return JSON.stringify(
    rows.map((row) => {
      const [scopeKind, scopeName] = scopeOf(row.aiType);
      return {
        scope_kind: scopeKind,
        scope_name: scopeName,
        window_kind: row.kind,
        window_start: row.start,
        tokens_in: row.tokensIn,
        tokens_out: row.tokensOut,
        used: row.used,
        held: row.held,
        requests: row.requests,
        requests_reset: row.requestsReset,
        failed: row.failed,
        denied: row.denied,
      };
    }),
  );
}
