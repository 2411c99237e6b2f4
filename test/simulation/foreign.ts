import Sqlite from 'better-sqlite3';
import pg from 'pg';
import type { DatabaseTarget } from '../../src/config/database.ts';
import type { Row } from './model-counts.ts';
import type { Effect, Model } from './model.ts';

/** Writers that know nothing of the guard: plain SQL on the log, and what it means for the model. */

/** A time as some program writes it; null for one that counts when it is written. */
export interface WrittenTime {
  /** As SQL; null leaves the column out. */
  readonly sql: string | null;
  readonly atMs: number | null;
  readonly flag: 'unreadable' | 'future' | null;
}

export interface WrittenName {
  readonly sql: string;
  readonly countsAs: string;
}

export type Change =
  | {
      readonly do: 'insert';
      readonly row: Row;
      readonly name: WrittenName;
      readonly time: WrittenTime;
    }
  | {
      readonly do: 'update';
      readonly id: string;
      readonly sql: string;
      readonly to: Partial<Row>;
      readonly time: WrittenTime | null;
    }
  | { readonly do: 'delete'; readonly id: string }
  /** An older backend sets token_usage itself. */
  | {
      readonly do: 'usage';
      readonly aiType: string;
      readonly month: string;
      readonly tokens: number;
    };

/** When a row counts whose written time was none: the database says. */
export type ReadTimes = ReadonlyMap<
  string,
  { readonly atMs: number; readonly flag: string | null }
>;

export const text = (value: string | null): string =>
  value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`;

function sqlOf(change: Change): string {
  switch (change.do) {
    case 'insert': {
      const { row, name, time } = change;
      const columns: Record<string, string> = {
        id: text(row.id),
        ai_type: name.sql,
        month_year: text('2020-01'),
        tokens_in: String(row.tokensIn),
        tokens_out: String(row.tokensOut),
        total_tokens: String(row.total),
        model_used: text(row.model),
        request_type: text(row.requestType),
        success: row.success ? 'true' : 'false',
        request_items: String(row.items),
        ...(time.sql === null ? {} : { created_at: time.sql }),
        ...(row.state === 'reserved'
          ? {
              state: text('reserved'),
              reserved_tokens: String(row.reserved),
              reserved_input_tokens: String(row.reservedInput),
              expires_at: text(written(row.expiresAtMs)),
            }
          : {}),
      };
      return `INSERT INTO token_usage_logs (${Object.keys(columns).join(', ')}) VALUES (${Object.values(columns).join(', ')})`;
    }
    case 'update':
      return `UPDATE token_usage_logs SET ${change.sql} WHERE id = ${text(change.id)}`;
    case 'delete':
      return `DELETE FROM token_usage_logs WHERE id = ${text(change.id)}`;
    case 'usage':
      return `UPDATE token_usage SET total_tokens = total_tokens + ${String(change.tokens)}, request_count = request_count + 1
        WHERE ai_type = ${text(change.aiType)} AND month_year = ${text(change.month)}`;
  }
}

export function written(atMs: number): string {
  return `${new Date(atMs).toISOString().replace('T', ' ').slice(0, 23)}000`;
}

/** What a change does to the counts, as they are now. */
export function effectOf(model: Model, change: Change, times: ReadTimes): Effect | null {
  switch (change.do) {
    case 'insert': {
      const atMs = change.time.atMs ?? times.get(change.row.id)!.atMs;
      const after = { ...change.row, atMs, resetsBefore: model.resets.count };
      return { before: null, after, adjustments: [] };
    }
    case 'update': {
      const before = model.rows.get(change.id)!;
      const atMs =
        change.time === null ? before.atMs : (change.time.atMs ?? times.get(change.id)!.atMs);
      return model.changed(before, { ...before, ...change.to, atMs });
    }
    case 'delete':
      return model.deleted(model.rows.get(change.id)!);
    case 'usage':
      return null;
  }
}

/** Rows whose time the database decides. */
export function timedByDatabase(changes: readonly Change[]): Map<string, WrittenTime> {
  const found = new Map<string, WrittenTime>();
  for (const change of changes) {
    if (change.do === 'insert' && change.time.atMs === null) found.set(change.row.id, change.time);
    if (change.do === 'update' && change.time?.atMs === null) found.set(change.id, change.time);
  }
  return found;
}

/** A connection of its own; one transaction at a time. */
export interface Writer {
  /** Runs the changes, and leaves the transaction open. */
  begin(changes: readonly Change[]): Promise<ReadTimes>;
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Runs the changes and commits. */
  write(changes: readonly Change[]): Promise<ReadTimes>;
  query(sql: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

const TIMES = 'SELECT id, counted_at_ms, time_flag FROM token_usage_logs WHERE id IN';

function readTimes(rows: readonly Record<string, unknown>[]): ReadTimes {
  return new Map(
    rows.map((row) => [
      String(row['id']),
      { atMs: Number(row['counted_at_ms']), flag: row['time_flag'] as string | null },
    ]),
  );
}

export async function openWriter(target: DatabaseTarget): Promise<Writer> {
  return target.kind === 'sqlite' ? sqliteWriter(target.url) : postgresWriter(target.url);
}

function sqliteWriter(path: string): Writer {
  const database = new Sqlite(path, { timeout: 5_000 });
  const begin = (changes: readonly Change[]): ReadTimes => {
    database.exec(['BEGIN IMMEDIATE', ...changes.map(sqlOf)].join(';\n'));
    const ids = [...timedByDatabase(changes).keys()].map(text);
    if (ids.length === 0) return new Map();
    return readTimes(database.prepare(`${TIMES} (${ids.join(', ')})`).all() as never[]);
  };
  return {
    begin: async (changes) => begin(changes),
    async end(how) {
      database.exec(how);
    },
    async write(changes) {
      const times = begin(changes);
      database.exec('COMMIT');
      return times;
    },
    async query(sql) {
      const statement = database.prepare(sql);
      return statement.reader ? (statement.all() as never[]) : (statement.run(), []);
    },
    async close() {
      database.close();
    },
  };
}

async function postgresWriter(url: string): Promise<Writer> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query("SET TIME ZONE 'UTC'");
  const run = async (changes: readonly Change[], last: string[]): Promise<ReadTimes> => {
    const ids = [...timedByDatabase(changes).keys()].map(text);
    const read = ids.length === 0 ? [] : [`${TIMES} (${ids.join(', ')})`];
    const statements = ['BEGIN', ...changes.map(sqlOf), ...read, ...last];
    // One statement is answered by one result, several by a list.
    const results: unknown = await client.query(statements.join(';\n'));
    return readTimes(
      [results]
        .flat()
        .flatMap((result) => (result as pg.QueryResult<Record<string, unknown>>).rows),
    );
  };
  return {
    begin: (changes) => run(changes, []),
    write: (changes) => run(changes, ['COMMIT']),
    async end(how) {
      await client.query(how);
    },
    async query(sql) {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    },
    close: () => client.end(),
  };
}
