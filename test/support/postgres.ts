/** Fresh PostgreSQL databases for tests, on the one server that the run starts. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    postgresAdminUrl: string;
  }
}

export interface PostgresDatabase {
  url: string;
  /** Drops the database, also while connections to it are open. */
  drop(): Promise<void>;
}

/**
 * Creates a database that no other test knows, on the run's server unless another is named: an empty
 * one, or a copy of one that nobody uses.
 */
export async function createPostgresDatabase(
  adminUrl = inject('postgresAdminUrl'),
  original?: string,
): Promise<PostgresDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const copied = original === undefined ? '' : ` TEMPLATE ${new URL(original).pathname.slice(1)}`;
  await asAdmin(adminUrl, `CREATE DATABASE ${name}${copied}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => asAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function asAdmin(adminUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
