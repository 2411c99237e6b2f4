import { invalidInput, TokenctlError } from './budget/errors.ts';
import type { DatabaseTarget } from './config/database.ts';
import type { PostgresFacts, SqliteFacts } from './ledger/health/facts.ts';
import { exists, fileMode, sizeOf } from './platform/files.ts';
import { removeStale, startFile, type NewFile } from './platform/new-file.ts';
import type { Runtime } from './platform/runtime.ts';

/** What an operator does to a database as a whole, whatever its state: look at it, back it up. */

export interface BackupRequest {
  readonly target: DatabaseTarget;
  /** The absolute path of the copy. */
  readonly file: string;
  /** Whether a file that is there may be overwritten. */
  readonly force: boolean;
  readonly runtime: Runtime;
  /** What programs that it starts inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/**
 * Copies a database to a file, consistent while others write. The file is whole or not there.
 * @returns its size in bytes
 * @throws invalid_input, database_missing, database_unusable, ledger_unavailable, backup_failed, interrupted
 */
export async function backupDatabase(request: BackupRequest): Promise<number> {
  const { target, file, runtime, environment, ...options } = request;
  requireSource(target);
  requirePlace(request);
  const copy = startCopy(request);
  try {
    const to = { to: copy.path, signal: options.signal, onProgress: options.onProgress };
    if (target.kind === 'sqlite') {
      const { backupSqlite } = await import('./ledger/sqlite-backup.ts');
      await backupSqlite(target.url, to);
    } else {
      const { backupPostgres } = await import('./ledger/postgres-backup.ts');
      await backupPostgres(target.url, environment, to);
    }
    // It took its time: somebody may have put a file there.
    requirePlace(request);
    copy.keep();
    return sizeOf(file);
  } finally {
    copy.discard();
  }
}

function requireSource({ kind, url, location }: DatabaseTarget): void {
  if (kind === 'postgresql' || exists(url)) return;
  throw new TokenctlError('database_missing', `there is no database at ${location}`, {
    fix: 'check the path: tokenctl db info',
  });
}

function requirePlace({ target, file, force }: BackupRequest): void {
  const name = 'FILE';
  if (target.kind === 'sqlite' && [target.url, `${target.url}-wal`].includes(file)) {
    throw invalidInput(name, `${file} is the database itself`, 'name another file');
  }
  // SQLite would play an old -wal back into the copy.
  const inUse = ['-wal', '-journal'].map((end) => `${file}${end}`).find(exists);
  if (inUse !== undefined) {
    throw invalidInput(name, `${inUse} belongs to a database there`, 'name another file');
  }
  if (exists(file) && !force) {
    throw invalidInput(
      name,
      `${file} exists already`,
      'name another file, or overwrite it with --force',
    );
  }
}

/** As private as the database; only its owner reads a dump. */
function startCopy({ target, file, runtime }: BackupRequest): NewFile {
  const mode = target.kind === 'sqlite' ? fileMode(target.url) : 0o600;
  try {
    // What a killed backup left there may be what fills the disk.
    removeStale(file, runtime.nowMs());
    return startFile(file, runtime.newId(), mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? 'there is no such directory'
        : code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
          ? 'this user may not write there'
          : (error as Error).message;
    throw invalidInput('FILE', `${file} can't be written: ${why}`);
  }
}

/** Looks at a database, also at one that is missing, damaged or out of reach; creates and changes nothing. */
export async function examineDatabase(
  target: DatabaseTarget,
  runtime: Runtime,
): Promise<SqliteFacts | PostgresFacts> {
  if (target.kind === 'sqlite') {
    const { sqliteFacts } = await import('./ledger/health/sqlite.ts');
    return sqliteFacts(target.url, runtime.nowMs());
  }
  const { postgresFacts } = await import('./ledger/health/postgres.ts');
  return postgresFacts(target.url, () => runtime.nowMs());
}
