import { join } from 'node:path';
import pg from 'pg';
import { migrateDatabase, openApp, type App } from '../src/app.ts';
import { parseDatabase, type DatabaseTarget } from '../src/config/database.ts';
import { Guard } from '../src/guard/guard.ts';
import { systemRuntime } from '../src/platform/runtime.ts';
import { startPostgres } from '../test/support/postgres-server.ts';

/** Budgets that never bind, so that what is measured is the ledger. */
export async function openBudget(target: DatabaseTarget): Promise<{ app: App; guard: Guard }> {
  await migrateDatabase({ target, runtime: systemRuntime, dryRun: false, firstSettings: null });
  const app = await openApp({ target, runtime: systemRuntime });
  await app.changeLimits(
    () => ({
      global: {
        monthly: 1_000_000_000_000,
        daily: 'off',
        hourly: 'off',
        request: 'off',
        tokensPerRequest: 'off',
        requestsPerMinute: 'off',
        requestsPerDay: 'off',
      },
      aiTypes: {},
    }),
    { source: 'bench', actor: null, reason: null },
  );
  const guard = new Guard(app.ledger, systemRuntime, {
    estimator: 'words',
    cacheReadPercent: 100,
    requestType: 'sdk',
  });
  return { app, guard };
}

export function sqliteTarget(folder: string, name: string): DatabaseTarget {
  return parseDatabase(join(folder, name), 'bench', 'flag', '/');
}

export interface PostgresBench {
  /** A new database of this name. */
  database(name: string): Promise<DatabaseTarget>;
  stop(): Promise<void>;
}

export async function startPostgresBench(): Promise<PostgresBench> {
  const server = await startPostgres();
  return {
    async database(name) {
      const client = new pg.Client({ connectionString: server.adminUrl });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      const url = new URL(server.adminUrl);
      url.pathname = `/${name}`;
      return parseDatabase(url.href, 'bench', 'flag', '/');
    },
    stop: () => server.stop(),
  };
}
