import type pg from 'pg';
import type { PastDenial } from '../budget/rejudge.ts';
import {
  entryValues,
  LOG_PARAMETER_TYPES,
  mayPassOver,
  pageKind,
  rangeValues,
  toEntry,
  toPage,
  toPosition,
  type SqlEntry,
  type SqlPosition,
} from './log-statements.ts';
import { byNumber, LOG_SQL, SQL } from './postgres-statements.ts';
import {
  adjustmentJson,
  endValues,
  insertColumns,
  reserveColumns,
  windowJson,
} from './postgres-values.ts';
import type {
  AdjustmentKind,
  DueHold,
  Operations,
  PlainStatement,
  PrunableRows,
  ResetAdjustment,
  RowSum,
  StoredRevision,
} from './port.ts';
import { toLog, toWindow, type SqlLog, type SqlWindow } from './rows.ts';
import { writtenTime } from './values.ts';

/** What PostgreSQL may be asked for as an id: with any other text it would answer an error. */
const UUID = /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;

/** What a transaction begins with: its time, and the newest limits. */
export interface Prelude {
  now_ms: number;
  revision: number | null;
  settings: string | null;
}

/** The operations of one open transaction, on its connection. */
export function operations(client: pg.Client, prelude: Prelude): Operations {
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
      const kind = pageKind(page);
      const { end: endSql, entries } = LOG_SQL[kind];
      const [last] = mayPassOver(page)
        ? await query<SqlPosition & pg.QueryResultRow>(
            `log_${kind}_end`,
            ...byNumber(endSql, rangeValues(page), LOG_PARAMETER_TYPES),
          )
        : [];
      const end = toPosition(last);
      const rows = await query<SqlEntry & pg.QueryResultRow>(
        `log_${kind}`,
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
