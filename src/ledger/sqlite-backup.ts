import Database from 'better-sqlite3';
import { backupFailed, backupInterrupted, type BackupOptions } from './backup.ts';
import { openSqliteAsItIs, unusable } from './sqlite.ts';

/** Pages copied in one step: some milliseconds, then Ctrl-C and the spinner have their turn. */
const PAGES_AT_ONCE = 2_000;
/** How long a start may wait for a process that has the file to itself, in ms. */
const BUSY_MS = 5_000;

/**
 * Copies an SQLite database as it is at one instant, while others write, and checks the copy.
 * @throws database_unusable, backup_failed, interrupted
 */
export async function backupSqlite(path: string, options: BackupOptions): Promise<void> {
  const { to, signal, onProgress } = options;
  const database = openSqliteAsItIs(path, BUSY_MS);
  try {
    // A read that stays open is the instant: a copy without one starts again at each commit of others.
    database.exec('BEGIN');
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    await database.backup(to, {
      progress({ totalPages, remainingPages }) {
        if (signal.aborted) throw backupInterrupted();
        onProgress(`Copying ${String(totalPages - remainingPages)} of ${String(totalPages)} pages`);
        return PAGES_AT_ONCE;
      },
    });
  } catch (error) {
    throw explained(path, to, error);
  } finally {
    database.close();
  }
  if (signal.aborted) throw backupInterrupted();
  onProgress('Checking the copy');
  checkCopy(path, to);
}

function checkCopy(path: string, copy: string): void {
  let found: unknown;
  try {
    const database = new Database(copy);
    try {
      found = database.pragma('integrity_check(1)', { simple: true });
    } finally {
      database.close();
    }
  } catch (error) {
    throw explained(path, copy, error);
  }
  if (found !== 'ok') throw damaged(path, String(found).split('\n')[0] ?? '');
}

function explained(path: string, copy: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  if (/^SQLITE_(CORRUPT|NOTADB|BUSY)/.test(error.code)) {
    return error.code.startsWith('SQLITE_CORRUPT')
      ? damaged(path, error.message, error)
      : unusable(path, error);
  }
  const told = unusable(copy, error);
  return backupFailed(
    told instanceof Error ? told.message : String(told),
    'free disk space there, or name a file on another disk',
    error,
  );
}

function damaged(path: string, what: string, cause?: unknown): Error {
  return backupFailed(
    `${path} is damaged, and so would be its copy (${what})`,
    'go back to an earlier backup',
    cause,
  );
}
