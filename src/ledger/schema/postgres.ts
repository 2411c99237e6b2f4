import pg from 'pg';
import { TokenctlError } from '../../budget/errors.ts';
import { scopeLabels } from '../../budget/labels.ts';
import { NO_SETTINGS, resolveLimits, type Settings } from '../../budget/limits.ts';
import { windowAt } from '../../budget/windows.ts';
import { migrationNames, readMigration } from '../../platform/package-files.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { postgresTarget, type PostgresTarget } from '../postgres-url.ts';
import { unreachable } from '../postgres-errors.ts';
import { connectPostgres } from '../postgres.ts';
import { scopeOf } from '../values.ts';
import {
  compareMonths,
  countedName,
  type Adoption,
  type CountedMonth,
  type MigrationReport,
  type OldUsage,
} from './report.ts';
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
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(target.schema)}`);
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

/** The types that the older tables' columns must have. Their writers' grants, views and keys stay. */
const OLDER_COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  token_usage_logs: {
    id: 'uuid',
    ai_type: 'text',
    month_year: 'text',
    request_id: 'text',
    tokens_in: 'bigint',
    tokens_out: 'bigint',
    total_tokens: 'bigint',
    model_used: 'text',
    request_type: 'text',
    success: 'boolean',
    error_message: 'text',
    created_at: 'timestamp without time zone',
  },
  token_usage: {
    id: 'uuid',
    ai_type: 'text',
    month_year: 'text',
    tokens_in: 'bigint',
    tokens_out: 'bigint',
    total_tokens: 'bigint',
    request_count: 'bigint',
    monthly_limit: 'bigint',
    usage_percentage: 'double precision',
    last_request_at: 'timestamp without time zone',
    status: 'text',
    created_at: 'timestamp without time zone',
    updated_at: 'timestamp without time zone',
  },
};

const NOW_UTC = `(clock_timestamp() AT TIME ZONE 'utc'::text)`;
const DEFAULTS: Readonly<Record<string, string>> = {
  id: 'gen_random_uuid()',
  tokens_in: '0',
  tokens_out: '0',
  total_tokens: '0',
  request_count: '0',
  request_type: `'direct'`,
  success: 'true',
  usage_percentage: '0',
  status: `'active'`,
  created_at: NOW_UTC,
  updated_at: NOW_UTC,
};
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  token_usage_logs: ['id'],
  token_usage: [
    'id',
    'ai_type',
    'month_year',
    'tokens_in',
    'tokens_out',
    'total_tokens',
    'request_count',
  ],
};

/** Brings the older tables' columns to the types, defaults and nullability of ours, in place. */
async function prepareOlderTables(client: pg.Client): Promise<OldUsage[]> {
  for (const [table, columns] of Object.entries(OLDER_COLUMNS)) {
    const { rows } = await client.query<{ name: string; type: string }>(
      `SELECT column_name AS name, data_type AS type FROM information_schema.columns
       WHERE table_schema = current_schema() AND table_name = $1`,
      [table],
    );
    if (rows.length === 0) continue;
    const has = new Map(rows.map((row) => [row.name, row.type]));
    for (const [name, type] of Object.entries(columns)) {
      const column = pg.escapeIdentifier(name);
      const from = has.get(name);
      const steps: string[] = [];
      if (from === undefined) steps.push(`ADD COLUMN ${column} ${type}`);
      else if (from !== type) {
        steps.push(`ALTER COLUMN ${column} DROP DEFAULT`);
        if (name === 'id') steps.push(`ALTER COLUMN ${column} DROP IDENTITY IF EXISTS`);
        steps.push(`ALTER COLUMN ${column} TYPE ${type} USING ${converted(column, from, type)}`);
      }
      const value = DEFAULTS[name];
      if (value !== undefined) steps.push(`ALTER COLUMN ${column} SET DEFAULT ${value}`);
      const required = REQUIRED[table]?.includes(name) === true;
      if (!required && from !== undefined) steps.push(`ALTER COLUMN ${column} DROP NOT NULL`);
      if (steps.length > 0) {
        await client.query(`ALTER TABLE ${pg.escapeIdentifier(table)} ${steps.join(', ')}`);
      }
      if (required && value !== undefined) {
        await client.query(
          `UPDATE ${pg.escapeIdentifier(table)} SET ${column} = DEFAULT WHERE ${column} IS NULL`,
        );
      }
      if (required) {
        await client.query(
          `ALTER TABLE ${pg.escapeIdentifier(table)} ALTER COLUMN ${column} SET NOT NULL`,
        );
      }
    }
  }
  const exists = await client.query(`SELECT to_regclass('token_usage') AS found`);
  if ((exists.rows[0] as { found: string | null }).found === null) return [];
  const { rows } = await client.query<Omit<OldUsage, 'countsAs'>>(
    `SELECT ai_type AS "aiType", month_year AS month, greatest(tokens_in, 0) AS "tokensIn", greatest(tokens_out, 0) AS "tokensOut",
       greatest(total_tokens, 0) AS total, greatest(request_count, 0) AS requests FROM token_usage`,
  );
  return rows.map((row) => ({ ...row, countsAs: countedName(row.aiType) }));
}

function converted(column: string, from: string, to: string): string {
  if (to === 'uuid') {
    if (/int/.test(from)) return `lpad(to_hex(${column}), 32, '0')::uuid`;
    return `CASE WHEN ${column}::text ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN ${column}::text::uuid ELSE md5(${column}::text)::uuid END`;
  }
  if (to === 'boolean' && /int|numeric/.test(from)) return `${column} <> 0`;
  if (to.startsWith('timestamp') && from === 'timestamp with time zone') {
    return `${column} AT TIME ZONE 'UTC'`;
  }
  return `${column}::${to}`;
}

/** Counts the older logs by the triggers themselves, then keeps what the older months counted more. */
async function adopt(
  client: pg.Client,
  old: readonly OldUsage[],
  nowMs: number,
): Promise<Adoption> {
  const { rowCount } = await client.query(
    'UPDATE token_usage_logs SET counted_as = NULL WHERE counted_as IS NULL',
  );
  await client.query('SELECT tokenctl_fold(2147483647)');
  const { rows } = await client.query<CountedMonth & { aiType: string; month: string }>(
    `SELECT scope_name AS "aiType", window_start AS month, tokens_in AS "tokensIn", tokens_out AS "tokensOut", used, requests
     FROM usage_windows WHERE scope_kind = 'ai_type' AND window_kind = 'month'`,
  );
  const { months, differences } = compareMonths(
    old,
    (aiType, month) =>
      rows.find((row) => row.aiType === aiType && row.month === month) ?? {
        tokensIn: 0,
        tokensOut: 0,
        used: 0,
        requests: 0,
      },
    windowAt('month', nowMs).start,
  );
  for (const { aiType, month, tokensIn, tokensOut, used, requests } of differences) {
    for (const scope of [null, aiType]) {
      await client.query(
        `INSERT INTO usage_adjustments (kind, scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, requests, reason, created_at_ms)
         VALUES ('adopted', $1, $2, 'month', $3, $4, $5, $6, $7, 'counted before adoption, without log rows', $8)`,
        [...scopeOf(scope), month, tokensIn, tokensOut, used, requests, nowMs],
      );
    }
  }
  await client.query('SELECT tokenctl_fold(2147483647)');
  // Every older month says what is counted now, not only the months that a fold touches.
  await client.query(
    `UPDATE token_usage AS t SET tokens_in = c.tokens_in, tokens_out = c.tokens_out, total_tokens = c.total_tokens,
       request_count = c.request_count, monthly_limit = c.monthly_limit, usage_percentage = c.usage_percentage,
       status = c.status, last_request_at = c.last_request_at
     FROM token_usage_counted AS c WHERE c.id = t.id`,
  );
  return { logs: rowCount ?? 0, months };
}
