import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { migrateDatabase, openApp, type App } from '../src/app.ts';
import { usageQuery } from '../src/budget/usage-query.ts';
import type { DatabaseTarget } from '../src/config/database.ts';
import { systemRuntime as runtime } from '../src/platform/runtime.ts';
import { sqliteTarget, startPostgresBench } from './databases.ts';
import { format, median, printTable, temporaryFolder, type Row } from './measure.ts';

const BIN = join(import.meta.dirname, '../bin/tokenctl.js');
const ROWS = 10_000_000;
const DAYS = 30;
const AI_TYPES = 12;
const MODELS = 6;
const REQUEST_TYPES = 3;
const TOKENS = 120;
const RUNS = 25;
const PROCESSES = 9;

const HOUR_MS = 3_600_000;
const QUESTIONS = [['ai-type'], ['model'], ['day', 'ai-type'], ['hour'], ['hour', 'ai-type']];

/** Usage of 30 days and 10,000,000 log rows, in a running process and as a whole command. */
export async function usage(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'ignore' });
  const folder = temporaryFolder();
  const server = await startPostgresBench();
  try {
    const sinceMs = (Math.floor(Date.now() / HOUR_MS) - DAYS * 24) * HOUR_MS;
    const sqlite = sqliteTarget(folder.path, 'usage.db');
    const postgres = await server.database('usage');
    for (const target of [sqlite, postgres]) {
      await migrateDatabase({ target, runtime, dryRun: false, firstSettings: null });
    }
    fillSqlite(sqlite, sinceMs);
    await fillPostgres(postgres, sinceMs);
    const rows = [
      ...(await measured('SQLite', sqlite, sinceMs)),
      ...(await measured('PostgreSQL', postgres, sinceMs)),
    ];
    printTable(`Usage of ${String(DAYS)} days, ${format(ROWS)} log rows`, rows);
  } finally {
    await server.stop();
    folder.remove();
  }
}

async function measured(label: string, target: DatabaseTarget, sinceMs: number): Promise<Row[]> {
  const rows: Row[] = [];
  const app = await openApp({ target, runtime });
  try {
    for (const by of QUESTIONS) {
      const { times, found } = await callTimes(app, by, sinceMs);
      rows.push({
        what: `${label}, by ${by.join(' and ')} (${format(found)} rows): median, slowest of ${String(RUNS)}`,
        value: `${format(median(times))} ms, ${format(Math.max(...times))} ms`,
        goal: '< 300 ms',
      });
    }
  } finally {
    await app.close();
  }
  for (const by of [['ai-type'], ['day', 'ai-type']]) {
    const since = new Date(sinceMs).toISOString();
    const args = [BIN, 'usage', '--by', ...by, '--since', since, '--database', target.url];
    const walls = Array.from({ length: PROCESSES }, () => wallMs(args));
    rows.push({
      what: `${label}, \`tokenctl usage --by ${by.join(' ')}\` as a whole process: median of ${String(PROCESSES)}`,
      value: `${format(median(walls))} ms`,
      goal: '< 300 ms',
    });
  }
  return rows;
}

async function callTimes(
  app: App,
  by: readonly string[],
  sinceMs: number,
): Promise<{ times: number[]; found: number }> {
  const times: number[] = [];
  let found = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const start = performance.now();
    const { rows, total } = await app.usage(usageQuery({ sinceMs, by }, Date.now(), ''));
    times.push(performance.now() - start);
    found = rows.length;
    if (total.used !== ROWS * TOKENS) throw new Error(`usage is ${String(total.used)}`);
  }
  return { times, found };
}

function wallMs(args: readonly string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args);
  if (status !== 0) throw new Error(String(stderr));
  return performance.now() - start;
}

/** The `i`th row's AI type, model and request type: each hour has all of them. */
const NAMES = `'type-' || (i % ${String(AI_TYPES)}), 'claude-model-' || (i / ${String(AI_TYPES)} % ${String(MODELS)}),
  CASE i / ${String(AI_TYPES * MODELS)} % ${String(REQUEST_TYPES)} WHEN 0 THEN 'sdk' WHEN 1 THEN 'gateway' ELSE 'direct' END`;
const LOG = `INSERT INTO token_usage_logs (id, counted_as, model_used, request_type, ai_type, tokens_in, tokens_out, total_tokens, counted_at_ms)`;
const AMOUNTS = `100, 20, ${String(TOKENS)}`;
const STEP_MS = (DAYS * 24 * HOUR_MS) / ROWS;

/** What the triggers would have counted. */
const countAll = (hour: string): string => `
  INSERT INTO usage_rollups (hour_start, ai_type, model_used, request_type, tokens_in, tokens_out, used, requests)
  SELECT ${hour}, counted_as, model_used, request_type, sum(tokens_in), sum(tokens_out), sum(total_tokens), count(*)
  FROM token_usage_logs GROUP BY 1, 2, 3, 4;
  INSERT INTO usage_windows (scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, requests)
  SELECT s.kind, CASE s.kind WHEN 'global' THEN '' ELSE ai_type END, w.kind, substr(hour_start, 1, w.length),
    sum(tokens_in), sum(tokens_out), sum(used), sum(requests)
  FROM usage_rollups
  CROSS JOIN (SELECT 'global' AS kind UNION ALL SELECT 'ai_type') AS s
  CROSS JOIN (SELECT 'month' AS kind, 7 AS length UNION ALL SELECT 'day', 10 UNION ALL SELECT 'hour', 13) AS w
  GROUP BY 1, 2, 3, 4;`;

/** Without the triggers of the log, which would take an hour for so many rows. */
function fillSqlite(target: DatabaseTarget, sinceMs: number): void {
  const database = new Database(target.url);
  database.pragma('synchronous = OFF');
  const triggers = database
    .prepare(
      `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'token_usage_logs'`,
    )
    .all() as { name: string; sql: string }[];
  for (const { name } of triggers) database.exec(`DROP TRIGGER "${name}"`);
  const chunk = 1_000_000;
  for (let first = 0; first < ROWS; first += chunk) {
    database.exec(`
      WITH RECURSIVE n (i) AS (SELECT ${String(first)} UNION ALL SELECT i + 1 FROM n WHERE i < ${String(first + chunk - 1)})
      ${LOG} SELECT printf('%032x', i), ${NAMES}, 'bench', ${AMOUNTS}, ${String(sinceMs)} + CAST(i * ${String(STEP_MS)} AS INTEGER) FROM n`);
  }
  database.exec(countAll(`strftime('%Y-%m-%dT%H', counted_at_ms / 1000, 'unixepoch')`));
  for (const { sql } of triggers) database.exec(sql);
  database.close();
}

async function fillPostgres(target: DatabaseTarget, sinceMs: number): Promise<void> {
  const client = new pg.Client({ connectionString: target.url });
  await client.connect();
  try {
    await client.query(`SET session_replication_role = replica; SET work_mem = '256MB'`);
    await client.query(`
      ${LOG} SELECT lpad(to_hex(i), 32, '0')::uuid, ${NAMES}, 'bench', ${AMOUNTS}, ${String(sinceMs)} + floor(i * ${String(STEP_MS)})::bigint
      FROM generate_series(0::bigint, ${String(ROWS - 1)}) AS i`);
    await client.query(countAll('tokenctl_hour(counted_at_ms)'));
    await client.query('VACUUM ANALYZE');
  } finally {
    await client.end();
  }
}
