import type Database from 'better-sqlite3';
import type { PastDenial } from '../budget/rejudge.ts';
import {
  entryValues,
  mayPassOver,
  pageKind,
  rangeValues,
  toEntry,
  toPage,
  toPosition,
  type SqlEntry,
  type SqlPosition,
} from './log-statements.ts';
import type {
  DueHold,
  EndedLog,
  NewAdjustment,
  NewLog,
  Operations,
  PlainStatement,
  PrunableRows,
  ResetAdjustment,
  RowSum,
  StoredRevision,
} from './port.ts';
import { toLog, toWindow, type SqlLog, type SqlWindow } from './rows.ts';
import { LOG_SQL, SQL } from './sqlite-statements.ts';
import { scopeOf, writtenTime } from './values.ts';

/** The operations of one open transaction. */
export function operations(
  statement: (sql: string) => Database.Statement,
  nowMs: number,
): Operations {
  const now = writtenTime(nowMs);
  return {
    kind: 'sqlite',
    nowMs,
    newestRevision: () =>
      (statement(SQL.newestRevision).get() as StoredRevision | undefined) ?? null,
    expireDue(limit) {
      const due = statement(SQL.dueIds).pluck().all(now, limit) as string[];
      for (const id of due) {
        statement(SQL.expire).run(now, id);
      }
    },
    lockLogs: () => undefined,
    foldAll: () => undefined,
    windows(starts, aiTypes) {
      if (starts === null) return (statement(SQL.allWindows).all() as SqlWindow[]).map(toWindow);
      const named = JSON.stringify(starts);
      const rows =
        aiTypes === null
          ? statement(SQL.windows).all(named)
          : [null, ...aiTypes].flatMap((aiType) =>
              statement(SQL.windowsOf).all(named, ...scopeOf(aiType)),
            );
      return (rows as SqlWindow[]).map(toWindow);
    },
    recentRequests(limit) {
      const rows = statement(SQL.recent).all(nowMs - 60_000, limit) as {
        atMs: number;
        items: number;
      }[];
      return rows.reverse();
    },
    newestDenials: (fromMs, limit) =>
      statement(SQL.newestDenials).all(fromMs, limit) as PastDenial[],
    logsById: (ids) =>
      ids.flatMap((id) => (statement(SQL.logsById).all(id) as SqlLog[]).map(toLog)),
    logsByKey: (keys) =>
      keys.flatMap((key) => (statement(SQL.logsByKey).all(key) as SqlLog[]).map(toLog)),
    logPage(query) {
      const { end: endSql, entries } = LOG_SQL[pageKind(query)];
      const last = mayPassOver(query) ? statement(endSql).get(rangeValues(query)) : undefined;
      const end = toPosition(last as SqlPosition | undefined);
      const rows = statement(entries).all(entryValues(query, end, now)) as SqlEntry[];
      return toPage(rows, query, end);
    },
    logEntry(id) {
      const row = statement(LOG_SQL.byId).get({ id, now }) as SqlEntry | undefined;
      return row === undefined ? null : toEntry(row);
    },
    insertLogs(rows) {
      const insert = statement(SQL.insertLog);
      for (const row of rows)
        insert.run(...insertValues(row, row.atMs === nowMs ? now : writtenTime(row.atMs)));
    },
    endOpenLogs(rows) {
      const update = statement(SQL.endOpenLog);
      return rows.flatMap((row) =>
        update.run(...endValues(row, now)).changes === 1 ? [row.id] : [],
      );
    },
    endLogs(rows) {
      const update = statement(SQL.endLog);
      for (const row of rows) update.run(...endValues(row, now));
      return rows.map(({ id }) => id);
    },
    giveKey(id, key) {
      statement(SQL.giveKey).run(key, id);
    },
    addDenials(id, count) {
      statement(SQL.addDenials).run(count, id);
    },
    dueHolds: () => statement(SQL.dueHolds).all(now) as DueHold[],
    newestLogAtMs: () => (statement(SQL.newestLog).pluck().get() as number | undefined) ?? null,
    createdAtMs: () => statement(SQL.createdAt).pluck().get() as number | null,
    insertAdjustments(rows) {
      const insert = statement(SQL.insertAdjustment);
      for (const row of rows) insert.run(...adjustmentValues(row));
    },
    resetAdjustments: (resetId) =>
      (
        statement(SQL.resetAdjustments).all(resetId) as (SqlWindow & {
          kind: ResetAdjustment['kind'];
        })[]
      ).map((row) => ({
        ...toWindow(row),
        windowKind: row.window_kind,
        windowStart: row.window_start,
        kind: row.kind,
      })),
    newestResetId: () => statement(SQL.newestReset).pluck().get() as number,
    rowSums: () => statement(SQL.rowSums).all() as RowSum[],
    adjustmentSums: () => (statement(SQL.adjustmentSums).all() as SqlWindow[]).map(toWindow),
    setWindows(rows) {
      const set = statement(SQL.setWindow);
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
    prunable: (beforeMs) => ({
      rows: statement(SQL.prunable).all(beforeMs, now) as PrunableRows[],
      open: statement(SQL.openBefore).pluck().get(beforeMs, now) as number,
    }),
    pruneLogs(beforeMs, limit, actor) {
      // The delete trigger keeps six adjustments a row; these rows leave the count together.
      const ids = statement(SQL.pruneIds).pluck().all(beforeMs, limit);
      const named = JSON.stringify(ids);
      statement(SQL.pruneKeepCounts).run(actor, nowMs, named);
      statement(SQL.pruneKeepRollups).run(named);
      for (const sql of [SQL.pruneDetach, SQL.pruneUncount, SQL.pruneDelete]) {
        statement(sql).run(named);
      }
      return ids.length;
    },
    query<R>({ sql }: PlainStatement, values: Readonly<Record<string, unknown>>): R[] {
      const prepared = statement(sql);
      if (prepared.reader) return prepared.all(values) as R[];
      prepared.run(values);
      return [];
    },
  };
}

function insertValues(row: NewLog, at: string): unknown[] {
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

function endValues(row: EndedLog, now: string): unknown[] {
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
    row.stopReason,
    now,
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
