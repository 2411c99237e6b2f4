import Database from 'better-sqlite3';
import { TokenctlError } from '../budget/errors.ts';
import type { PastDenial } from '../budget/rejudge.ts';
import { mayWrite } from '../platform/files.ts';
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
  PlainStatement,
  PrunableRows,
  ResetAdjustment,
  RowSum,
  StoredRevision,
} from './port.ts';
import { runSync, type Step } from './steps.ts';
import { toLog, toWindow, type SqlLog, type SqlWindow } from './rows.ts';
import {
  entryValues,
  mayPassOver,
  rangeValues,
  toEntry,
  toPage,
  toPosition,
  type SqlEntry,
  type SqlPosition,
} from './log-statements.ts';
import { LOG_SQL, SQL } from './sqlite-statements.ts';
import { scopeOf, writtenTime } from './values.ts';

/** The ledger's SQLite dialect: WAL, synchronous=FULL, the write lock taken first, no busy wait. */

export interface SqliteOptions {
  readonly path: string;
  readonly runtime: Runtime;
  /** Runs once it is open, before anything else: refuses a schema that does not fit. */
  readonly onOpen?: (database: Database.Database) => void;
}

/** Above the 4 MiB at which SQLite begins the -wal file anew, so that it is cut rarely. */
const WAL_BYTES = 8 * 2 ** 20;

/**
 * Opens an existing SQLite file and leaves its mode as it is: to look at it, or to copy it.
 * @param busyTimeoutMs how long the driver may wait for a lock, which stops the event loop
 * @throws database_unusable
 */
export function openSqliteAsItIs(path: string, busyTimeoutMs = 0): Database.Database {
  // SQLite would open it for reading only, stay so when it becomes writable again, and leave a -shm
  // and a -wal behind that nobody may write.
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    if (!mayWrite(file)) throw notWritable(file);
  }
  try {
    return new Database(path, { fileMustExist: true, timeout: busyTimeoutMs });
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Opens an existing SQLite file for the ledger, in WAL mode. @throws database_unusable */
export function openSqliteFile(path: string): Database.Database {
  // No busy timeout: waiting in the driver would stop the event loop and starve other processes.
  const database = openSqliteAsItIs(path);
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
    // What a long reader has made it grow by is given back once the reader has gone.
    database.pragma(`journal_size_limit = ${String(WAL_BYTES)}`);
    return database;
  } catch (error) {
    database.close();
    throw unusable(path, error);
  }
}

function notWritable(file: string, cause?: Error): TokenctlError {
  return new TokenctlError('database_unusable', `${file} can't be written`, {
    fix: 'give this user write access to the file and its directory',
    ...(cause === undefined ? {} : { cause }),
  });
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
    return notWritable(path, error);
  }
  if (code.startsWith('SQLITE_CANTOPEN')) {
    return say("can't be opened", 'check that the directory exists and this user may write in it');
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return say('is locked by another process', 'try again when that process is done');
  }
  if (code.startsWith('SQLITE_FULL')) return say("can't grow: the disk is full", 'free disk space');
  if (code.startsWith('SQLITE_IOERR')) {
    const what = /WRITE|SYNC|TRUNCATE|SHMSIZE/.test(code) ? 'written' : 'read';
    return say(
      `can't be ${what} (${code})`,
      'check the disk, and the limit of file sizes (ulimit -f)',
    );
  }
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

function operations(statement: (sql: string) => Database.Statement, nowMs: number): Operations {
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
      const { end: endSql, entries } =
        LOG_SQL[query.order === 'newest first' ? 'newest' : 'oldest'];
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
