import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { migrateDatabase } from '../src/app.ts';
import type { DatabaseTarget } from '../src/config/database.ts';
import { systemRuntime } from '../src/platform/runtime.ts';
import { sqliteTarget, startPostgresBench } from './databases.ts';
import { format, median, printTable, temporaryFolder, type Row } from './measure.ts';

const BIN = join(import.meta.dirname, '../bin/tokenctl.js');
const RUNS = 25;
const ROWS = 1_000_000;

/** `tokenctl status` as a whole process, against a bare Node start and a bare `pg` script. */
export async function starting(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'ignore' });
  const folder = temporaryFolder();
  const server = await startPostgresBench();
  try {
    const sqlite = sqliteTarget(folder.path, 'budget.db');
    const postgres = await server.database('budget');
    const rows: Row[] = [];
    for (const target of [sqlite, postgres]) {
      await migrateDatabase({ target, runtime: systemRuntime, dryRun: false, firstSettings: null });
    }
    await insertRow(sqlite, postgres);
    const few = ratios(sqlite, postgres);
    rows.push(...measured('1 log row', few));
    fill(sqlite);
    await fillPostgres(postgres);
    const many = ratios(sqlite, postgres);
    rows.push(...measured(`${format(ROWS)} log rows`, many));
    rows.push({
      what: 'with 1,000,000 log rows, against 1: SQLite, PostgreSQL',
      value: `${format(many.sqlite / few.sqlite, 2)} ×, ${format(many.postgres / few.postgres, 2)} ×`,
      goal: 'within noise',
    });
    for (const args of [['--help'], ['completion', 'bash']]) {
      rows.push({
        what: `\`${args.join(' ')}\`, against \`node -e 0\``,
        value: `${format(pairRatio([BIN, ...args], ['-e', '0'], {}), 2)} ×`,
        goal: '≤ 1.5 ×',
      });
    }
    rows.push({
      what: '`tokenctl status`, peak memory',
      value: `${format(peakMiB(sqlite))} MiB (SQLite), ${format(peakMiB(postgres))} MiB (PostgreSQL)`,
      goal: '< 75 MiB',
    });
    printTable('Starting: whole processes, medians of pairs run in turn', rows);
  } finally {
    await server.stop();
    folder.remove();
  }
}

interface Ratios {
  readonly sqlite: number;
  readonly postgres: number;
}

function measured(label: string, { sqlite, postgres }: Ratios): Row[] {
  return [
    {
      what: `\`status\` on SQLite, ${label}, against \`node -e 0\``,
      value: `${format(sqlite, 2)} ×`,
      goal: '≤ 1.8 ×',
    },
    {
      what: `\`status\` on PostgreSQL, ${label}, against a bare \`pg\` script of one query`,
      value: `${format(postgres, 2)} ×`,
      goal: '≤ 1.3 ×',
    },
  ];
}

function ratios(sqlite: DatabaseTarget, postgres: DatabaseTarget): Ratios {
  const bare = `import pg from 'pg'; const c = new pg.Client({ connectionString: process.env.BENCH_URL }); await c.connect(); await c.query('SELECT 1'); await c.end();`;
  const script = ['--input-type=module', '-e', bare];
  return {
    sqlite: pairRatio([BIN, 'status', '--database', sqlite.url], ['-e', '0'], {}),
    postgres: pairRatio([BIN, 'status', '--database', postgres.url], script, {
      BENCH_URL: postgres.url,
    }),
  };
}

/** The median of the ratios of pairs run one after the other, so that a slow moment slows both. */
function pairRatio(ours: string[], theirs: string[], environment: Record<string, string>): number {
  const values: number[] = [];
  for (let run = -2; run < RUNS; run += 1) {
    const a = wallMs(ours, environment);
    const b = wallMs(theirs, environment);
    if (run >= 0) values.push(a / b);
  }
  return median(values);
}

function wallMs(args: string[], environment: Record<string, string>): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, ...environment },
  });
  if (status !== 0) throw new Error(String(stderr));
  return performance.now() - start;
}

function peakMiB(target: DatabaseTarget): number {
  const report = `process.on('exit', () => process.stderr.write('PEAK ' + process.resourceUsage().maxRSS))`;
  const { stderr } = spawnSync(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(report)}`,
      BIN,
      'status',
      '--database',
      target.url,
    ],
    { encoding: 'utf8' },
  );
  return Number(/PEAK (\d+)/.exec(stderr)?.[1]) / 1024;
}

async function insertRow(sqlite: DatabaseTarget, postgres: DatabaseTarget): Promise<void> {
  const insert = `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens) VALUES ('bench', 1, 1, 2)`;
  const database = new Database(sqlite.url);
  database.exec(insert);
  database.close();
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(insert);
  await client.end();
}

/** Rows of the last thirty days, by the triggers as any other. */
function fill(target: DatabaseTarget): void {
  const database = new Database(target.url);
  database.exec(`
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${String(ROWS)})
    INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, counted_at_ms, counted_as)
    SELECT 'bench' || (i % 8), 1, 1, 2, ${String(Date.now())} - i * 2592, 'bench' || (i % 8) FROM n`);
  database.close();
}

async function fillPostgres(target: DatabaseTarget): Promise<void> {
  const client = new pg.Client({ connectionString: target.url });
  await client.connect();
  try {
    await client.query(`
    INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, counted_at_ms, counted_as)
    SELECT 'bench' || (i % 8), 1, 1, 2, ${String(Date.now())} - i::bigint * 2592, 'bench' || (i % 8) FROM generate_series(1, ${String(ROWS)}) AS i`);
    await client.query('VACUUM ANALYZE token_usage_logs; ');
    await client.query('SELECT tokenctl_fold(2147483647)');
  } finally {
    await client.end();
  }
}
