import { TokenctlError } from '../budget/errors.ts';
import { PrismaClient as PostgresClient } from './generated/postgresql/client.ts';
import { PrismaClient as SqliteClient } from './generated/sqlite/client.ts';

/**
 * Prisma Client for what needs history: limit revisions and resets. It costs several times a bare
 * start, so only the commands that need it import this folder.
 */
export type Store = SqliteClient;

export interface StoreTarget {
  readonly kind: 'sqlite' | 'postgresql';
  /** SQLite: the file's path. PostgreSQL: the URL. */
  readonly url: string;
}

/** Opens Prisma Client; `close` ends its connection. */
export async function withStore<T>(
  target: StoreTarget,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store =
    target.kind === 'sqlite' ? await openSqlite(target.url) : await openPostgres(target.url);
  try {
    return await work(store);
  } catch (error) {
    throw refused(error);
  } finally {
    await store.$disconnect();
  }
}

/** The database's own words of a Prisma error, in place of its excerpt of our code. */
function refused(error: unknown): unknown {
  if (error instanceof TokenctlError || !(error instanceof Error)) return error;
  if (!error.name.startsWith('PrismaClient') && error.name !== 'DriverAdapterError') return error;
  const words = error.message.trim().split('\n').at(-1)?.trim() ?? error.name;
  return new TokenctlError('ledger_unavailable', `the change was refused: ${words}`, {
    cause: error,
    fix: 'nothing was changed; on PostgreSQL check what this role may do (docs/database.md)',
  });
}

async function openSqlite(path: string): Promise<Store> {
  const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3');
  const store = new SqliteClient({ adapter: new PrismaBetterSqlite3({ url: `file:${path}` }) });
  // The driver's default in WAL mode may lose the last commits at a power loss.
  await store.$executeRawUnsafe('PRAGMA synchronous = FULL');
  return store;
}

async function openPostgres(url: string): Promise<Store> {
  const { PrismaPg } = await import('@prisma/adapter-pg');
  const target = new URL(url);
  const schema = target.searchParams.get('schema') ?? 'public';
  target.searchParams.delete('schema');
  const adapter = new PrismaPg(
    { connectionString: target.toString(), max: 1, options: '-c TimeZone=UTC' },
    { schema },
  );
  // Both clients come from the same models; the tables used here have the same types in both.
  return new PostgresClient({ adapter }) as unknown as Store;
}
