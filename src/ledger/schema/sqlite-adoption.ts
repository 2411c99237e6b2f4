import type Database from 'better-sqlite3';
import { windowAt } from '../../budget/windows.ts';
import { scopeOf } from '../values.ts';
import {
  compareMonths,
  countedName,
  type AdoptedMonth,
  type Adoption,
  type CountedMonth,
  type OldUsage,
} from './report.ts';
import { tablesOf } from './sqlite-state.ts';

/** Takes over the tables of older backends: SQLite rebuilds them, in the migration's transaction. */

/** What was put aside: the older tables, and how to make again what backends attached to them. */
export interface PutAside {
  readonly tables: readonly string[];
  readonly attached: readonly Attached[];
}

interface Attached {
  readonly type: 'index' | 'trigger';
  readonly name: string;
  readonly sql: string;
}

/** The older tables, renamed, so that the migration can create the new ones in their place. */
export function putAside(database: Database.Database): PutAside {
  const existing = tablesOf(database);
  const tables = ['token_usage_logs', 'token_usage'].filter((table) => existing.has(table));
  const attached: Attached[] = [];
  for (const table of tables) {
    const found = database
      .prepare(
        `SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL`,
      )
      .all(table) as Attached[];
    for (const { type, name } of found) database.exec(`DROP ${type} ${quoted(name)}`);
    database.exec(`ALTER TABLE ${quoted(table)} RENAME TO ${quoted(`adopted_${table}`)}`);
    attached.push(...found);
  }
  return { tables, attached };
}

/**
 * A unique index comes back as a plain one: INSERT OR REPLACE could take a row away through it
 * without any trigger that sees it.
 */
function attachAgain(database: Database.Database, attached: readonly Attached[]): void {
  const taken = database.prepare('SELECT 1 FROM sqlite_master WHERE name = ?');
  for (const { name, sql } of attached) {
    if (taken.get(name) !== undefined) continue;
    database.exec(sql.replace(/^CREATE\s+UNIQUE\s+INDEX/i, 'CREATE INDEX'));
  }
}

interface Column {
  name: string;
  type: string;
  dflt_value: string | null;
}

/** Counts the older logs by the triggers themselves, then keeps what the older months counted more. */
export function adopt(
  database: Database.Database,
  { tables: old, attached }: PutAside,
  nowMs: number,
): Adoption {
  for (const table of old) {
    keepForeignColumns(database, table);
    makeIdsUnique(database, table);
  }
  const logs = old.includes('token_usage_logs') ? takeOver(database, 'token_usage_logs') : 0;
  const months = old.includes('token_usage') ? adoptMonths(database, nowMs) : [];
  attachAgain(database, attached);
  return { logs, months };
}

/** Moves an older table's rows, as its writers would have inserted them. */
function takeOver(database: Database.Database, table: string): number {
  const columns = columnsOf(database, `adopted_${table}`).map(({ name }) => name);
  const select = columns.map((name) => {
    if (name === 'id') return ID;
    // Months of no AI type: nothing counts under them, and token_usage names one.
    const named = table === 'token_usage' && (name === 'ai_type' || name === 'month_year');
    return named ? `coalesce(${name}, '')` : quoted(name);
  });
  const { changes } = database
    .prepare(
      `INSERT INTO ${table} (${columns.map(quoted).join(', ')}) SELECT ${select.join(', ')} FROM adopted_${table}`,
    )
    .run();
  database.exec(`DROP TABLE adopted_${table}`);
  return changes;
}

const ID = `CASE WHEN "id" IS NULL THEN lower(hex(randomblob(16))) WHEN typeof("id") = 'blob' THEN lower(hex("id")) ELSE CAST("id" AS TEXT) END`;

/** Where nothing kept the older ids unique, all but the first row of an id get a new one. */
function makeIdsUnique(database: Database.Database, table: string): void {
  const aside = `adopted_${table}`;
  if (!columnsOf(database, aside).some(({ name }) => name === 'id')) return;
  const repeated = database
    .prepare(`SELECT 1 FROM ${aside} WHERE "id" IS NOT NULL GROUP BY ${ID} HAVING count(*) > 1`)
    .get();
  if (repeated === undefined) return;
  database.exec(
    `UPDATE ${aside} SET "id" = NULL WHERE "id" IS NOT NULL AND rowid NOT IN
       (SELECT min(rowid) FROM ${aside} WHERE "id" IS NOT NULL GROUP BY ${ID})`,
  );
}

function adoptMonths(database: Database.Database, nowMs: number): readonly AdoptedMonth[] {
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
  takeOver(database, 'token_usage');
  return months;
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
