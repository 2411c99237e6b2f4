/** An SQLite file that is moved, deleted or replaced while it is open. */
import Sqlite from 'better-sqlite3';
import { renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { backupSqlite } from '../../src/ledger/sqlite-backup.ts';
import { temporaryDirectory } from './sqlite.ts';

const ALL = ['', '-wal', '-shm'];

/** Moves it aside with its -wal and -shm, as docs/database.md says; where it lies then. */
export function moveAside({ url }: DatabaseTarget): DatabaseTarget {
  const aside = join(temporaryDirectory(), 'aside.db');
  for (const end of ALL) renameSync(url + end, aside + end);
  return { kind: 'sqlite', url: aside, location: aside, source: 'flag' };
}

export function moveBack(aside: DatabaseTarget, { url }: DatabaseTarget): void {
  for (const end of ALL) renameSync(aside.url + end, url + end);
}

export function remove({ url }: DatabaseTarget, ends: readonly string[] = ALL): void {
  for (const end of ends) rmSync(url + end);
}

/** A backup of it, and the way to put it in the place of another. */
export async function backupOf({ url }: DatabaseTarget): Promise<DatabaseTarget> {
  const to = join(temporaryDirectory(), 'backup.db');
  await backupSqlite(url, {
    to,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  return { kind: 'sqlite', url: to, location: to, source: 'flag' };
}

export function putInPlace(file: DatabaseTarget, { url }: DatabaseTarget): void {
  renameSync(file.url, url);
}

/** Tells its -wal and -shm from others of the same names. */
export function besideOf({ url }: DatabaseTarget): readonly number[] {
  return [statSync(`${url}-wal`).ino, statSync(`${url}-shm`).ino];
}

/** What SQLite itself says of a file that nobody has open. */
export function integrityOf({ url }: DatabaseTarget): unknown {
  const database = new Sqlite(url, { readonly: true });
  try {
    return database.pragma('integrity_check', { simple: true });
  } finally {
    database.close();
  }
}
