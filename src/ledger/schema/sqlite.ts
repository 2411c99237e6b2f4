import Database from 'better-sqlite3';
import { existsSync, rmSync } from 'node:fs';
import { TokenctlError } from '../../budget/errors.ts';
import { scopeLabels } from '../../budget/labels.ts';
import { NO_SETTINGS, resolveLimits, type Settings } from '../../budget/limits.ts';
import { windowAt } from '../../budget/windows.ts';
import { readMigration } from '../../platform/package-files.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { unusable } from '../sqlite.ts';
import { scopeOf } from '../values.ts';
import {
  compareMonths,
  countedName,
  type Adoption,
  type CountedMonth,
  type MigrationReport,
  type OldUsage,
} from './report.ts';
import { sqliteSchema, tablesOf } from './sqlite-state.ts';

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
    database = new Database(path, { timeout: 10_000 });
  } catch (error) {
    throw unusable(path, error);
  }
  try {
    if (database.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
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
    throw unusable(path, error);
  } finally {
    database.close();
    if (created && dryRun)
      for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
  }
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

/** The older tables, renamed, so that the migration can create the new ones in their place. */
function putAside(database: Database.Database): string[] {
  const tables = tablesOf(database);
  const aside: string[] = [];
  for (const table of ['token_usage_logs', 'token_usage']) {
    if (!tables.has(table)) continue;
    const attached = database
      .prepare(
        `SELECT type, name FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL`,
      )
      .all(table) as { type: string; name: string }[];
    for (const { type, name } of attached) database.exec(`DROP ${type} ${quoted(name)}`);
    database.exec(`ALTER TABLE ${quoted(table)} RENAME TO ${quoted(`adopted_${table}`)}`);
    aside.push(table);
  }
  return aside;
}

interface Column {
  name: string;
  type: string;
  dflt_value: string | null;
}

function adopt(database: Database.Database, old: readonly string[], nowMs: number): Adoption {
  for (const table of old) keepForeignColumns(database, table);
  let logs = 0;
  if (old.includes('token_usage_logs')) {
    const columns = columnsOf(database, 'adopted_token_usage_logs').map(({ name }) => name);
    const select = columns.map((name) =>
      name === 'id' ? 'coalesce(CAST("id" AS TEXT), lower(hex(randomblob(16))))' : quoted(name),
    );
    logs = database
      .prepare(
        `INSERT INTO token_usage_logs (${columns.map(quoted).join(', ')}) SELECT ${select.join(', ')} FROM adopted_token_usage_logs`,
      )
      .run().changes;
    database.exec('DROP TABLE adopted_token_usage_logs');
  }
  if (!old.includes('token_usage')) return { logs, months: [] };
  const usage = readOldUsage(database);
  const counted = database.prepare(
    `SELECT tokens_in AS tokensIn, tokens_out AS tokensOut, used, requests FROM usage_windows
     WHERE window_start = ? AND scope_kind = 'ai_type' AND scope_name = ? AND window_kind = 'month'`,
  );
  const { months, differences } = compareMonths(
    usage,
    (aiType, month) =>
      (counted.get(month, aiType) as CountedMonth | undefined) ?? {
        tokensIn: 0,
        tokensOut: 0,
        used: 0,
        requests: 0,
      },
    windowAt('month', nowMs).start,
  );
  const adjust = database.prepare(
    `INSERT INTO usage_adjustments (kind, scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, requests, reason, created_at_ms)
     VALUES ('adopted', ?, ?, 'month', ?, ?, ?, ?, ?, 'counted before adoption, without log rows', ?)`,
  );
  for (const { aiType, month, tokensIn, tokensOut, used, requests } of differences) {
    for (const scope of [null, aiType]) {
      adjust.run(...scopeOf(scope), month, tokensIn, tokensOut, used, requests, nowMs);
    }
  }
  const columns = columnsOf(database, 'adopted_token_usage').map(({ name }) => name);
  const select = columns.map((name) =>
    name === 'id' ? 'coalesce(CAST("id" AS TEXT), lower(hex(randomblob(16))))' : quoted(name),
  );
  database.exec(
    `INSERT INTO token_usage (${columns.map(quoted).join(', ')}) SELECT ${select.join(', ')} FROM adopted_token_usage;
     DROP TABLE adopted_token_usage`,
  );
  return { logs, months };
}

/** Columns that only the older table has are kept: its writers may still name them. */
function keepForeignColumns(database: Database.Database, table: string): void {
  const known = new Set(columnsOf(database, table).map(({ name }) => name));
  for (const { name, type, dflt_value: value } of columnsOf(database, `adopted_${table}`)) {
    if (known.has(name)) continue;
    // ADD COLUMN takes constants only.
    const constant = value !== null && /^('.*'|-?\d+(\.\d+)?|NULL)$/i.test(value);
    const rest = constant ? ` DEFAULT ${value}` : '';
    database.exec(`ALTER TABLE ${quoted(table)} ADD COLUMN ${quoted(name)} ${type}${rest}`);
  }
}

function columnsOf(database: Database.Database, table: string): Column[] {
  return database
    .prepare(`SELECT name, type, dflt_value FROM pragma_table_info(?)`)
    .all(table) as Column[];
}

function readOldUsage(database: Database.Database): OldUsage[] {
  const has = new Set(columnsOf(database, 'adopted_token_usage').map(({ name }) => name));
  const number = (column: string): string =>
    has.has(column) ? `max(CAST(coalesce(${column}, 0) AS INTEGER), 0)` : '0';
  const rows = database
    .prepare(
      `SELECT coalesce(ai_type, '') AS aiType, coalesce(month_year, '') AS month, ${number('tokens_in')} AS tokensIn,
         ${number('tokens_out')} AS tokensOut, ${number('total_tokens')} AS total, ${number('request_count')} AS requests
       FROM adopted_token_usage`,
    )
    .all() as Omit<OldUsage, 'countsAs'>[];
  return rows.map((row) => ({ ...row, countsAs: countedName(row.aiType) }));
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
