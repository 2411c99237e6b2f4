import type { Duplex } from 'node:stream';
import pg from 'pg';
import type { PastDenial } from '../budget/rejudge.ts';
import {
  classify,
  explain,
  isMissingDatabase,
  isReadOnly,
  unreachable,
} from './postgres-errors.ts';
import {
  entryValues,
  LOG_PARAMETER_TYPES,
  mayPassOver,
  rangeValues,
  toEntry,
  toPage,
  toPosition,
  type SqlEntry,
  type SqlPosition,
} from './log-statements.ts';
import {
  byNumber,
  END_COLUMNS,
  INSERT_COLUMNS,
  LOG_SQL,
  RESERVE_COLUMNS,
  SQL,
} from './postgres-statements.ts';
import type {
  AdjustmentKind,
  Connection,
  DueHold,
  EndedLog,
  Mode,
  NewAdjustment,
  NewLog,
  Operations,
  PlainStatement,
  PrunableRows,
  ResetAdjustment,
  RowSum,
  StoredRevision,
  WindowRow,
} from './port.ts';
import { postgresTarget, type PostgresTarget } from './postgres-url.ts';
import { toLog, toWindow, type SqlLog, type SqlWindow } from './rows.ts';
import { runAsync, type Step } from './steps.ts';
import { scopeOf, writtenTime } from './values.ts';

/** The ledger's PostgreSQL dialect: one connection, an advisory lock in its own statement, UTC. */

export interface PostgresOptions {
  readonly url: string;
  /** Replaces the database's clock, for tests. */
  readonly nowMs?: () => number;
  /** The longest that connecting, one statement or the wait for a turn may take, in ms; a transaction takes at most twice that. */
  readonly timeoutMs?: number;
  /** Runs on every new connection, before anything else: refuses a schema that does not fit. */
  readonly onConnect?: (client: pg.Client) => Promise<void>;
}

/** The longest that connecting may take, in ms, also where a transaction may take minutes. */
const CONNECT_MOST_MS = 10_000;
/** Due holds charged and deltas folded by one batch, at most. */
const EXPIRED_AT_ONCE = 256;
const FOLDED_AT_ONCE = 10_000;

/**
 * Connects one client, with a session whose times are UTC and whose waits are bounded. Its statements
 * touch few rows by index; without the planner settings a plan made while the tables were empty
 * would read them whole once they have grown.
 */
export async function connectPostgres(
  target: PostgresTarget,
  timeoutMs: number,
  onStart?: (client: pg.Client) => void,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...target.config,
    application_name: 'tokenctl',
    connectionTimeoutMillis: Math.min(timeoutMs, CONNECT_MOST_MS),
    query_timeout: timeoutMs * 2,
    keepAlive: true,
    types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
  });
  // A connection lost while idle is reported here; the next statement fails and reconnects.
  client.on('error', () => undefined);
  onStart?.(client);
  try {
    await client.connect();
    await client.query(
      `SET TIME ZONE 'UTC'; SET synchronous_commit = on; SET lock_timeout = ${String(timeoutMs)};
       SET statement_timeout = ${String(timeoutMs)}; SET idle_in_transaction_session_timeout = ${String(timeoutMs * 2)};
       SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
       SET search_path = ${pg.escapeIdentifier(target.schema)}, pg_temp`,
    );
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** Hangs up at once: what waits for an answer fails with the error. */
function cutOff(client: pg.Client, error?: Error): void {
  const { connection } = client as unknown as { connection: { stream: Duplex } };
  connection.stream.destroy(error);
}

/** Ends a connection; a peer that does not say goodbye in time is hung up on, or it would never end. */
async function hangUp(client: pg.Client, timeoutMs: number): Promise<void> {
  const timer = setTimeout(() => cutOff(client), Math.min(timeoutMs, 1_000));
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

/** What PostgreSQL may be asked for as an id: with any other text it would answer an error. */
const UUID = /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;

/** bigint's type number in PostgreSQL. */
const INT8 = 20;

function parserOf(oid: number, format: 'text' | 'binary' = 'text'): unknown {
  const usual = pg.types.getTypeParser as (oid: number, format: string) => unknown;
  return oid === INT8 ? readBigint : usual(oid, format);
}

/** Sums above 2^53 - 1 are read as that, which is above every limit. */
function readBigint(text: string): number {
  const value = Number(text);
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value;
}

export function openPostgres(options: PostgresOptions): Connection {
  const target = postgresTarget(options.url);
  const timeoutMs = options.timeoutMs ?? 5_000;
  const now =
    options.nowMs === undefined
      ? 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
      : null;
  let client: pg.Client | null = null;
  /** The same, or what is still connecting. */
  let newest: pg.Client | null = null;
  /** Transactions take turns on the one connection. */
  let turn: Promise<unknown> = Promise.resolve();
  const tooLate = (): Error => new Error(`timeout: no answer within ${String(timeoutMs)} ms`);

  const drop = (): void => {
    const lost = client;
    client = null;
    // Not waited for: the peer may be gone.
    if (lost !== null) void hangUp(lost, timeoutMs);
  };

  const connect = async (): Promise<pg.Client> => {
    const fresh = await connectPostgres(target, timeoutMs, (starting) => {
      newest = starting;
    }).catch((error: unknown) => {
      throw isMissingDatabase(error) ? unreachable(target, error) : error;
    });
    try {
      await options.onConnect?.(fresh);
    } catch (error) {
      fresh.end().catch(() => undefined);
      throw error;
    }
    return fresh;
  };

  const run = async <T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> => {
    client ??= await connect();
    const open = client;
    try {
      const nowSql = now ?? String(options.nowMs?.() ?? 0);
      const results = (await open.query(
        mode === 'read'
          ? SQL.beginRead(nowSql)
          : SQL.beginWrite(nowSql, EXPIRED_AT_ONCE, FOLDED_AT_ONCE),
      )) as unknown as pg.QueryResult<Prelude>[];
      const prelude = results.at(-1)?.rows[0];
      if (prelude === undefined) throw new Error('PostgreSQL answered nothing to BEGIN');
      const result = await runAsync(work(operations(open, prelude)));
      await open.query('COMMIT');
      return result;
    } catch (error) {
      if (classify(error) === 'lost' || isReadOnly(error)) drop();
      else await open.query('ROLLBACK').catch(drop);
      throw error;
    }
  };

  /** Connecting and every statement together: each alone in time may be too long in sum. */
  const runInTime = async <T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> => {
    const timer = setTimeout(() => {
      if (newest !== null) cutOff(newest, tooLate());
    }, timeoutMs * 2);
    return run(mode, work).finally(() => clearTimeout(timer));
  };

  return {
    kind: 'postgresql',
    location: target.location,
    transaction(mode, work) {
      return new Promise((resolve, reject) => {
        let waits = true;
        const timer = setTimeout(() => {
          waits = false;
          reject(tooLate());
        }, timeoutMs);
        turn = turn.then(async () => {
          clearTimeout(timer);
          if (waits) await runInTime(mode, work).then(resolve, reject);
        });
      });
    },
    classify,
    explain,
    async close() {
      await turn;
      const open = client;
      client = null;
      if (open !== null) await hangUp(open, timeoutMs);
    },
  };
}

interface Prelude {
  now_ms: number;
  revision: number | null;
  settings: string | null;
}

function operations(client: pg.Client, prelude: Prelude): Operations {
  const nowMs = prelude.now_ms;
  const now = writtenTime(nowMs);
  const query = async <R extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: unknown[],
  ): Promise<R[]> => (await client.query<R>({ name, text, values })).rows;

  return {
    kind: 'postgresql',
    nowMs,
    newestRevision: () =>
      prelude.revision === null || prelude.settings === null
        ? null
        : ({ revision: prelude.revision, settings: prelude.settings } satisfies StoredRevision),
    async expireDue(limit) {
      await query('expire_due', SQL.expireDue, [nowMs, limit]);
    },
    async lockLogs() {
      await client.query('LOCK TABLE token_usage_logs IN SHARE ROW EXCLUSIVE MODE');
    },
    async foldAll() {
      await client.query('SELECT tokenctl_fold(2147483647)');
    },
    async windows(starts, aiTypes) {
      const rows =
        starts === null
          ? await query<SqlWindow>('all_windows', SQL.allWindows, [])
          : aiTypes === null
            ? await query<SqlWindow>('windows', SQL.windows, [starts])
            : await query<SqlWindow>('windows_of', SQL.windowsOf, [starts, aiTypes]);
      return rows.map(toWindow);
    },
    async recentRequests(limit) {
      const rows = await query<{ at_ms: number; items: number }>('recent', SQL.recent, [
        nowMs - 60_000,
        limit,
      ]);
      return rows.reverse().map((row) => ({ atMs: row.at_ms, items: row.items }));
    },
    newestDenials: (fromMs, limit) =>
      query<PastDenial & pg.QueryResultRow>('newest_denials', SQL.newestDenials, [fromMs, limit]),
    async logsById(ids) {
      return (await query<SqlLog>('logs_by_id', SQL.logsById, [ids])).map(toLog);
    },
    async logsByKey(keys) {
      return (await query<SqlLog>('logs_by_key', SQL.logsByKey, [keys])).map(toLog);
    },
    async logPage(page) {
      // Read in the order of the index: the planner guesses a range to be small, and would sort it whole.
      await client.query('SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off');
      const order = page.order === 'newest first' ? 'newest' : 'oldest';
      const { end: endSql, entries } = LOG_SQL[order];
      const [last] = mayPassOver(page)
        ? await query<SqlPosition & pg.QueryResultRow>(
            `log_${order}_end`,
            ...byNumber(endSql, rangeValues(page), LOG_PARAMETER_TYPES),
          )
        : [];
      const end = toPosition(last);
      const rows = await query<SqlEntry & pg.QueryResultRow>(
        `log_${order}`,
        ...byNumber(entries, entryValues(page, end, now), LOG_PARAMETER_TYPES),
      );
      return toPage(rows, page, end);
    },
    async logEntry(id) {
      if (!UUID.test(id)) return null;
      const [row] = await query<SqlEntry & pg.QueryResultRow>(
        'log_entry',
        ...byNumber(LOG_SQL.byId, { id, now }, LOG_PARAMETER_TYPES),
      );
      return row === undefined ? null : toEntry(row);
    },
    async insertLogs(rows) {
      const reserved = rows.filter((row) => row.state === 'reserved');
      const others = rows.filter((row) => row.state !== 'reserved');
      if (reserved.length > 0) {
        const batch = [now, now.slice(0, 7), nowMs];
        await query('insert_reserved', SQL.insertReserved, [...reserveColumns(reserved), ...batch]);
      }
      if (others.length > 0) await query('insert_logs', SQL.insertLogs, insertColumns(others));
    },
    async endOpenLogs(rows, careful) {
      const [name, text] = careful
        ? (['end_open_carefully', SQL.endOpenLogsCarefully] as const)
        : (['end_open', SQL.endOpenLogs] as const);
      const ended = await query<{ id: string }>(name, text, endValues(rows, now));
      return ended.map(({ id }) => id);
    },
    async endLogs(rows, careful) {
      const [name, text] = careful
        ? (['end_carefully', SQL.endLogsCarefully] as const)
        : (['end', SQL.endLogs] as const);
      const ended = await query<{ id: string }>(name, text, endValues(rows, now));
      return ended.map(({ id }) => id);
    },
    async giveKey(id, key) {
      await query('give_key', SQL.giveKey, [id, key]);
    },
    async addDenials(id, count) {
      await query('add_denials', SQL.addDenials, [id, count]);
    },
    async dueHolds() {
      return query<DueHold & pg.QueryResultRow>('due_holds', SQL.dueHolds, [now]);
    },
    async newestLogAtMs() {
      const [row] = await query<{ at_ms: number }>('newest_log', SQL.newestLog, []);
      return row?.at_ms ?? null;
    },
    async createdAtMs() {
      const [row] = await query<{ at_ms: number | null }>('created_at', SQL.createdAt, []);
      return row?.at_ms ?? null;
    },
    async insertAdjustments(rows) {
      if (rows.length > 0)
        await query('insert_adjustments', SQL.insertAdjustments, [adjustmentJson(rows)]);
    },
    async resetAdjustments(resetId) {
      const rows = await query<SqlWindow & { kind: AdjustmentKind }>(
        'reset_adjustments',
        SQL.resetAdjustments,
        [resetId],
      );
      return rows.map((row): ResetAdjustment => {
        const window = toWindow(row);
        return { ...window, kind: row.kind, windowKind: window.kind, windowStart: window.start };
      });
    },
    async newestResetId() {
      const [row] = await query<{ id: number }>('newest_reset', SQL.newestReset, []);
      return row?.id ?? 0;
    },
    async rowSums() {
      // This one does read everything.
      await client.query('SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on');
      return query<RowSum & pg.QueryResultRow>('row_sums', SQL.rowSums, []);
    },
    async adjustmentSums() {
      return (await query<SqlWindow>('adjustment_sums', SQL.adjustmentSums, [])).map(toWindow);
    },
    async setWindows(rows) {
      if (rows.length > 0) await query('set_windows', SQL.setWindows, [windowJson(rows)]);
    },
    async prunable(beforeMs) {
      const rows = await query<PrunableRows & pg.QueryResultRow>('prunable', SQL.prunable, [
        beforeMs,
        now,
      ]);
      const values = [beforeMs, now];
      const [row] = await query<{ open: number }>('open_before', SQL.openBefore, values);
      return { rows, open: row?.open ?? 0 };
    },
    async pruneLogs(beforeMs, limit) {
      const [row] = await query<{ rows: number }>('prune', SQL.pruneLogs, [beforeMs, limit]);
      await client.query('SELECT tokenctl_fold(2147483647)');
      return row?.rows ?? 0;
    },
    query: async <R>(
      { name, sql }: PlainStatement,
      values: Readonly<Record<string, unknown>>,
    ): Promise<R[]> => (await query(name, ...byNumber(sql, values))) as R[],
  };
}

/** One array a column, in the order of the statement's parameters. */
function toColumns<C extends string, R>(
  columns: Readonly<Record<C, string>>,
  rows: readonly R[],
  values: (row: R) => Readonly<Record<C, unknown>>,
): unknown[][] {
  const records = rows.map(values);
  return (Object.keys(columns) as C[]).map((column) => records.map((record) => record[column]));
}

function insertColumns(rows: readonly NewLog[]): unknown[][] {
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

function reserveColumns(rows: readonly NewLog[]): unknown[][] {
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
function endValues(rows: readonly EndedLog[], at: string): unknown[] {
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

function adjustmentJson(rows: readonly NewAdjustment[]): string {
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

function windowJson(rows: readonly WindowRow[]): string {
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
