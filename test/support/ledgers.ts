/** A migrated database with an open ledger, its limits wide, as most ledger tests need one. */
import { onTestFinished } from 'vitest';
import { migrateDatabase, type App } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { Guard } from '../../src/guard/guard.ts';
import { systemRuntime, type Runtime } from '../../src/platform/runtime.ts';
import { emptyDatabase, openTestApp, type DatabaseName } from './databases.ts';

export interface TestLedger {
  readonly target: DatabaseTarget;
  readonly app: App;
  readonly guard: Guard;
}

/** Limits that deny nothing. */
export const UNLIMITED: Settings = {
  global: {
    monthly: 'off',
    enforcedMonthly: 'off',
    daily: 'off',
    hourly: 'off',
    request: 'off',
    tokensPerRequest: 'off',
    requestsPerMinute: 'off',
    requestsPerDay: 'off',
    warning: 'off',
    critical: 'off',
    emergency: 'off',
    criticalRequest: 'off',
  },
  aiTypes: {},
};

export async function openTestLedger(
  kind: DatabaseName,
  runtime: Runtime = systemRuntime,
  firstSettings: Settings = UNLIMITED,
): Promise<TestLedger> {
  const target = await emptyDatabase(kind);
  await migrateDatabase({ target, runtime, dryRun: false, firstSettings });
  return openLedgerOn(target, runtime);
}

/** Opens the ledger of a migrated database; closed when the test ends. */
export async function openLedgerOn(
  target: DatabaseTarget,
  runtime: Runtime = systemRuntime,
): Promise<TestLedger> {
  const app = await openTestApp(target, runtime);
  onTestFinished(() => app.close());
  const guard = new Guard(app.ledger, runtime, {
    estimator: 'words',
    cacheReadPercent: 100,
    requestType: 'sdk',
  });
  return { target, app, guard };
}
