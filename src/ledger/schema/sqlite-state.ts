import type Database from 'better-sqlite3';
import { existsSync, statSync } from 'node:fs';
import { migrationNames } from '../../platform/package-files.ts';
import { openSqliteAsItIs, unusable } from '../sqlite.ts';
import { schemaStatus, type DatabaseAbout, type SchemaStatus } from './state.ts';

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

const MISSING = (): SchemaStatus => ({
  state: 'missing',
  applied: [],
  pending: migrationNames('sqlite'),
  unknown: [],
});

/** The same of a file that is not open; changes nothing. @throws database_unusable */
export function readSqliteSchema(path: string): SchemaStatus {
  return existsSync(path) ? withFile(path, sqliteSchema) : MISSING();
}

/** What and how large a file is. @throws database_unusable */
export function sqliteInfo(path: string): DatabaseAbout {
  const nothing = {
    server: null,
    sinceMs: null,
    sizeBytes: null,
    logRows: null,
    limitsRevision: null,
  };
  if (!existsSync(path)) return { schema: MISSING(), ...nothing };
  return withFile(path, (database) => {
    const schema = sqliteSchema(database);
    const value = (sql: string): unknown => database.prepare(sql).pluck().get();
    const server = `SQLite ${String(value('SELECT sqlite_version()'))}`;
    const sizeBytes = statSync(path).size;
    if (schema.state !== 'current') return { ...nothing, schema, server, sizeBytes };
    return {
      schema,
      server,
      sizeBytes,
      sinceMs: value('SELECT min(created_at_ms) FROM limit_revisions') as number | null,
      logRows: value('SELECT count(*) FROM token_usage_logs') as number,
      limitsRevision: value('SELECT max(revision) FROM limit_revisions') as number | null,
    };
  });
}

function withFile<T>(path: string, work: (database: Database.Database) => T): T {
  const database = openSqliteAsItIs(path);
  try {
    return work(database);
  } catch (error) {
    throw unusable(path, error);
  } finally {
    database.close();
  }
}
