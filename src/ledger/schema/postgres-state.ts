import type pg from 'pg';
import { isMissingDatabase, unreachable } from '../postgres-errors.ts';
import { postgresTarget } from '../postgres-url.ts';
import { connectPostgres } from '../postgres.ts';
import { migrationNames } from '../../platform/package-files.ts';
import { schemaStatus, type DatabaseAbout, type SchemaStatus } from './state.ts';

/** How the schema that a session uses stands to the migrations that this version knows. */
export async function postgresSchema(client: pg.Client): Promise<SchemaStatus> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_name IN ('_prisma_migrations', 'token_usage', 'token_usage_logs')`,
  );
  const has = (name: string): boolean => tables.some((table) => table.name === name);
  const applied = has('_prisma_migrations')
    ? (
        await client.query<{ name: string }>(
          'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY 1',
        )
      ).rows.map((row) => row.name)
    : null;
  return schemaStatus(
    migrationNames('postgresql'),
    applied,
    has('token_usage') || has('token_usage_logs'),
  );
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
