import type { LogRow, WindowRow } from './port.ts';
import { fromScope } from './values.ts';

/** Rows as both drivers give them, by column name, and as the ledger reads them. */

export interface SqlWindow {
  scope_kind: string;
  scope_name: string;
  window_kind: WindowRow['kind'];
  window_start: string;
  tokens_in: number;
  tokens_out: number;
  used: number;
  held: number;
  requests: number;
  requests_reset: number;
  failed: number;
  denied: number;
  last_request_at_ms: number | null;
}

export function toWindow(row: SqlWindow): WindowRow {
  return {
    aiType: fromScope(row.scope_kind, row.scope_name),
    kind: row.window_kind,
    start: row.window_start,
    tokensIn: row.tokens_in,
    tokensOut: row.tokens_out,
    used: row.used,
    held: row.held,
    requests: row.requests,
    requestsReset: row.requests_reset,
    failed: row.failed,
    denied: row.denied,
    lastRequestAtMs: row.last_request_at_ms,
  };
}

export interface SqlLog {
  id: string;
  counted_as: string;
  state: string;
  reserved_tokens: number;
  reserved_input_tokens: number;
  request_items: number;
  charged: number;
  expires_at_ms: number | null;
  idempotency_key: string | null;
}

export function toLog(row: SqlLog): LogRow {
  return {
    id: row.id,
    aiType: row.counted_as,
    state: row.state,
    reservedTokens: row.reserved_tokens,
    reservedInputTokens: row.reserved_input_tokens,
    requestItems: row.request_items,
    charged: row.charged,
    expiresAtMs: row.expires_at_ms ?? 0,
    idempotencyKey: row.idempotency_key,
  };
}
