/**
 * Prisma's own schema engine, from its npm package: migrations without the engine's download.
 *
 *   tsx scripts/schema-engine.ts sql sqlite|postgresql   print the datamodel as SQL
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import type {
  DiagnoseMigrationHistoryOutput,
  DiffTarget,
  MigrationList,
  SchemaEngine,
} from '@prisma/schema-engine-wasm/schema_engine_bg';
import { startPostgres } from '../test/support/postgres-server.ts';
import { type Database, databases, projectPath } from './databases.ts';
import { connectionsTo, type LiveDatabase } from './engine-adapters.ts';

// Node has it; the type libraries that this project uses do not declare it.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

const noFilter = { externalTables: [], externalEnums: [] };

type Datamodel = Extract<DiffTarget, { tag: 'schemaDatamodel' }>;

/** The SQL that creates the datamodel in an empty database. The engine asks `live` its version. */
export async function datamodelToSql(live: LiveDatabase): Promise<string> {
  return await withEngine(live, (engine) =>
    diff(engine, { tag: 'empty' }, datamodel(live.database)),
  );
}

/** The SQL that would bring a live database to the datamodel; empty when they agree. */
export async function databaseToDatamodel(live: LiveDatabase): Promise<string> {
  return await withEngine(live, (engine) =>
    diff(engine, connected(live), describable(datamodel(live.database), live.database)),
  );
}

/**
 * Applies the migrations that the database does not have yet and records them as
 * `prisma migrate deploy` would.
 *
 * @returns the names of the migrations applied now
 */
export async function applyMigrations(live: LiveDatabase, directory: string): Promise<string[]> {
  return await withEngine(live, async (engine) => {
    const input = { migrationsList: readMigrations(directory), filters: noFilter };
    return (await engine.applyMigrations(input)).appliedMigrationNames;
  });
}

/** How the database's recorded migrations compare with the folder. */
export async function diagnoseMigrationHistory(
  live: LiveDatabase,
  directory: string,
): Promise<DiagnoseMigrationHistoryOutput> {
  return await withEngine(live, (engine) =>
    engine.diagnoseMigrationHistory({
      migrationsList: readMigrations(directory),
      optInToShadowDatabase: false,
      filters: noFilter,
    }),
  );
}

/** The folder of a database's migrations. */
export function migrationsDirectory(database: Database): string {
  return projectPath(`prisma/${database}/migrations`);
}

async function diff(engine: SchemaEngine, from: DiffTarget, to: DiffTarget): Promise<string> {
  const result = await engine.diff({ from, to, script: true, exitCode: null, filters: noFilter });
  const sql = result.stdout ?? '';
  return sql.trim() === '-- This is an empty migration.' ? '' : sql;
}

function schemaFile(database: Database): { path: string; content: string } {
  const path = projectPath(`prisma/${database}/schema.prisma`);
  return { path, content: readFileSync(path, 'utf8') };
}

function datamodel(database: Database): Datamodel {
  return { tag: 'schemaDatamodel', files: [schemaFile(database)] };
}

// On SQLite the engine describes the default `(expression)` of a text column as the text
// 'expression', so that such a column always differs from its datamodel. Spelled alike they can be
// compared, expression and all.
function describable(target: Datamodel, database: Database): Datamodel {
  if (database !== 'sqlite') return target;
  const files = target.files.map(({ path, content }) => ({
    path,
    content: content.replace(/dbgenerated\("\((.*)\)"\)/g, '"$1"'),
  }));
  return { ...target, files };
}

function connected({ database }: LiveDatabase): DiffTarget {
  const files = [schemaFile(database)];
  return { tag: 'schemaDatasource', files, configDir: projectPath('.') };
}

function readMigrations(directory: string): MigrationList {
  const lockfile = join(directory, 'migration_lock.toml');
  const names = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir: directory,
    lockfile: {
      path: 'migration_lock.toml',
      content: existsSync(lockfile) ? readFileSync(lockfile, 'utf8') : null,
    },
    shadowDbInitScript: '',
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(directory, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
}

async function withEngine<T>(
  live: LiveDatabase,
  use: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  const { path, content } = schemaFile(live.database);
  const SchemaEngineClass = await loadEngine();
  const connections = connectionsTo(live);
  const factory = bindMigrationAwareSqlAdapterFactory(connections.factory);
  try {
    const engine = await SchemaEngineClass.new(
      { datamodels: [[path, content]] },
      () => undefined,
      factory,
    );
    try {
      return await use(engine);
    } finally {
      engine.free();
    }
  } catch (error) {
    // The engine knows a driver's error by its number only.
    const number = /External error id#(\d+)/.exec(String(error))?.[1];
    if (number === undefined) throw error;
    throw factory.errorRegistry.consumeError(Number(number))?.error ?? error;
  } finally {
    await connections.close();
  }
}

let loaded: Promise<typeof bindings.SchemaEngine> | undefined;

function loadEngine(): Promise<typeof bindings.SchemaEngine> {
  loaded ??= (async () => {
    const packageEntry = createRequire(import.meta.url).resolve(
      '@prisma/schema-engine-wasm/schema_engine_bg',
    );
    const bytes = readFileSync(join(packageEntry, '..', 'schema_engine_bg.wasm'));
    const { instance } = await WebAssembly.instantiate(bytes, {
      './schema_engine_bg.js': bindings,
    });
    const { __wbg_set_wasm: setWasm } = bindings as unknown as {
      __wbg_set_wasm: (exports: unknown) => void;
    };
    setWasm(instance.exports);
    // A panic of the engine hands its message to this global before it traps.
    Object.assign(globalThis, {
      PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => console.error(message) },
    });
    const start = instance.exports['__wbindgen_start'] as (() => void) | undefined;
    start?.();
    return bindings.SchemaEngine;
  })();
  return loaded;
}

/** Runs `use` on a fresh, empty database of its own. */
export async function withEmptyDatabase<T>(
  database: Database,
  use: (live: LiveDatabase) => Promise<T>,
): Promise<T> {
  if (database === 'sqlite') {
    const directory = mkdtempSync(join(tmpdir(), 'tokenctl-schema-'));
    try {
      return await use({ database, url: `file:${join(directory, 'empty.db')}` });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  const server = await startPostgres();
  try {
    return await use({ database, url: server.adminUrl });
  } finally {
    await server.stop();
  }
}

async function main([command, name]: readonly string[]): Promise<void> {
  const database = databases.find((known) => known === name);
  if (command !== 'sql' || database === undefined) {
    throw new Error('usage: tsx scripts/schema-engine.ts sql sqlite|postgresql');
  }
  await withEmptyDatabase(database, async (live) => {
    process.stdout.write(await datamodelToSql(live));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(process.argv.slice(2));
}
