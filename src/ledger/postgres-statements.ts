import { logStatements } from './log-statements.ts';
import { SATURATED } from './values.ts';

/** The statements of the PostgreSQL dialect. Rows travel as one array parameter a column. */

const NEWEST_ADJUSTMENT = 'coalesce((SELECT max(id) FROM usage_adjustments), 0)';

/** One lock for everything that decides or folds, in this database and schema. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('tokenctl.' || current_schema(), 0))`;

/** Milliseconds since 1970 of a column that holds a time. */
const msOf = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::bigint`;

const LOG_COLUMNS = `l.id::text, counted_as, state, reserved_tokens, reserved_input_tokens, request_items, c.used AS charged,
  ${msOf('expires_at')} AS expires_at_ms, idempotency_key`;

/** Log rows beside what each counts for. */
const COUNTED_LOGS = `token_usage_logs AS l
    CROSS JOIN LATERAL tokenctl_count(l.state, l.total_tokens, l.tokens_in, l.tokens_out, l.reserved_tokens, l.success, l.request_items, l.denied_count) AS c`;

export const LOG_SQL = logStatements({
  from: COUNTED_LOGS,
  columns: `c.tokens_in, c.tokens_out, c.used AS charged, reserved_tokens, reserved_input_tokens,
    greatest(request_items, 1) AS request_items, greatest(denied_count, 1) AS denied_count, model_used, request_id,
    idempotency_key, request_type, error_message, stop_reason, ${msOf('expires_at')} AS expires_at_ms,
    ${msOf('settled_at')} AS ended_at_ms, verdict`,
  failed: 'NOT coalesce(success, true)',
});

/** A statement with parameters by name, as PostgreSQL takes it: by number, and only those that it has. */
export function byNumber(
  named: string,
  values: Readonly<Record<string, unknown>>,
  types: Readonly<Record<string, string>> = {},
): [string, unknown[]] {
  const names: string[] = [];
  const text = named.replaceAll(/@(\w+)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    const type = types[name];
    return `$${String(names.indexOf(name) + 1)}${type === undefined ? '' : `::${type}`}`;
  });
  return [text, names.map((name) => values[name] ?? null)];
}

const sum = (column: string): string => `least(sum(${column}), ${SATURATED})::bigint AS ${column}`;

const WINDOW_SUMS = `scope_kind, scope_name, window_kind, window_start, ${sum('tokens_in')}, ${sum('tokens_out')},
  ${sum('used')}, ${sum('held')}, ${sum('requests')}, ${sum('requests_reset')}, ${sum('failed')}, ${sum('denied')},
  max(last_request_at_ms) AS last_request_at_ms`;

/** `unnest` over one array parameter a column: estimated as few rows, so that each is found by primary key. */
const rowsOf = (columns: Readonly<Record<string, string>>): string => {
  const arrays = Object.values(columns).map((type, index) => `$${String(index + 1)}::${type}[]`);
  return `unnest(${arrays.join(', ')}) AS r (${Object.keys(columns).join(', ')})`;
};

/** The columns of an insert into the log, in the order of its parameters. */
export const INSERT_COLUMNS = {
  id: 'uuid',
  ai_type: 'text',
  month_year: 'text',
  request_id: 'text',
  tokens_in: 'bigint',
  tokens_out: 'bigint',
  total_tokens: 'bigint',
  model_used: 'text',
  request_type: 'text',
  success: 'boolean',
  error_message: 'text',
  created_at: 'timestamp',
  state: 'text',
  reserved_tokens: 'bigint',
  reserved_input_tokens: 'bigint',
  request_items: 'integer',
  denied_count: 'integer',
  expires_at: 'timestamp',
  settled_at: 'timestamp',
  idempotency_key: 'text',
  verdict: 'text',
  counted_at_ms: 'bigint',
} as const;

/** What differs between the reservations of one batch; $11 to $13 are its time, month and instant. */
export const RESERVE_COLUMNS = {
  id: 'uuid',
  ai_type: 'text',
  request_id: 'text',
  model_used: 'text',
  request_type: 'text',
  reserved_tokens: 'bigint',
  reserved_input_tokens: 'bigint',
  request_items: 'integer',
  expires_at: 'timestamp',
  idempotency_key: 'text',
} as const;

/** What differs between the endings of one batch; $9 is their time. */
export const END_COLUMNS = {
  id: 'uuid',
  state: 'text',
  tokens_in: 'bigint',
  tokens_out: 'bigint',
  cache_creation_tokens: 'bigint',
  cache_read_tokens: 'bigint',
  error_message: 'text',
  model_used: 'text',
  stop_reason: 'text',
} as const;

/**
 * Ends reservations, of any state or open ones only. The state is compared so that the primary key finds
 * the rows, not the index of all open ones.
 */
const endLogs = (open: boolean, careful: boolean): string => `
    UPDATE token_usage_logs AS l SET
      charged_after_adjustment = CASE WHEN l.state = 'reserved' THEN ${NEWEST_ADJUSTMENT} ELSE l.charged_after_adjustment END,
      state = r.state, tokens_in = r.tokens_in, tokens_out = r.tokens_out, total_tokens = r.tokens_in + r.tokens_out,
      cache_creation_tokens = r.cache_creation_tokens, cache_read_tokens = r.cache_read_tokens,
      success = r.error_message IS NULL, error_message = r.error_message, model_used = coalesce(r.model_used, l.model_used),
      stop_reason = r.stop_reason, settled_at = $10::timestamp
    FROM ${rowsOf(END_COLUMNS)}
    WHERE l.id = r.id ${open ? `AND l.state || '' = 'reserved'` : ''}
      ${careful ? 'AND l.id IN (SELECT id FROM token_usage_logs WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED)' : ''}
    RETURNING l.id::text AS id`;

const prelude = (now: string): string => `
  SELECT ${now} AS now_ms, r.revision, r.settings
  FROM (SELECT 1) AS one LEFT JOIN (SELECT revision, settings FROM limit_revisions ORDER BY revision DESC LIMIT 1) AS r ON true`;

/** How long a batch waits for a row that a foreign transaction has locked, before it leaves it out. */
const ROW_LOCK_MS = 50;

export const SQL = {
  beginRead: (now: string) => `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${prelude(now)}`,

  /**
   * The lock is a statement of its own: a statement's snapshot is as old as its start, so what reads
   * the counts must start after the lock is held. So must the clock.
   */
  beginWrite: (now: string, expire: number, fold: number) => `
    BEGIN ISOLATION LEVEL READ COMMITTED;
    ${LOCK};
    SET LOCAL lock_timeout = ${String(ROW_LOCK_MS)};
    SELECT tokenctl_expire(${now}, ${String(expire)}) AS expired;
    SELECT tokenctl_fold(${String(fold)});
    ${prelude(now)}`,

  windows: `SELECT ${WINDOW_SUMS} FROM usage_windows_now WHERE window_start = ANY ($1) GROUP BY 1, 2, 3, 4`,
  windowsOf: `
    SELECT ${WINDOW_SUMS} FROM usage_windows_now
    WHERE window_start = ANY ($1) AND (scope_kind = 'global' OR scope_name = ANY ($2)) GROUP BY 1, 2, 3, 4`,
  allWindows: `SELECT ${WINDOW_SUMS} FROM usage_windows_now GROUP BY 1, 2, 3, 4`,

  recent: `
    SELECT counted_at_ms AS at_ms, greatest(request_items, 1) AS items FROM token_usage_logs
    WHERE counted_at_ms > $1 AND state <> 'denied' ORDER BY counted_at_ms DESC LIMIT $2`,

  logsById: `SELECT ${LOG_COLUMNS} FROM ${COUNTED_LOGS} WHERE l.id = ANY ($1::uuid[])`,
  logsByKey: `SELECT ${LOG_COLUMNS} FROM ${COUNTED_LOGS} WHERE idempotency_key = ANY ($1)`,

  insertLogs: `
    INSERT INTO token_usage_logs (${Object.keys(INSERT_COLUMNS).join(', ')}, counted_as, charged_after_adjustment)
    SELECT ${Object.keys(INSERT_COLUMNS)
      .map((column) => `r.${column}`)
      .join(', ')}, r.ai_type, ${NEWEST_ADJUSTMENT}
    FROM ${rowsOf(INSERT_COLUMNS)}`,

  insertReserved: `
    INSERT INTO token_usage_logs (${Object.keys(RESERVE_COLUMNS).join(', ')}, counted_as, state, created_at, month_year,
      counted_at_ms, charged_after_adjustment)
    SELECT ${Object.keys(RESERVE_COLUMNS)
      .map((column) => `r.${column}`)
      .join(', ')}, r.ai_type, 'reserved', $11::timestamp, $12, $13::bigint, ${NEWEST_ADJUSTMENT}
    FROM ${rowsOf(RESERVE_COLUMNS)}`,

  endLogs: endLogs(false, false),
  endLogsCarefully: endLogs(false, true),
  endOpenLogs: endLogs(true, false),
  endOpenLogsCarefully: endLogs(true, true),

  /** Of a row that a foreign transaction has locked, the count stays behind: nobody waits for it. */
  addDenials: `
    UPDATE token_usage_logs SET denied_count = denied_count + $2::integer
    WHERE id = (SELECT id FROM token_usage_logs WHERE id = $1::uuid FOR NO KEY UPDATE SKIP LOCKED)`,

  giveKey: `UPDATE token_usage_logs SET idempotency_key = $2 WHERE id = $1::uuid AND idempotency_key IS NULL`,

  expireDue: 'SELECT tokenctl_expire($1, $2)',

  newestDenials: `
    SELECT verdict, greatest(request_items, 1) AS items, greatest(denied_count, 1) AS count FROM token_usage_logs
    WHERE counted_at_ms >= $1 AND state = 'denied' ORDER BY counted_at_ms DESC LIMIT $2`,

  dueHolds: `
    SELECT counted_as AS "aiType", tokenctl_hour(counted_at_ms) AS "hourStart",
      least(sum(reserved_tokens), ${SATURATED})::bigint AS tokens, least(sum(reserved_input_tokens), ${SATURATED})::bigint AS "inputTokens",
      sum(greatest(request_items, 1)) AS requests
    FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= $1::timestamp GROUP BY 1, 2`,

  newestLog: `
    SELECT counted_at_ms AS at_ms FROM token_usage_logs WHERE state <> 'denied' ORDER BY counted_at_ms DESC LIMIT 1`,

  createdAt: 'SELECT min(created_at_ms) AS at_ms FROM limit_revisions',

  insertAdjustments: `
    INSERT INTO usage_adjustments (kind, reset_id, scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out,
      used, requests, actor, reason, created_at_ms)
    SELECT kind, reset_id, scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, requests, actor, reason, created_at_ms
    FROM jsonb_to_recordset($1::jsonb) AS r (kind text, reset_id integer, scope_kind text, scope_name text, window_kind text,
      window_start text, tokens_in bigint, tokens_out bigint, used bigint, requests bigint, actor text, reason text, created_at_ms bigint)`,

  resetAdjustments: `
    SELECT kind, scope_kind, scope_name, window_kind, window_start, ${sum('tokens_in')}, ${sum('tokens_out')}, ${sum('used')},
      0::bigint AS held, ${sum('requests')}, 0::bigint AS requests_reset, 0::bigint AS failed, 0::bigint AS denied, NULL::bigint AS last_request_at_ms
    FROM usage_adjustments WHERE reset_id = $1 GROUP BY kind, scope_kind, scope_name, window_kind, window_start`,

  newestReset: 'SELECT coalesce(max(reset_id), 0) AS id FROM usage_adjustments',

  /** The counting rule of the triggers, over all rows: `db verify` holds one against the other. */
  rowSums: `
    SELECT l.counted_as AS "aiType", tokenctl_hour(l.counted_at_ms / 3600000 * 3600000) AS "hourStart",
      least(sum(c.tokens_in), ${SATURATED})::bigint AS "tokensIn", least(sum(c.tokens_out), ${SATURATED})::bigint AS "tokensOut",
      ${sum('c.used').replace('AS c.used', 'AS used')}, ${sum('c.held').replace('AS c.held', 'AS held')},
      sum(c.requests)::bigint AS requests, sum(c.failed)::bigint AS failed, sum(c.denied)::bigint AS denied
    FROM ${COUNTED_LOGS}
    WHERE l.counted_at_ms IS NOT NULL AND l.counted_as IS NOT NULL
    GROUP BY 1, 2`,

  adjustmentSums: `
    SELECT scope_kind, scope_name, window_kind, window_start, ${sum('tokens_in')}, ${sum('tokens_out')}, ${sum('used')},
      0::bigint AS held, sum(CASE WHEN reset_id IS NULL THEN requests ELSE 0 END)::bigint AS requests,
      sum(CASE WHEN reset_id IS NULL THEN 0 ELSE requests END)::bigint AS requests_reset,
      ${sum('failed')}, ${sum('denied')}, NULL::bigint AS last_request_at_ms
    FROM usage_adjustments GROUP BY scope_kind, scope_name, window_kind, window_start`,

  setWindows: `
    INSERT INTO usage_windows (scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, held,
      requests, requests_reset, failed, denied)
    SELECT scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, held, requests, requests_reset, failed, denied
    FROM jsonb_to_recordset($1::jsonb) AS r (scope_kind text, scope_name text, window_kind text, window_start text, tokens_in bigint,
      tokens_out bigint, used bigint, held bigint, requests bigint, requests_reset bigint, failed bigint, denied bigint)
    ORDER BY window_start, scope_kind, scope_name, window_kind
    ON CONFLICT (window_start, scope_kind, scope_name, window_kind) DO UPDATE SET
      tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out, used = excluded.used, held = excluded.held,
      requests = excluded.requests, requests_reset = excluded.requests_reset, failed = excluded.failed, denied = excluded.denied`,

  prunable: `
    SELECT left(tokenctl_hour(counted_at_ms), 7) AS month, coalesce(counted_as, 'unknown') AS "aiType", count(*) AS rows
    FROM token_usage_logs WHERE counted_at_ms < $1 AND (state <> 'reserved' OR expires_at <= $2::timestamp) GROUP BY 1, 2 ORDER BY 1, 2`,
  openBefore: `
    SELECT count(*) AS open FROM token_usage_logs
    WHERE counted_at_ms < $1 AND state = 'reserved' AND expires_at > $2::timestamp`,

  /** The delete trigger keeps the windows' counts, but lets the next fold take the rows out of their rollups: they are added before. */
  pruneLogs: `
    WITH taken AS (
      DELETE FROM token_usage_logs WHERE id = ANY (ARRAY(
        SELECT id FROM token_usage_logs WHERE counted_at_ms < $1 AND state <> 'reserved'
        ORDER BY counted_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED))
      RETURNING *
    ), kept AS (
      INSERT INTO usage_rollups AS r (hour_start, ai_type, model_used, request_type, tokens_in, tokens_out, used, requests, failed, denied)
      SELECT tokenctl_hour(l.counted_at_ms), l.counted_as, coalesce(l.model_used, ''), coalesce(l.request_type, ''),
        sum(c.tokens_in), sum(c.tokens_out), sum(c.used), sum(c.requests), sum(c.failed), sum(c.denied)
      FROM taken AS l
      CROSS JOIN LATERAL tokenctl_count(l.state, l.total_tokens, l.tokens_in, l.tokens_out, l.reserved_tokens, l.success, l.request_items, l.denied_count) AS c
      WHERE l.counted_as IS NOT NULL
      GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
      ON CONFLICT (hour_start, ai_type, model_used, request_type) DO UPDATE SET
        tokens_in = r.tokens_in + excluded.tokens_in, tokens_out = r.tokens_out + excluded.tokens_out, used = r.used + excluded.used,
        requests = r.requests + excluded.requests, failed = r.failed + excluded.failed, denied = r.denied + excluded.denied
    )
    SELECT count(*) AS rows FROM taken`,
} as const;
