import type pg from 'pg';
import { migrationNames } from '../../platform/package-files.ts';
import { schemaStatus, type SchemaStatus } from './state.ts';

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
