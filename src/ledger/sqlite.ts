import Database from 'better-sqlite3';
import { TokenctlError } from '../budget/errors.ts';
import type { Runtime } from '../platform/runtime.ts';
import type {
  Connection,
  DueHold,
  EndedLog,
  FailureKind,
  Mode,
  NewAdjustment,
  NewLog,
  Operations,
  ResetAdjustment,
  RowSum,
  StoredRevision,
} from './port.ts';
import { runSync, type Step } from './steps.ts';
import { toLog, toWindow, type SqlLog, type SqlWindow } from './rows.ts';
import { SATURATED, scopeOf, writtenTime } from './values.ts';

/** The ledger's SQLite dialect: WAL, synchronous=FULL, the write lock taken first, no busy wait. */

export interface SqliteOptions {
  readonly path: string;
  readonly runtime: Runtime;
  /** Runs once it is open, before anything else: refuses a schema that does not fit. */
  readonly onOpen?: (database: Database.Database) => void;
}

/** Opens an existing SQLite file. @throws database_missing, database_unusable */
export function openSqliteFile(path: string): Database.Database {
  let database: Database.Database;
  try {
    // No busy timeout: waiting in the driver would stop the event loop and starve other processes.
    database = new Database(path, { fileMustExist: true, timeout: 0 });
  } catch (error) {
    throw unusable(path, error);
  }
  try {
    const mode = database.pragma('journal_mode', { simple: true });
    if (mode !== 'wal' && database.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
      throw new TokenctlError(
        'database_unusable',
        `${path} can't be put into WAL mode, without which concurrent commits could be lost`,
        { fix: 'put the database on a local disk (network file systems have no WAL)' },
      );
    }
    database.pragma('synchronous = FULL');
    return database;
  } catch (error) {
    database.close();
    throw unusable(path, error);
  }
}

/** A driver's error while opening, as what an operator can do about it. */
export function unusable(path: string, error: unknown): unknown {
  if (error instanceof TokenctlError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const say = (what: string, fix: string): TokenctlError =>
    new TokenctlError('database_unusable', `${path} ${what}`, { fix, cause: error });
  if (code.startsWith('SQLITE_NOTADB')) {
    return say('is no SQLite database', 'name another file with --database file:PATH');
  }
  if (code.startsWith('SQLITE_CORRUPT')) {
    return say('is damaged', 'restore a backup (the damaged file is left as it is)');
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_PERM')) {
    return say("can't be written", 'give this user write access to the file and its directory');
  }
  if (code.startsWith('SQLITE_CANTOPEN')) {
    return say("can't be opened", 'check that the directory exists and this user may write in it');
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return say('is locked by another process', 'try again when that process is done');
  }
  if (code.startsWith('SQLITE_FULL')) return say("can't grow: the disk is full", 'free disk space');
  if (code.startsWith('SQLITE_IOERR')) return say("can't be read", 'check the disk');
  return error;
}

/** Whether opening failed only because another process had the file to itself at that moment. */
export function wasLocked(error: unknown): boolean {
  return error instanceof TokenctlError && codeOf(error.cause).startsWith('SQLITE_BUSY');
}

export function openSqlite({ path, runtime, onOpen }: SqliteOptions): Connection {
  const database = openSqliteFile(path);
  try {
    onOpen?.(database);
  } catch (error) {
    database.close();
    throw unusable(path, error);
  }
  const statements = new Map<string, Database.Statement>();
  const statement = (sql: string): Database.Statement => {
    let prepared = statements.get(sql);
    if (prepared === undefined) {
      prepared = database.prepare(sql);
      statements.set(sql, prepared);
    }
    return prepared;
  };
  return {
    kind: 'sqlite',
    location: path,
    transaction<T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> {
      return new Promise((resolve) => {
        statement(mode === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE').run();
        let result: T;
        try {
          result = runSync(work(operations(statement, runtime.nowMs())));
          statement('COMMIT').run();
        } catch (error) {
          if (database.inTransaction) statement('ROLLBACK').run();
          throw error;
        }
        resolve(result);
      });
    },
    classify,
    explain: (error) => {
      const told = unusable(path, error);
      return told instanceof Error ? told.message : String(told);
    },
    close() {
      database.close();
      return Promise.resolve();
    },
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function classify(error: unknown): FailureKind {
  const code = codeOf(error);
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return 'busy';
  if (
    code.startsWith('SQLITE_CONSTRAINT') ||
    code === 'SQLITE_TOOBIG' ||
    code === 'SQLITE_MISMATCH'
  ) {
    return 'content';
  }
  return code === '' ? 'content' : 'unusable';
}

const WINDOW_COLUMNS = `scope_kind, scope_name, window_kind, window_start,
  min(tokens_in, ${SATURATED}) AS tokens_in, min(tokens_out, ${SATURATED}) AS tokens_out,
  min(used, ${SATURATED}) AS used, min(held, ${SATURATED}) AS held,
  requests, requests_reset, failed, denied, last_request_at_ms`;

const LOG_COLUMNS = `id, counted_as, state, reserved_tokens, reserved_input_tokens, request_items,
  total_tokens, CAST(round((julianday(expires_at) - 2440587.5) * 86400000) AS INTEGER) AS expires_at_ms,
  idempotency_key`;

const NEWEST_ADJUSTMENT = 'coalesce((SELECT max(id) FROM usage_adjustments), 0)';

function operations(statement: (sql: string) => Database.Statement, nowMs: number): Operations {
  const now = writtenTime(nowMs);
  return {
    kind: 'sqlite',
    nowMs,
    newestRevision: () =>
      (statement(
        'SELECT revision, settings FROM limit_revisions ORDER BY revision DESC LIMIT 1',
      ).get() as StoredRevision | undefined) ?? null,
    expireDue(limit) {
      const due = statement(
        `SELECT id FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
      )
        .pluck()
        .all(now, limit) as string[];
      for (const id of due) {
        statement(
          `UPDATE token_usage_logs SET state = 'expired', tokens_in = reserved_input_tokens,
             tokens_out = reserved_tokens - reserved_input_tokens, total_tokens = reserved_tokens,
             success = 0, error_message = 'expired: its holder never settled it, so the hold is charged in full',
             settled_at = ?, charged_after_adjustment = ${NEWEST_ADJUSTMENT}
           WHERE id = ?`,
        ).run(now, id);
      }
    },
    lockLogs: () => undefined,
    foldAll: () => undefined,
    windows(starts, aiTypes) {
      const rows =
        starts === null
          ? statement(`SELECT ${WINDOW_COLUMNS} FROM usage_windows`).all()
          : aiTypes === null
            ? statement(
                `SELECT ${WINDOW_COLUMNS} FROM usage_windows WHERE window_start IN (SELECT value FROM json_each(?))`,
              ).all(JSON.stringify(starts))
            : starts.flatMap((start) =>
                [null, ...aiTypes].flatMap((aiType) => {
                  const [kind, name] = scopeOf(aiType);
                  return statement(
                    `SELECT ${WINDOW_COLUMNS} FROM usage_windows WHERE window_start = ? AND scope_kind = ? AND scope_name = ?`,
                  ).all(start, kind, name);
                }),
              );
      return (rows as SqlWindow[]).map(toWindow);
    },
    recentRequests(limit) {
      const rows = statement(
        `SELECT counted_at_ms AS atMs, max(request_items, 1) AS items FROM token_usage_logs
         WHERE counted_at_ms > ? AND state <> 'denied' ORDER BY counted_at_ms DESC LIMIT ?`,
      ).all(nowMs - 60_000, limit) as { atMs: number; items: number }[];
      return rows.reverse();
    },
    logsById: (ids) =>
      ids.flatMap((id) =>
        (
          statement(`SELECT ${LOG_COLUMNS} FROM token_usage_logs WHERE id = ?`).all(id) as SqlLog[]
        ).map(toLog),
      ),
    logsByKey: (keys) =>
      keys.flatMap((key) =>
        (
          statement(`SELECT ${LOG_COLUMNS} FROM token_usage_logs WHERE idempotency_key = ?`).all(
            key,
          ) as SqlLog[]
        ).map(toLog),
      ),
    insertLogs(rows) {
      const insert = statement(
        `INSERT INTO token_usage_logs (id, ai_type, month_year, request_id, tokens_in, tokens_out, total_tokens,
           model_used, request_type, success, error_message, created_at, state, reserved_tokens, reserved_input_tokens,
           request_items, denied_count, expires_at, settled_at, idempotency_key, verdict, counted_at_ms, counted_as,
           charged_after_adjustment)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${NEWEST_ADJUSTMENT})`,
      );
      for (const row of rows) insert.run(...insertValues(row));
    },
    endOpenLogs(rows) {
      const update = statement(`${END_LOG} AND state = 'reserved'`);
      return rows.flatMap((row) =>
        update.run(...endValues(row, nowMs)).changes === 1 ? [row.id] : [],
      );
    },
    endLogs(rows) {
      const update = statement(END_LOG);
      for (const row of rows) update.run(...endValues(row, nowMs));
      return rows.map(({ id }) => id);
    },
    addDenials(id, count) {
      statement('UPDATE token_usage_logs SET denied_count = denied_count + ? WHERE id = ?').run(
        count,
        id,
      );
    },
    dueHolds: () =>
      statement(
        `SELECT counted_as AS aiType, strftime('%Y-%m-%dT%H', counted_at_ms / 1000, 'unixepoch') AS hourStart,
           min(sum(reserved_tokens), ${SATURATED}) AS tokens, min(sum(reserved_input_tokens), ${SATURATED}) AS inputTokens
         FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= ? GROUP BY 1, 2`,
      ).all(now) as DueHold[],
    newestLogAtMs: () =>
      (statement(
        `SELECT counted_at_ms FROM token_usage_logs WHERE counted_at_ms IS NOT NULL AND state <> 'denied'
         ORDER BY counted_at_ms DESC LIMIT 1`,
      )
        .pluck()
        .get() as number | undefined) ?? null,
    createdAtMs: () =>
      statement('SELECT min(created_at_ms) FROM limit_revisions').pluck().get() as number | null,
    insertAdjustments(rows) {
      const insert = statement(
        `INSERT INTO usage_adjustments (kind, reset_id, scope_kind, scope_name, window_kind, window_start,
           tokens_in, tokens_out, used, requests, actor, reason, created_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      for (const row of rows) insert.run(...adjustmentValues(row));
    },
    resetAdjustments: (resetId) =>
      (
        statement(
          `SELECT kind, scope_kind, scope_name, window_kind, window_start, sum(tokens_in) AS tokens_in,
             sum(tokens_out) AS tokens_out, sum(used) AS used, sum(requests) AS requests
           FROM usage_adjustments WHERE reset_id = ? GROUP BY kind, scope_kind, scope_name, window_kind, window_start`,
        ).all(resetId) as (SqlWindow & { kind: ResetAdjustment['kind'] })[]
      ).map((row) => ({
        ...toWindow(row),
        windowKind: row.window_kind,
        windowStart: row.window_start,
        kind: row.kind,
      })),
    newestResetId: () =>
      statement('SELECT coalesce(max(reset_id), 0) FROM usage_adjustments').pluck().get() as number,
    rowSums: () => statement(ROW_SUMS).all() as RowSum[],
    adjustmentSums: () =>
      (
        statement(
          `SELECT scope_kind, scope_name, window_kind, window_start, sum(tokens_in) AS tokens_in,
             sum(tokens_out) AS tokens_out, sum(used) AS used, 0 AS held,
             sum(CASE WHEN reset_id IS NULL THEN requests ELSE 0 END) AS requests,
             sum(CASE WHEN reset_id IS NULL THEN 0 ELSE requests END) AS requests_reset,
             sum(failed) AS failed, sum(denied) AS denied, NULL AS last_request_at_ms
           FROM usage_adjustments GROUP BY scope_kind, scope_name, window_kind, window_start`,
        ).all() as SqlWindow[]
      ).map(toWindow),
    setWindows(rows) {
      const set = statement(
        `INSERT INTO usage_windows (scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used,
           held, requests, requests_reset, failed, denied)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (window_start, scope_kind, scope_name, window_kind) DO UPDATE SET
           tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out, used = excluded.used,
           held = excluded.held, requests = excluded.requests, requests_reset = excluded.requests_reset,
           failed = excluded.failed, denied = excluded.denied`,
      );
      for (const row of rows) {
        const [kind, name] = scopeOf(row.aiType);
        set.run(
          kind,
          name,
          row.kind,
          row.start,
          row.tokensIn,
          row.tokensOut,
          row.used,
          row.held,
          row.requests,
          row.requestsReset,
          row.failed,
          row.denied,
        );
      }
    },
  };
}

const END_LOG = `
  UPDATE token_usage_logs SET
    charged_after_adjustment = CASE WHEN state = 'reserved' THEN ${NEWEST_ADJUSTMENT} ELSE charged_after_adjustment END,
    state = ?, tokens_in = ?, tokens_out = ?, total_tokens = ?, cache_creation_tokens = ?, cache_read_tokens = ?,
    success = ?, error_message = ?, model_used = coalesce(?, model_used), settled_at = ?
  WHERE id = ?`;

/** The counting rule of the triggers, over all rows: `db verify` holds one against the other. */
const ROW_SUMS = `
  SELECT counted_as AS aiType, strftime('%Y-%m-%dT%H', counted_at_ms / 1000, 'unixepoch') AS hourStart,
    sum(CASE WHEN charged THEN min(max(CAST(coalesce(tokens_in, 0) AS INTEGER), 0), 1000000000000) ELSE 0 END) AS tokensIn,
    sum(CASE WHEN charged THEN min(max(CAST(coalesce(tokens_out, 0) AS INTEGER), 0), 1000000000000) ELSE 0 END) AS tokensOut,
    sum(CASE WHEN charged THEN min(max(CAST(coalesce(total_tokens, 0) AS INTEGER),
      CAST(coalesce(tokens_in, 0) AS INTEGER) + CAST(coalesce(tokens_out, 0) AS INTEGER), 0), 1000000000000) ELSE 0 END) AS used,
    sum(CASE WHEN state = 'reserved' THEN max(min(reserved_tokens, 1000000000000), 0) ELSE 0 END) AS held,
    sum(CASE WHEN state = 'denied' THEN 0 ELSE max(request_items, 1) END) AS requests,
    sum(CASE WHEN charged AND coalesce(success, 1) IN (0, 'false') THEN max(request_items, 1) ELSE 0 END) AS failed,
    sum(CASE WHEN state = 'denied' THEN max(denied_count, 1) ELSE 0 END) AS denied
  FROM (SELECT *, state NOT IN ('reserved', 'denied') AS charged FROM token_usage_logs)
  WHERE counted_at_ms IS NOT NULL AND counted_as IS NOT NULL
  GROUP BY 1, 2`;

function insertValues(row: NewLog): unknown[] {
  const at = writtenTime(row.atMs);
  return [
    row.id,
    row.aiType,
    at.slice(0, 7),
    row.requestId,
    row.tokensIn,
    row.tokensOut,
    row.totalTokens,
    row.model,
    row.requestType,
    row.success ? 1 : 0,
    row.errorMessage,
    at,
    row.state,
    row.reservedTokens,
    row.reservedInputTokens,
    row.requestItems,
    row.deniedCount,
    row.expiresAtMs === null ? null : writtenTime(row.expiresAtMs),
    row.state === 'reserved' ? null : at,
    row.idempotencyKey,
    row.verdict,
    row.atMs,
    row.aiType,
  ];
}

function endValues(row: EndedLog, nowMs: number): unknown[] {
  return [
    row.state,
    row.tokensIn,
    row.tokensOut,
    row.totalTokens,
    row.cacheCreationTokens,
    row.cacheReadTokens,
    row.errorMessage === null ? 1 : 0,
    row.errorMessage,
    row.model,
    writtenTime(nowMs),
    row.id,
  ];
}

function adjustmentValues(row: NewAdjustment): unknown[] {
  return [
    row.kind,
    row.resetId,
    ...scopeOf(row.aiType),
    row.windowKind,
    row.windowStart,
    row.tokensIn,
    row.tokensOut,
    row.used,
    row.requests,
    row.actor,
    row.reason,
    row.atMs,
  ];
}
