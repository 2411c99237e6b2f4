/** A migrated database with the limits that a test names, a guard on it, and a clock that the test sets. */
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { migrateDatabase, type App } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import type { Verdict } from '../../src/budget/verdict.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { Guard, type GuardConfig } from '../../src/guard/guard.ts';
import type { Runtime } from '../../src/platform/runtime.ts';
import { testClock, type TestClock } from './clock.ts';
import { emptyDatabase, openTestApp, type DatabaseName } from './databases.ts';

/** Limits of which none binds; a test names the ones that shall. */
const ROOMY: Settings['global'] = {
  monthly: 1_000_000,
  enforcedMonthly: 1_000_000,
  daily: 'off',
  hourly: 'off',
  request: 'off',
  tokensPerRequest: 'off',
  criticalRequest: 'off',
  requestsPerMinute: 'off',
  requestsPerDay: 'off',
};

interface Opened {
  readonly app: App;
  readonly guard: Guard;
}

export interface Budget extends Opened {
  readonly target: DatabaseTarget;
  readonly clock: TestClock;
  /** Another ledger on the same database, as another process would have it. */
  readonly another: (runtime?: Runtime, timeoutMs?: number) => Promise<Opened>;
}

export interface BudgetOptions {
  readonly start?: string;
  readonly global?: Settings['global'];
  readonly aiTypes?: Settings['aiTypes'];
  readonly guard?: Partial<GuardConfig>;
  /** Another PostgreSQL server than the run's. */
  readonly postgresAdminUrl?: string;
}

/** Opens it; when the test ends, every count must be the sum of its rows, and it is closed. */
export async function openBudget(
  kind: DatabaseName,
  {
    start = '2025-06-15T12:30:00Z',
    global = {},
    aiTypes = {},
    guard = {},
    postgresAdminUrl,
  }: BudgetOptions = {},
): Promise<Budget> {
  const clock = testClock(start);
  const target = await emptyDatabase(kind, postgresAdminUrl);
  const firstSettings = { global: { ...ROOMY, ...global }, aiTypes };
  await migrateDatabase({ target, runtime: clock, dryRun: false, firstSettings });
  const another = (runtime: Runtime = clock, timeoutMs = 5_000): Promise<Opened> =>
    guardOn(target, runtime, timeoutMs, guard);
  const first = await another();
  onTestFinished(async () => {
    const check = await openTestApp(target, clock);
    const differences = await check.verify({ repair: false });
    await check.close();
    expect(differences).toEqual([]);
  });
  return { ...first, target, clock, another };
}

/** A ledger and a guard on a database that is there; closed when the test ends. */
export async function guardOn(
  target: DatabaseTarget,
  runtime: Runtime,
  timeoutMs: number,
  config: Partial<GuardConfig> = {},
): Promise<Opened> {
  const app = await openTestApp(target, runtime, timeoutMs);
  onTestFinished(() => app.close());
  const guard = new Guard(app.ledger, runtime, {
    estimator: 'words',
    cacheReadPercent: 100,
    requestType: 'sdk',
    ...config,
  });
  return { app, guard };
}

/** A request of this many tokens. */
export function tokens(input: number, output = 0, aiType = 'imperium') {
  return { aiType, estimate: { input, output } };
}

/** The id of an admission, which it must be. */
export function idOf(verdict: Verdict): string {
  expect(verdict.reasons).toEqual([]);
  expect(verdict.admitted).toBe(true);
  return verdict.reservation!.id;
}

/** Used and held tokens of the current month, day and hour: `{ month: [used, held], … }`. */
export async function counts(
  app: App,
  aiType?: string,
): Promise<Record<string, readonly [number, number]>> {
  const status = await app.status(aiType === undefined ? {} : { aiType });
  return Object.fromEntries(
    status.windows
      .filter(({ scope }) => scope === (aiType ?? 'global'))
      .map(({ window, used, held }) => [window, [used, held] as const]),
  );
}

/** The same in every window, as it is while the month has only this hour's usage. */
export function everywhere(used: number, held: number): Record<string, readonly [number, number]> {
  return { month: [used, held], day: [used, held], hour: [used, held] };
}

export type Row = Record<string, unknown>;

/** Runs one statement as a foreign client would; `?` are its parameters. */
export async function sql(
  target: DatabaseTarget,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  if (target.kind === 'sqlite') {
    const database = new Sqlite(target.url, { timeout: 5_000 });
    try {
      const statement = database.prepare(text);
      if (statement.reader) return statement.all(...values) as Row[];
      statement.run(...values);
      return [];
    } finally {
      database.close();
    }
  }
  const client = new pg.Client({ connectionString: target.url });
  await client.connect();
  try {
    let number = 0;
    const numbered = text.replaceAll('?', () => `$${String(++number)}`);
    return (await client.query<Row>(numbered, values)).rows;
  } finally {
    await client.end();
  }
}

/** What a backend without the guard writes: one plain INSERT. `at` is 'YYYY-MM-DD HH:MM:SS'. */
export async function foreignLog(
  target: DatabaseTarget,
  at: string,
  total: number,
  aiType = 'guardian',
): Promise<void> {
  await sql(
    target,
    `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at)
     VALUES (?, ?, ?, 0, ?, ?)`,
    [aiType, at.slice(0, 7), total, total, at],
  );
}
