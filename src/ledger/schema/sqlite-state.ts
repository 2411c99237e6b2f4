import type Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { migrationNames } from '../../platform/package-files.ts';
import { openSqliteFile } from '../sqlite.ts';
import { schemaStatus, type SchemaStatus } from './state.ts';

/** How an open database stands to the migrations that this version knows. */
export function sqliteSchema(database: Database.Database): SchemaStatus {
  const tables = tablesOf(database);
  const applied = tables.has('_prisma_migrations')
    ? (database
        .prepare(
          'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name',
        )
        .pluck()
        .all() as string[])
    : null;
  return schemaStatus(
    migrationNames('sqlite'),
    applied,
    tables.has('token_usage_logs') || tables.has('token_usage'),
  );
}

/** The names of all tables. */
export function tablesOf(database: Database.Database): Set<string> {
  const names = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).pluck();
  return new Set(names.all() as string[]);
}

/** The same of a file that is not open; changes nothing. @throws database_unusable */
export function readSqliteSchema(path: string): SchemaStatus {
  if (!existsSync(path))
    return { state: 'missing', applied: [], pending: migrationNames('sqlite'), unknown: [] };
  const database = openSqliteFile(path);
  try {
    return sqliteSchema(database);
  } finally {
    database.close();
  }
}
