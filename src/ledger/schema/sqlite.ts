import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { TokenctlError } from '../../budget/errors.ts';
import { scopeLabels } from '../../budget/labels.ts';
import { NO_SETTINGS, resolveLimits, type Settings } from '../../budget/limits.ts';
import { readMigration } from '../../platform/package-files.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { unusable } from '../sqlite.ts';
import { scopeOf } from '../values.ts';
import type { MigrationReport } from './report.ts';
import { adopt, putAside } from './sqlite-adoption.ts';
import { sqliteSchema } from './sqlite-state.ts';

/**
 * SQLite migrations, run on the driver: the migration folders are Prisma's, and so are the rows in
 * _prisma_migrations, but everything happens in one transaction under the write lock. So two
 * processes may start at once, and a migration is done wholly or not at all.
 */

export interface MigrateSqliteOptions {
  readonly path: string;
  readonly runtime: Runtime;
  readonly dryRun: boolean;
  /** The first revision of a new database; null for the defaults. */
  readonly firstSettings: Settings | null;
}

/** Creates, migrates or adopts an SQLite file. @throws database_newer, database_unusable */
export function migrateSqlite(options: MigrateSqliteOptions): MigrationReport {
  const { path, runtime, dryRun } = options;
  const created = !existsSync(path);
  let database: Database.Database;
  try {
    database = new Database(created && dryRun ? ':memory:' : path, { timeout: 10_000 });
  } catch (error) {
    throw unusable(path, error);
  }
  try {
    // The mode is kept in the file, which a dry run leaves as it is.
    if (!dryRun && database.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
      throw new TokenctlError('database_unusable', `${path} can't be put into WAL mode`, {
        fix: 'put the database on a local disk (network file systems have no WAL)',
      });
    }
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = OFF');
    // Renaming an adopted table must not drag views and references along to the old name.
    database.pragma('legacy_alter_table = ON');
    database.exec('BEGIN IMMEDIATE');
    try {
      const report = migrate(database, options, created, runtime.nowMs());
      database.exec(dryRun ? 'ROLLBACK' : 'COMMIT');
      return report;
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw error;
    }
  } catch (error) {
    throw refused(path, error);
  } finally {
    database.close();
  }
}

function refused(path: string, error: unknown): unknown {
  const told = unusable(path, error);
  if (!(told instanceof Database.SqliteError)) return told;
  return new TokenctlError('database_unusable', `${path}: ${told.message}`, {
    cause: told,
    fix: 'nothing was changed; mend what it names, then run tokenctl db migrate again',
  });
}

function migrate(
  database: Database.Database,
  { dryRun, firstSettings, runtime, path }: MigrateSqliteOptions,
  created: boolean,
  nowMs: number,
): MigrationReport {
  const status = sqliteSchema(database);
  if (status.state === 'newer') {
    throw new TokenctlError('database_newer', `${path} was migrated by a newer tokenctl`, {
      fix: 'upgrade tokenctl on this machine',
    });
  }
  const old = status.state === 'older_tables' ? putAside(database) : null;
  database.exec(`CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "checksum" TEXT NOT NULL,
    "finished_at" DATETIME,
    "migration_name" TEXT NOT NULL,
    "logs" TEXT,
    "rolled_back_at" DATETIME,
    "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
  )`);
  for (const name of status.pending) {
    const { sql, checksum } = readMigration('sqlite', name);
    database.exec(sql);
    database
      .prepare(
        'INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) VALUES (?, ?, ?, ?, ?, 1)',
      )
      .run(runtime.newId(), checksum, name, nowMs, nowMs);
  }
  writeFirstRevision(database, firstSettings, nowMs);
  const adopted = old === null ? null : adopt(database, old, nowMs);
  return {
    created,
    applied: status.pending,
    adopted,
    dryRun,
    upToDate: status.pending.length === 0,
  };
}

function writeFirstRevision(
  database: Database.Database,
  firstSettings: Settings | null,
  nowMs: number,
): void {
  if (database.prepare('SELECT count(*) FROM limit_revisions').pluck().get() !== 0) return;
  const settings = firstSettings ?? NO_SETTINGS;
  database
    .prepare(
      'INSERT INTO limit_revisions (revision, settings, source, actor, reason, created_at_ms) VALUES (1, ?, ?, NULL, NULL, ?)',
    )
    .run(JSON.stringify(settings), firstSettings === null ? 'defaults' : 'environment', nowMs);
  const insert = database.prepare(
    'INSERT INTO scope_limits (scope_kind, scope_name, monthly, warning_at, critical_at) VALUES (?, ?, ?, ?, ?)',
  );
  for (const label of scopeLabels(resolveLimits(settings).limits)) {
    insert.run(...scopeOf(label.aiType), label.monthly, label.warningAt, label.criticalAt);
  }
}
