import { join } from 'node:path';
import { openApp, migrateDatabase, type App } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { systemRuntime, type Runtime } from '../../src/platform/runtime.ts';
import { createPostgresDatabase } from './postgres.ts';
import { temporaryDirectory } from './sqlite.ts';

/** Both databases, for suites that must hold on each: `describe.each(DATABASES)`. */
export const DATABASES = ['sqlite', 'postgresql'] as const;
export type DatabaseName = (typeof DATABASES)[number];

/** An empty database of its own; PostgreSQL's on the run's server unless another is named. */
export async function emptyDatabase(
  kind: DatabaseName,
  postgresAdminUrl?: string,
): Promise<DatabaseTarget> {
  if (kind === 'sqlite') {
    return parseDatabase(join(temporaryDirectory(), 'budget.db'), 'test', 'flag', '/');
  }
  const { url } = await createPostgresDatabase(postgresAdminUrl);
  return parseDatabase(url, 'test', 'flag', '/');
}

/** Limits of the month alone. */
export const MONTH_ALONE: Settings = { global: { daily: 'off', hourly: 'off' }, aiTypes: {} };

/** A migrated database of its own. */
export async function migratedDatabase(
  kind: DatabaseName,
  runtime: Runtime = systemRuntime,
  firstSettings: Settings | null = null,
): Promise<DatabaseTarget> {
  const target = await emptyDatabase(kind);
  await migrateDatabase({ target, runtime, dryRun: false, firstSettings });
  return target;
}

/** Opens an app on a database; the runtime's clock is also PostgreSQL's. */
export async function openTestApp(
  target: DatabaseTarget,
  runtime: Runtime = systemRuntime,
  timeoutMs = 5_000,
): Promise<App> {
  return openApp({
    target,
    runtime,
    timeoutMs,
    ...(runtime === systemRuntime ? {} : { databaseNowMs: () => runtime.nowMs() }),
  });
}
