import type Database from 'better-sqlite3';
import { dirname } from 'node:path';
import { exists, freeBytes, mayWrite, readStart, sizeOf } from '../../platform/files.ts';
import type { StoredRevision } from '../port.ts';
import { readSqliteSchema, sqliteSchema } from '../schema/sqlite-state.ts';
import { SQL } from '../sqlite-statements.ts';
import { openSqliteAsItIs, unusable } from '../sqlite.ts';
import { writtenTime } from '../values.ts';
import { expectedObjects } from './expected.ts';
import {
  alertsSql,
  endingTokensSql,
  type AlertFacts,
  look,
  type ContentFacts,
  type EndingToken,
  type HoldFacts,
  type LogFacts,
  type SqliteFacts,
} from './facts.ts';

/** How long another process may have the file to itself before that is a finding, in ms. */
const BUSY_MS = 1_000;

/** Looks at an SQLite file; changes nothing, and leaves nothing beside it. */
export async function sqliteFacts(path: string, nowMs: number): Promise<SqliteFacts> {
  const explain = (error: unknown): unknown => unusable(path, error);
  const places = [path, `${path}-wal`, `${path}-shm`, dirname(path)];
  const there = exists(path);
  const unwritable = there ? places.filter((place) => !mayWrite(place)) : [];
  const files = {
    kind: 'sqlite',
    exists: there,
    unwritable,
    walMode: there ? await inWalMode(path) : null,
    walBytes: exists(`${path}-wal`) ? sizeOf(`${path}-wal`) : 0,
    freeBytes: freeBytes(path),
  } as const;
  const unread = { ...files, content: null, writeLock: null, integrity: null };
  const opened = await look(() => {
    // Reading a file in WAL mode without writing leaves files behind that bar its writers.
    if (!there || unwritable.length > 0) return null;
    const database = openSqliteAsItIs(path, BUSY_MS);
    try {
      return { database, status: sqliteSchema(database) };
    } catch (error) {
      database.close();
      throw error;
    }
  }, explain);
  if (!('value' in opened)) return { ...unread, schema: opened };
  if (opened.value === null) {
    return { ...unread, schema: await look(() => readSqliteSchema(path), explain) };
  }
  const { database, status } = opened.value;
  try {
    return {
      ...files,
      schema: { value: status },
      content: status.state === 'current' ? await contentOf(database, nowMs, explain) : null,
      writeLock: await look(() => takeLock(database), explain),
      integrity: await look(
        () => String(database.pragma('quick_check(1)', { simple: true })),
        explain,
      ),
    };
  } finally {
    database.close();
  }
}

/** The two bytes of the header that say so: 2 is WAL. */
async function inWalMode(path: string): Promise<boolean | null> {
  const start = await look(() => readStart(path, 20), String);
  if (!('value' in start) || start.value.length < 20) return null;
  return start.value.toString('latin1', 0, 15) === 'SQLite format 3' ? start.value[18] === 2 : null;
}

/** Takes the write lock and gives it back; nothing is written. */
function takeLock(database: Database.Database): 'free' | 'taken' {
  try {
    database.exec('BEGIN IMMEDIATE');
    database.exec('ROLLBACK');
    return 'free';
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return 'taken';
    throw error;
  }
}

async function contentOf(
  database: Database.Database,
  nowMs: number,
  explain: (error: unknown) => unknown,
): Promise<ContentFacts> {
  const one = (sql: string, ...values: unknown[]): unknown => database.prepare(sql).get(...values);
  return {
    server: await look(
      () => String(database.prepare('SELECT sqlite_version()').pluck().get()),
      explain,
    ),
    missing: await look(() => {
      const names = database.prepare(`SELECT type || ' ' || name FROM sqlite_master`).pluck();
      const found = new Set(names.all() as string[]);
      return expectedObjects('sqlite').filter((object) => !found.has(object));
    }, explain),
    revision: await look(
      () => (one(SQL.newestRevision) as StoredRevision | undefined) ?? null,
      explain,
    ),
    logs: await look(() => one(LOGS) as LogFacts, explain),
    holds: await look(() => one(HOLDS, writtenTime(nowMs)) as HoldFacts, explain),
    endingTokens: await look(
      () => database.prepare(endingTokensSql(nowMs)).all() as EndingToken[],
      explain,
    ),
    alerts: await look(() => database.prepare(alertsSql(nowMs)).get() as AlertFacts, explain),
  };
}

const LOGS = `
  SELECT count(*) AS rows,
    count(*) FILTER (WHERE time_flag IS NULL AND month_year <> strftime('%Y-%m', counted_at_ms / 1000, 'unixepoch')) AS monthDisagrees,
    count(*) FILTER (WHERE time_flag = 'future') AS future,
    count(*) FILTER (WHERE time_flag = 'unreadable') AS unreadable,
    max(counted_at_ms) FILTER (WHERE state <> 'denied') AS newestAtMs
  FROM token_usage_logs`;

const HOLDS = `
  SELECT count(*) AS open, coalesce(sum(reserved_tokens), 0) AS tokens, count(due) AS due,
    CAST(round((julianday(min(due)) - 2440587.5) * 86400000) AS INTEGER) AS oldestDueAtMs
  FROM (
    SELECT reserved_tokens, CASE WHEN expires_at <= ? THEN expires_at END AS due
    FROM token_usage_logs WHERE state = 'reserved'
  )`;
