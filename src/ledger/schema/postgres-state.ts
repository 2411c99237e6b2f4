import type pg from 'pg';
import { isMissingDatabase, unreachable } from '../postgres-errors.ts';
import { postgresTarget } from '../postgres-url.ts';
import { connectPostgres } from '../postgres.ts';
import { migrationNames } from '../../platform/package-files.ts';
import { schemaStatus, type DatabaseAbout, type SchemaStatus } from './state.ts';

/** How the schema that a session uses stands to the migrations that this version knows. */
export async function postgresSchema(client: pg.Client): Promise<SchemaStatus> {
  const { rows } = await client.query<{ migrations: boolean; older: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS migrations,
       coalesce(to_regclass('token_usage'), to_regclass('token_usage_logs')) IS NOT NULL AS older`,
  );
  const [has] = rows;
  const applied =
    has?.migrations === true
      ? (
          await client.query<{ name: string }>(
            'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY 1',
          )
        ).rows.map((row) => row.name)
      : null;
  return schemaStatus(migrationNames('postgresql'), applied, has?.older === true);
}

/** What and how large a database is. @throws ledger_unavailable */
export async function postgresInfo(url: string): Promise<DatabaseAbout> {
  const target = postgresTarget(url);
  const nothing = {
    server: null,
    sinceMs: null,
    sizeBytes: null,
    logRows: null,
    limitsRevision: null,
  };
  let client: pg.Client;
  try {
    client = await connectPostgres(target, 5_000);
  } catch (error) {
    if (!isMissingDatabase(error)) throw unreachable(target, error);
    const pending = migrationNames('postgresql');
    return { schema: { state: 'missing', applied: [], pending, unknown: [] }, ...nothing };
  }
  try {
    const schema = await postgresSchema(client);
    const { rows } = await client.query<{ server: string; size: number }>(
      `SELECT 'PostgreSQL ' || current_setting('server_version') AS server, pg_database_size(current_database()) AS size`,
    );
    const about = { schema, server: rows[0]?.server ?? null, sizeBytes: rows[0]?.size ?? null };
    if (schema.state !== 'current') return { ...nothing, ...about };
    const counts = await client.query<{
      since: number | null;
      rows: number;
      revision: number | null;
    }>(
      `SELECT (SELECT min(created_at_ms) FROM limit_revisions) AS since, (SELECT count(*) FROM token_usage_logs) AS rows,
         (SELECT max(revision) FROM limit_revisions) AS revision`,
    );
    const [row] = counts.rows;
    return {
      ...about,
      sinceMs: row?.since ?? null,
      logRows: row?.rows ?? null,
      limitsRevision: row?.revision ?? null,
    };
  } catch (error) {
    throw unreachable(target, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
