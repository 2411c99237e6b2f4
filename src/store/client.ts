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
  } finally {
    await store.$disconnect();
  }
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
