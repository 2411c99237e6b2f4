import { logStatements } from './log-statements.ts';
import { SATURATED } from './values.ts';

/** The statements of the SQLite dialect: made once, so that the driver's prepared ones are found by name. */

const WINDOW_COLUMNS = `scope_kind, scope_name, window_kind, window_start,
  min(tokens_in, ${SATURATED}) AS tokens_in, min(tokens_out, ${SATURATED}) AS tokens_out,
  min(used, ${SATURATED}) AS used, min(held, ${SATURATED}) AS held,
  requests, requests_reset, failed, denied, last_request_at_ms`;

const CHARGED = `min(max(CAST(coalesce(total_tokens, 0) AS INTEGER),
    CAST(coalesce(tokens_in, 0) AS INTEGER) + CAST(coalesce(tokens_out, 0) AS INTEGER), 0), 1000000000000)`;

/** Milliseconds since 1970 of a column that holds a written time. */
const msOf = (column: string): string =>
  `CAST(round((julianday(${column}) - 2440587.5) * 86400000) AS INTEGER)`;

const LOG_COLUMNS = `id, counted_as, state, reserved_tokens, reserved_input_tokens, request_items,
  ${CHARGED} AS charged, ${msOf('expires_at')} AS expires_at_ms, idempotency_key`;

const clamped = (column: string): string =>
  `min(max(CAST(coalesce(${column}, 0) AS INTEGER), 0), 1000000000000) AS ${column}`;

export const LOG_SQL = logStatements({
  from: 'token_usage_logs',
  columns: `${clamped('tokens_in')}, ${clamped('tokens_out')},
    CASE WHEN state IN ('reserved', 'denied') THEN 0 ELSE ${CHARGED} END AS charged,
    ${clamped('reserved_tokens')}, ${clamped('reserved_input_tokens')}, max(request_items, 1) AS request_items,
    max(denied_count, 1) AS denied_count, CAST(model_used AS TEXT) AS model_used, CAST(request_id AS TEXT) AS request_id,
    idempotency_key, CAST(request_type AS TEXT) AS request_type, CAST(error_message AS TEXT) AS error_message, CAST(stop_reason AS TEXT) AS stop_reason,
    ${msOf('expires_at')} AS expires_at_ms, ${msOf('settled_at')} AS ended_at_ms, CAST(verdict AS TEXT) AS verdict`,
  failed: `coalesce(success, 1) IN (0, 'false')`,
});

const NEWEST_ADJUSTMENT = 'coalesce((SELECT max(id) FROM usage_adjustments), 0)';

/** SQLite looks at a bare parameter while it plans, and so would compile the statement anew for each value. */
const LIMIT = 'LIMIT ? + 0';

const END_LOG = `
  UPDATE token_usage_logs SET
    charged_after_adjustment = CASE WHEN state = 'reserved' THEN ${NEWEST_ADJUSTMENT} ELSE charged_after_adjustment END,
    state = ?, tokens_in = ?, tokens_out = ?, total_tokens = ?, cache_creation_tokens = ?, cache_read_tokens = ?,
    success = ?, error_message = ?, model_used = coalesce(?, model_used), stop_reason = ?, settled_at = ?
  WHERE id = ?`;

const HOUR = `strftime('%Y-%m-%dT%H', counted_at_ms / 1000, 'unixepoch')`;

/** The rows that a JSON array of rowids names. */
const NAMED = 'WHERE rowid IN (SELECT value FROM json_each(?))';

/** Rows that count, with whether each is charged. */
const countedRows = (where = ''): string => `
  FROM (SELECT *, state NOT IN ('reserved', 'denied') AS charged FROM token_usage_logs ${where})
  WHERE counted_at_ms IS NOT NULL AND counted_as IS NOT NULL`;

/** The counting rule of the triggers, added up over `countedRows`. */
const ROW_SUMS = {
  tokensIn: `sum(CASE WHEN charged THEN min(max(CAST(coalesce(tokens_in, 0) AS INTEGER), 0), 1000000000000) ELSE 0 END)`,
  tokensOut: `sum(CASE WHEN charged THEN min(max(CAST(coalesce(tokens_out, 0) AS INTEGER), 0), 1000000000000) ELSE 0 END)`,
  used: `sum(CASE WHEN charged THEN min(max(CAST(coalesce(total_tokens, 0) AS INTEGER),
      CAST(coalesce(tokens_in, 0) AS INTEGER) + CAST(coalesce(tokens_out, 0) AS INTEGER), 0), 1000000000000) ELSE 0 END)`,
  held: `sum(CASE WHEN state = 'reserved' THEN max(min(reserved_tokens, 1000000000000), 0) ELSE 0 END)`,
  requests: `sum(CASE WHEN state = 'denied' THEN 0 ELSE max(request_items, 1) END)`,
  failed: `sum(CASE WHEN charged AND coalesce(success, 1) IN (0, 'false') THEN max(request_items, 1) ELSE 0 END)`,
  denied: `sum(CASE WHEN state = 'denied' THEN max(denied_count, 1) ELSE 0 END)`,
} as const;

const ROW_SUM_COLUMNS = Object.entries(ROW_SUMS)
  .map(([name, sum]) => `${sum} AS ${name}`)
  .join(', ');

export const SQL = {
  newestRevision: 'SELECT revision, settings FROM limit_revisions ORDER BY revision DESC LIMIT 1',
  dueIds: `SELECT id FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= ? ORDER BY expires_at ${LIMIT}`,
  expire: `UPDATE token_usage_logs SET state = 'expired', tokens_in = reserved_input_tokens,
             tokens_out = reserved_tokens - reserved_input_tokens, total_tokens = reserved_tokens,
             success = 0, error_message = 'expired: its holder never settled it, so the hold is charged in full',
             settled_at = ?, charged_after_adjustment = ${NEWEST_ADJUSTMENT}
           WHERE id = ?`,
  allWindows: `SELECT ${WINDOW_COLUMNS} FROM usage_windows`,
  windows: `SELECT ${WINDOW_COLUMNS} FROM usage_windows WHERE window_start IN (SELECT value FROM json_each(?))`,
  windowsOf: `SELECT ${WINDOW_COLUMNS} FROM usage_windows WHERE window_start IN (SELECT value FROM json_each(?)) AND scope_kind = ? AND scope_name = ?`,
  recent: `SELECT counted_at_ms AS atMs, max(request_items, 1) AS items FROM token_usage_logs
         WHERE counted_at_ms > ? AND state <> 'denied' ORDER BY counted_at_ms DESC ${LIMIT}`,
  logsById: `SELECT ${LOG_COLUMNS} FROM token_usage_logs WHERE id = ?`,
  logsByKey: `SELECT ${LOG_COLUMNS} FROM token_usage_logs WHERE idempotency_key = ?`,
  insertLog: `INSERT INTO token_usage_logs (id, ai_type, month_year, request_id, tokens_in, tokens_out, total_tokens,
           model_used, request_type, success, error_message, created_at, state, reserved_tokens, reserved_input_tokens,
           request_items, denied_count, expires_at, settled_at, idempotency_key, verdict, counted_at_ms, counted_as,
           charged_after_adjustment)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${NEWEST_ADJUSTMENT})`,
  endOpenLog: `${END_LOG} AND state = 'reserved'`,
  endLog: END_LOG,
  giveKey:
    'UPDATE token_usage_logs SET idempotency_key = ? WHERE id = ? AND idempotency_key IS NULL',
  addDenials: 'UPDATE token_usage_logs SET denied_count = denied_count + ? WHERE id = ?',
  newestDenials: `SELECT verdict, max(request_items, 1) AS items, max(denied_count, 1) AS count FROM token_usage_logs
         WHERE counted_at_ms >= ? AND state = 'denied' ORDER BY counted_at_ms DESC ${LIMIT}`,
  dueHolds: `SELECT counted_as AS aiType, strftime('%Y-%m-%dT%H', counted_at_ms / 1000, 'unixepoch') AS hourStart,
           min(sum(reserved_tokens), ${SATURATED}) AS tokens, min(sum(reserved_input_tokens), ${SATURATED}) AS inputTokens,
           sum(max(request_items, 1)) AS requests
         FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= ? GROUP BY 1, 2`,
  newestLog: `SELECT counted_at_ms FROM token_usage_logs WHERE counted_at_ms IS NOT NULL AND state <> 'denied'
         ORDER BY counted_at_ms DESC LIMIT 1`,
  createdAt: 'SELECT min(created_at_ms) FROM limit_revisions',
  insertAdjustment: `INSERT INTO usage_adjustments (kind, reset_id, scope_kind, scope_name, window_kind, window_start,
           tokens_in, tokens_out, used, requests, actor, reason, created_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  resetAdjustments: `SELECT kind, scope_kind, scope_name, window_kind, window_start, sum(tokens_in) AS tokens_in,
             sum(tokens_out) AS tokens_out, sum(used) AS used, sum(requests) AS requests
           FROM usage_adjustments WHERE reset_id = ? GROUP BY kind, scope_kind, scope_name, window_kind, window_start`,
  newestReset: 'SELECT coalesce(max(reset_id), 0) FROM usage_adjustments',
  adjustmentSums: `SELECT scope_kind, scope_name, window_kind, window_start, sum(tokens_in) AS tokens_in,
             sum(tokens_out) AS tokens_out, sum(used) AS used, 0 AS held,
             sum(CASE WHEN reset_id IS NULL THEN requests ELSE 0 END) AS requests,
             sum(CASE WHEN reset_id IS NULL THEN 0 ELSE requests END) AS requests_reset,
             sum(failed) AS failed, sum(denied) AS denied, NULL AS last_request_at_ms
           FROM usage_adjustments GROUP BY scope_kind, scope_name, window_kind, window_start`,
  setWindow: `INSERT INTO usage_windows (scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used,
           held, requests, requests_reset, failed, denied)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (window_start, scope_kind, scope_name, window_kind) DO UPDATE SET
           tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out, used = excluded.used,
           held = excluded.held, requests = excluded.requests, requests_reset = excluded.requests_reset,
           failed = excluded.failed, denied = excluded.denied`,

  /** Over all rows: `db verify` holds them against the counts. */
  rowSums: `
  SELECT counted_as AS aiType, ${HOUR} AS hourStart, ${ROW_SUM_COLUMNS}
  ${countedRows()} GROUP BY 1, 2`,

  prunable: `SELECT substr(${HOUR}, 1, 7) AS month, coalesce(counted_as, 'unknown') AS aiType, count(*) AS rows
           FROM token_usage_logs WHERE counted_at_ms < ? AND (state <> 'reserved' OR expires_at <= ?) GROUP BY 1, 2 ORDER BY 1, 2`,
  openBefore: `SELECT count(*) FROM token_usage_logs WHERE counted_at_ms < ? AND state = 'reserved' AND expires_at > ?`,
  pruneIds: `SELECT rowid FROM token_usage_logs WHERE counted_at_ms < ? AND state <> 'reserved' ORDER BY counted_at_ms ${LIMIT}`,
  /** What the named rows count for, as one adjustment a window. */
  pruneKeepCounts: `
  INSERT INTO usage_adjustments (kind, scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, requests,
    failed, denied, actor, reason, created_at_ms)
  SELECT 'deleted', s.kind, CASE s.kind WHEN 'global' THEN '' ELSE r.aiType END, w.kind, substr(r.hourStart, 1, w.length),
    sum(r.tokensIn), sum(r.tokensOut), sum(r.used), sum(r.requests), sum(r.failed), sum(r.denied), ?,
    sum(r.rows) || ' log rows were pruned', ?
  FROM (
    SELECT counted_as AS aiType, ${HOUR} AS hourStart, count(*) AS rows, ${ROW_SUM_COLUMNS}
    ${countedRows(NAMED)} GROUP BY 1, 2
  ) AS r
  CROSS JOIN (SELECT 'global' AS kind UNION ALL SELECT 'ai_type') AS s
  CROSS JOIN (SELECT 'month' AS kind, 7 AS length UNION ALL SELECT 'day', 10 UNION ALL SELECT 'hour', 13) AS w
  GROUP BY 2, 3, 4, 5`,
  pruneKeepRollups: `
  INSERT INTO usage_rollups (hour_start, ai_type, model_used, request_type, tokens_in, tokens_out, used, requests, failed, denied)
  SELECT ${HOUR}, counted_as, coalesce(model_used, ''), coalesce(request_type, ''), ${ROW_SUMS.tokensIn}, ${ROW_SUMS.tokensOut},
    ${ROW_SUMS.used}, ${ROW_SUMS.requests}, ${ROW_SUMS.failed}, ${ROW_SUMS.denied}
  ${countedRows(NAMED)} GROUP BY 1, 2, 3, 4
  ON CONFLICT (hour_start, ai_type, model_used, request_type) DO UPDATE SET
    tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out, used = used + excluded.used,
    requests = requests + excluded.requests, failed = failed + excluded.failed, denied = denied + excluded.denied`,
  /** As if charged after every reset: what leaves the count now corrects none of them. */
  pruneDetach: `UPDATE token_usage_logs SET charged_after_adjustment = 9007199254740991 ${NAMED}`,
  /** A row that counts under no name leaves the count, and its delete trigger has nothing to keep. */
  pruneUncount: `UPDATE token_usage_logs SET counted_as = NULL ${NAMED}`,
  pruneDelete: `DELETE FROM token_usage_logs ${NAMED}`,
} as const;
