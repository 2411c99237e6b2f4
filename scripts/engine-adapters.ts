/** Prisma's driver adapters, with what the schema engine needs of them and they do not do. */
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';
import type { Database } from './databases.ts';

/** A database that exists: for SQLite `file:…`, for PostgreSQL `postgresql://…`. */
export interface LiveDatabase {
  database: Database;
  url: string;
}

type PgAdapter = Awaited<ReturnType<PrismaPg['connect']>>;

/** Connections as the engine asks for them, and the way to close them all. */
export interface Connections {
  factory: SqlMigrationAwareDriverAdapterFactory;
  close(): Promise<void>;
}

/** The database's driver adapter, fit for the engine. The engine closes no connection itself. */
export function connectionsTo({ database, url }: LiveDatabase): Connections {
  const open: SqlDriverAdapter[] = [];
  const connect = database === 'sqlite' ? connectSqlite : connectPostgres;
  const factory: SqlMigrationAwareDriverAdapterFactory = {
    provider: database === 'sqlite' ? 'sqlite' : 'postgres',
    adapterName: `@prisma/adapter-${database === 'sqlite' ? 'better-sqlite3' : 'pg'}`,
    connectToShadowDb: () => Promise.reject(new Error('no shadow database is used here')),
    async connect() {
      const adapter = await connect(url);
      open.push(adapter);
      return adapter;
    },
  };
  const close = async () => {
    for (const adapter of open.splice(0)) await adapter.dispose();
  };
  return { factory, close };
}

async function connectSqlite(url: string): Promise<SqlDriverAdapter> {
  const adapter = await new PrismaBetterSqlite3({ url }).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  // The engine asks for a partial index as `name = "…"`; better-sqlite3's SQLite takes a
  // double-quoted string for a column only.
  adapter.queryRaw = (query) =>
    queryRaw({
      ...query,
      sql: query.sql.replace(/(?<= FROM sqlite_master .* name = )"([^"]*)"/, "'$1'"),
    });
  return adapter;
}

async function connectPostgres(url: string): Promise<SqlDriverAdapter> {
  const adapter = await new PrismaPg(url).connect();
  const pool = adapter.underlyingDriver();
  const runScript = pool.query.bind(pool) as (script: string) => Promise<unknown>;
  // The adapter's own way splits a script at each semicolon, which breaks function bodies.
  adapter.executeScript = async (script) => {
    await runScript(script);
  };
  readCatalogCharacters(adapter);
  return adapter;
}

const catalogCharacter: number = pg.types.builtins.CHAR;

// The engine reads columns of the catalogs' own type "char", which the adapter refuses to name.
// So they pass the adapter as text and are called characters again behind it. The engine asks one
// question at a time, so the newest answer's fields are those of the query in hand.
function readCatalogCharacters(adapter: PgAdapter): void {
  const pool = adapter.underlyingDriver();
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryArrayResult>;
  let characters: boolean[] = [];
  pool.query = (async (...args: unknown[]) => {
    const result = await query(...args);
    characters = result.fields.map((field) => field.dataTypeID === catalogCharacter);
    for (const field of result.fields) {
      if (field.dataTypeID === catalogCharacter) field.dataTypeID = pg.types.builtins.TEXT;
    }
    return result;
  }) as typeof pool.query;
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (question) => {
    const answer = await queryRaw(question);
    const columnTypes = answer.columnTypes.map((type, column) =>
      characters[column] ? ColumnTypeEnum.Character : type,
    );
    return { ...answer, columnTypes };
  };
}
