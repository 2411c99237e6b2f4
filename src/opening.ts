import { TokenctlError } from './budget/errors.ts';
import type { Settings } from './budget/limits.ts';
import type { DatabaseTarget } from './config/database.ts';
import type { Connection } from './ledger/port.ts';
import { requireCurrent } from './ledger/schema/state.ts';
import { makeDirectoryOf } from './platform/directories.ts';
import { exists } from './platform/files.ts';
import type { Runtime } from './platform/runtime.ts';

/** Opens a database: creates and migrates it where that may be, and refuses one that does not fit. */

export interface OpenOptions {
  readonly target: DatabaseTarget;
  readonly runtime: Runtime;
  /**
   * Creates a missing SQLite file, and brings an older one up to date. Of the default file that is so
   * by itself; with false a missing one is not created.
   */
  readonly create?: boolean;
  /** The first revision of a database that is created; null for the defaults. */
  readonly firstSettings?: Settings | null;
  /** How long a command may wait for its commit, in ms. */
  readonly timeoutMs?: number;
  /** Replaces PostgreSQL's clock, for tests. */
  readonly databaseNowMs?: () => number;
}

/** A connection to a ledger that may be used. */
export interface Opened {
  readonly connection: Connection;
  readonly created: boolean;
}

/**
 * SQLite is checked at once, PostgreSQL when it is first used.
 * @throws database_missing, database_not_migrated, database_newer, database_unusable
 */
export function openConnection(options: OpenOptions): Promise<Opened> {
  return options.target.kind === 'sqlite' ? openSqliteFile(options) : openPostgresServer(options);
}

async function openSqliteFile(options: OpenOptions): Promise<Opened> {
  const { target, runtime } = options;
  const mayMigrate = options.create === true || target.source === 'default';
  const { openSqlite, wasLocked } = await import('./ledger/sqlite.ts');
  const { readSqliteSchema, sqliteSchema } = await import('./ledger/schema/sqlite-state.ts');
  const existed = exists(target.url);
  if (!existed && (options.create === false || !mayMigrate)) requireFile(target);
  const migrate = async (): Promise<void> => {
    const { migrateSqlite } = await import('./ledger/schema/sqlite.ts');
    makeDirectoryOf(target.url);
    migrateSqlite({
      path: target.url,
      runtime,
      dryRun: false,
      firstSettings: options.firstSettings ?? null,
    });
  };
  // Another process that creates, migrates or closes the file has it to itself for a moment.
  const deadlineMs = runtime.monotonicMs() + (options.timeoutMs ?? 5_000);
  const onceFree = async <T>(work: () => T | Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!wasLocked(error) || runtime.monotonicMs() >= deadlineMs) throw error;
        await runtime.sleep(5 + runtime.random() * 20);
      }
    }
  };
  if (!existed) await onceFree(migrate);
  const open = (): Connection =>
    openSqlite({
      path: target.url,
      runtime,
      onOpen: (database) => {
        requireCurrent(sqliteSchema(database), target.location, flagOf(target));
      },
    });
  try {
    return { connection: await onceFree(open), created: !existed };
  } catch (error) {
    const outdated = error instanceof TokenctlError && error.code === 'database_not_migrated';
    if (!outdated || !mayMigrate || !existed) throw error;
  }
  // Older tables of a backend are adopted by `db migrate` only, which shows its plan first.
  const schema = await onceFree(() => readSqliteSchema(target.url));
  if (schema.state === 'older_tables') return { connection: await onceFree(open), created: false };
  await onceFree(migrate);
  return { connection: await onceFree(open), created: false };
}

async function openPostgresServer(options: OpenOptions): Promise<Opened> {
  const { target, timeoutMs, databaseNowMs } = options;
  const { openPostgres } = await import('./ledger/postgres.ts');
  const { postgresSchema } = await import('./ledger/schema/postgres-state.ts');
  const { postgresTarget } = await import('./ledger/postgres-url.ts');
  postgresTarget(target.url);
  const connection = openPostgres({
    url: target.url,
    onConnect: async (client) => {
      requireCurrent(await postgresSchema(client), target.location, flagOf(target));
    },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(databaseNowMs === undefined ? {} : { nowMs: databaseNowMs }),
  });
  return { connection, created: false };
}

/** @throws database_missing always */
function requireFile(target: DatabaseTarget): void {
  const { location, source } = target;
  if (source === 'default') {
    throw new TokenctlError('database_missing', `there is no database at ${location}`, {
      fix: 'that is the default place: name the one in use (--database, DATABASE_URL), or create one there: tokenctl db migrate',
    });
  }
  const missing = { state: 'missing', applied: [], pending: [], unknown: [] } as const;
  requireCurrent(missing, location, flagOf(target));
}

/** How a command names a database that only a program named; the command line repeats its own flags. */
function flagOf(target: DatabaseTarget): string {
  if (target.source !== 'option') return '';
  return `--database ${target.kind === 'sqlite' ? target.location : 'URL'}`;
}
