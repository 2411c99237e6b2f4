import Database from 'better-sqlite3';
import { TokenctlError } from '../budget/errors.ts';
import { mayWrite } from '../platform/files.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Connection, Mode, Operations, FailureKind } from './port.ts';
import { operations } from './sqlite-operations.ts';
import { Displaced, SqlitePlace } from './sqlite-place.ts';
import { runSync, type Step } from './steps.ts';

/** The ledger's SQLite dialect: WAL, synchronous=FULL, the write lock taken first, no busy wait. */

export interface SqliteOptions {
  readonly path: string;
  readonly runtime: Runtime;
  /** Refuses a schema that does not fit. */
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

/**
 * Opens an existing SQLite file for the ledger, in WAL mode.
 * @param onOpen runs before anything in it is changed
 * @throws what `onOpen` throws; database_unusable
 */
export function openSqliteFile(path: string, onOpen?: SqliteOptions['onOpen']): Database.Database {
  // No busy timeout: waiting in the driver would stop the event loop and starve other processes.
  const database = openSqliteAsItIs(path);
  try {
    onOpen?.(database);
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

/** @throws what `onOpen` throws; database_unusable */
export function openSqlite({ path, runtime, onOpen }: SqliteOptions): Connection {
  const place = placeOf(path, () => openSqliteFile(path, onOpen));
  return {
    kind: 'sqlite',
    location: path,
    transaction<T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> {
      return new Promise((resolve) => {
        const { database, statement } = place.lying();
        statement(mode === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE').run();
        let result: T;
        try {
          result = runSync(work(operations(statement, runtime.nowMs())));
          if (mode === 'write') place.requireSame();
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
      place.close();
      return Promise.resolve();
    },
  };
}

function placeOf(path: string, open: () => Database.Database): SqlitePlace {
  try {
    return new SqlitePlace(path, open);
  } catch (error) {
    if (!(error instanceof Displaced)) throw error;
    throw new TokenctlError('database_unusable', `${path} can't be opened: ${error.message}`, {
      fix: 'try again when it stays where it is',
      cause: error,
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function classify(error: unknown): FailureKind {
  if (error instanceof Displaced) return 'lost';
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
