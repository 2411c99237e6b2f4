import type pg from 'pg';
import { invalidInput } from '../budget/errors.ts';

/** Where a PostgreSQL database is, and how to say so without its password. */
export interface PostgresTarget {
  readonly config: pg.ClientConfig;
  readonly database: string;
  readonly schema: string;
  /** `postgresql://user@host:port/database`, for messages. */
  readonly location: string;
}

/**
 * Reads `postgresql://user:password@host:port/database?schema=public`, as Prisma and libpq write it.
 * @throws invalid_input, without the password
 */
export function postgresTarget(url: string): PostgresTarget {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw invalidInput(
      'database',
      'is no URL that can be read',
      'write postgresql://USER:PASSWORD@HOST:5432/DATABASE (special characters in the password percent-encoded)',
    );
  }
  const database = decodeURIComponent(parsed.pathname.slice(1));
  if (database === '' || database.includes('/')) {
    throw invalidInput('database', 'names no database', 'postgresql://USER@HOST:5432/DATABASE');
  }
  const schema = parsed.searchParams.get('schema') ?? 'public';
  const user = decodeURIComponent(parsed.username);
  const shown = new URL(parsed);
  shown.password = '';
  shown.search = schema === 'public' ? '' : `?schema=${encodeURIComponent(schema)}`;
  const connection = new URL(parsed);
  connection.searchParams.delete('schema');
  return {
    config: { connectionString: connection.toString() },
    database,
    schema,
    location: user === '' && parsed.host === '' ? `postgresql:///${database}` : shown.toString(),
  };
}
