import { join } from 'node:path';
import pg from 'pg';
import { migrateDatabase, openApp, type App } from '../src/app.ts';
import { parseDatabase, type DatabaseTarget } from '../src/config/database.ts';
import { Guard } from '../src/guard/guard.ts';
import { systemRuntime } from '../src/platform/runtime.ts';
import { startPostgres } from '../test/support/postgres-server.ts';

/** A new budget of so many tokens a month, the only limit. By default it never binds, so that what is measured is the ledger. */
export async function openBudget(
  target: DatabaseTarget,
  monthly = 1_000_000_000_000,
): Promise<OpenGuard> {
  await migrateDatabase({ target, runtime: systemRuntime, dryRun: false, firstSettings: null });
  const opened = await openGuard(target);
  await opened.app.changeLimits(
    () => ({
      global: {
        monthly,
        enforcedShare: 100,
        daily: 'off',
        hourly: 'off',
        request: 'off',
        tokensPerRequest: 'off',
        requestsPerMinute: 'off',
        requestsPerDay: 'off',
        warning: 'off',
        critical: 'off',
        emergency: 'off',
      },
      aiTypes: {},
    }),
    { source: 'bench', actor: null, reason: null },
  );
  return opened;
}

export interface OpenGuard {
  readonly app: App;
  readonly guard: Guard;
}

/** A guard on a budget that exists. */
export async function openGuard(target: DatabaseTarget): Promise<OpenGuard> {
  const app = await openApp({ target, runtime: systemRuntime });
  const guard = new Guard(app.ledger, systemRuntime, {
    estimator: 'words',
    cacheReadPercent: 100,
    requestType: 'sdk',
  });
  return { app, guard };
}

export function sqliteTarget(folder: string, name: string): DatabaseTarget {
  return benchTarget(join(folder, name));
}

/** The database of a path or URL. */
export function benchTarget(place: string): DatabaseTarget {
  return parseDatabase(place, 'bench', 'flag', '/');
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
      return benchTarget(url.href);
    },
    stop: () => server.stop(),
  };
}
