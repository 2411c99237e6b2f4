/** Prisma's driver adapters, with what the schema engine needs of them and they do not do. */
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  ColumnTypeEnum,
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

/** The database's driver adapter, fit for the engine. */
export function adapterFactory({
  database,
  url,
}: LiveDatabase): SqlMigrationAwareDriverAdapterFactory {
  return database === 'sqlite' ? sqliteFactory(url) : postgresFactory(url);
}

function sqliteFactory(url: string): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaBetterSqlite3({ url });
  return {
    ...names(factory),
    connectToShadowDb: () => factory.connectToShadowDb(),
    async connect() {
      const adapter = await factory.connect();
      const queryRaw = adapter.queryRaw.bind(adapter);
      // The engine asks for a partial index as `name = "…"`; better-sqlite3's SQLite takes a
      // double-quoted string for a column only.
      adapter.queryRaw = (query) =>
        queryRaw({
          ...query,
          sql: query.sql.replace(/(?<= FROM sqlite_master .* name = )"([^"]*)"/, "'$1'"),
        });
      return adapter;
    },
  };
}

function postgresFactory(url: string): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaPg(url);
  return {
    ...names(factory),
    connectToShadowDb: () => factory.connectToShadowDb(),
    async connect() {
      const adapter = await factory.connect();
      readCatalogCharacters(adapter);
      // The adapter's own way splits a script at each semicolon, which breaks function bodies.
      adapter.executeScript = async (script) => {
        await adapter.underlyingDriver().query(script);
      };
      return adapter;
    },
  };
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

function names({ provider, adapterName }: SqlMigrationAwareDriverAdapterFactory) {
  return { provider, adapterName };
}
