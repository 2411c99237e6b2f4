import pg from 'pg';
import { TokenctlError } from '../../budget/errors.ts';
import { scopeLabels } from '../../budget/labels.ts';
import { NO_SETTINGS, resolveLimits, type Settings } from '../../budget/limits.ts';
import { migrationNames, readMigration } from '../../platform/package-files.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { postgresTarget, type PostgresTarget } from '../postgres-url.ts';
import { unreachable } from '../postgres-errors.ts';
import { connectPostgres } from '../postgres.ts';
import { scopeOf } from '../values.ts';
import { adopt, prepareOlderTables } from './postgres-adoption.ts';
import type { MigrationReport } from './report.ts';
import { postgresSchema } from './postgres-state.ts';

/**
 * PostgreSQL migrations, run on the driver: the folders are Prisma's, and so are the rows in
 * _prisma_migrations, but all of it is one transaction, under Prisma's own advisory lock and ours.
 */

const PRISMA_LOCK = 72_707_369;
const TIMEOUT_MS = 5_000;

export interface MigratePostgresOptions {
  readonly url: string;
  readonly runtime: Runtime;
  readonly dryRun: boolean;
  readonly firstSettings: Settings | null;
}

/** Creates, migrates or adopts a PostgreSQL database. @throws database_newer, ledger_unavailable */
export async function migratePostgres(options: MigratePostgresOptions): Promise<MigrationReport> {
  const target = postgresTarget(options.url);
  const { client, created } = await connectOrCreate(target, options.dryRun);
  if (client === null) {
    const applied = migrationNames('postgresql');
    return { created: true, applied, adopted: null, dryRun: true, upToDate: false };
  }
  try {
    await client.query('SET statement_timeout = 0; SET lock_timeout = 30000; BEGIN');
    await createSchema(client, target.schema);
    await client.query('SELECT pg_advisory_xact_lock($1)', [PRISMA_LOCK]);
    await client.query(
      `SELECT pg_advisory_xact_lock(hashtextextended('tokenctl.' || current_schema(), 0))`,
    );
    const report = await migrate(client, options, target, created);
    await client.query(options.dryRun ? 'ROLLBACK' : 'COMMIT');
    return report;
  } catch (error) {
    throw refused(target, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** IF NOT EXISTS asks for the right to create one even where the schema exists. */
async function createSchema(client: pg.Client, schema: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [
    schema,
  ]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${pg.escapeIdentifier(schema)}`);
}

function refused(target: PostgresTarget, error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return unreachable(target, error);
  if (error.code === '42501') {
    return new TokenctlError('database_unusable', `${target.location}: ${error.message}`, {
      cause: error,
      fix: 'migrate as the owner of the database, then grant the services what they need',
    });
  }
  return new TokenctlError('database_unusable', `${target.location}: ${error.message}`, {
    cause: error,
    fix: 'nothing was changed; mend what it names, then run tokenctl db migrate again',
  });
}

async function connectOrCreate(
  target: PostgresTarget,
  dryRun: boolean,
): Promise<{ client: pg.Client | null; created: boolean }> {
  try {
    return { client: await connectPostgres(target, TIMEOUT_MS), created: false };
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === '3D000';
    if (!missing) throw unreachable(target, error);
  }
  if (dryRun) return { client: null, created: true };
  const maintenance = new URL(target.config.connectionString ?? '');
  maintenance.pathname = '/postgres';
  try {
    const client = await connectPostgres(
      { ...target, schema: 'public', config: { connectionString: maintenance.toString() } },
      TIMEOUT_MS,
    );
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(target.database)}`);
    } finally {
      await client.end();
    }
    return { client: await connectPostgres(target, TIMEOUT_MS), created: true };
  } catch (error) {
    throw refused(target, error);
  }
}

async function migrate(
  client: pg.Client,
  { dryRun, firstSettings, runtime }: MigratePostgresOptions,
  target: PostgresTarget,
  created: boolean,
): Promise<MigrationReport> {
  const status = await postgresSchema(client);
  if (status.state === 'newer') {
    throw new TokenctlError(
      'database_newer',
      `${target.location} was migrated by a newer tokenctl`,
      { fix: 'upgrade tokenctl on this machine' },
    );
  }
  const old = status.state === 'older_tables' ? await prepareOlderTables(client) : null;
  await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`);
  for (const name of status.pending) {
    const { sql, checksum } = readMigration('postgresql', name);
    await client.query(sql);
    await client.query(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, clock_timestamp(), 1)',
      [runtime.newId(), checksum, name],
    );
  }
  const nowMs = runtime.nowMs();
  await writeFirstRevision(client, firstSettings, nowMs);
  return {
    created,
    applied: status.pending,
    adopted: old === null ? null : await adopt(client, old, nowMs),
    dryRun,
    upToDate: status.pending.length === 0,
  };
}

async function writeFirstRevision(
  client: pg.Client,
  firstSettings: Settings | null,
  nowMs: number,
): Promise<void> {
  const settings = firstSettings ?? NO_SETTINGS;
  const { rowCount } = await client.query(
    `INSERT INTO limit_revisions (revision, settings, source, created_at_ms)
     SELECT 1, $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM limit_revisions)`,
    [JSON.stringify(settings), firstSettings === null ? 'defaults' : 'environment', nowMs],
  );
  if (rowCount === 0) return;
  for (const label of scopeLabels(resolveLimits(settings).limits)) {
    await client.query(
      'INSERT INTO scope_limits (scope_kind, scope_name, monthly, warning_at, critical_at) VALUES ($1, $2, $3, $4, $5)',
      [...scopeOf(label.aiType), label.monthly, label.warningAt, label.criticalAt],
    );
  }
}
