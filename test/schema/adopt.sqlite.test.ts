import Sqlite from 'better-sqlite3';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { migrateDatabase, openApp } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { expectCountsAgree, query, windowOf } from '../support/counts.ts';
import { emptyDatabase } from '../support/databases.ts';
import { openLedgerOn } from '../support/ledgers.ts';
import {
  ADOPTED_MONTHS,
  ADOPTED_WINDOWS,
  OLDER_LOGS,
  olderLog,
  olderTables,
  type OlderTypes,
} from '../support/older-tables.ts';
import { pythonDone } from '../support/python-writer.ts';

const SHARED = {
  text: (length: number) => `VARCHAR(${length})`,
  tokens: 'INTEGER',
  time: 'DATETIME',
  flag: 'BOOLEAN',
  now: 'CURRENT_TIMESTAMP',
};
const VARIANTS: Readonly<Record<string, OlderTypes>> = {
  'TEXT ids': {
    ...SHARED,
    id: 'TEXT PRIMARY KEY',
    usageId: 'TEXT PRIMARY KEY',
    newId: (n) => `'log-${n}'`,
  },
  'INTEGER autoincrement ids': {
    ...SHARED,
    id: 'INTEGER PRIMARY KEY AUTOINCREMENT',
    usageId: 'INTEGER PRIMARY KEY AUTOINCREMENT',
    newId: null,
  },
  'CHAR(32) ids as SQLAlchemy declares them': {
    ...SHARED,
    id: 'CHAR(32) NOT NULL PRIMARY KEY',
    usageId: 'CHAR(32) NOT NULL PRIMARY KEY',
    newId: (n) => `'${n.toString(16).padStart(32, '0')}'`,
  },
  'BLOB ids, everything else TEXT or INTEGER': {
    ...{ text: () => 'TEXT', tokens: 'INTEGER', time: 'TEXT', flag: 'INTEGER' },
    ...{ id: 'BLOB PRIMARY KEY', usageId: 'BLOB PRIMARY KEY', now: "(datetime('now'))" },
    newId: (n) => `x'${`ff${n.toString(16)}`.padEnd(32, '0')}'`,
  },
};
const TEXT_IDS = VARIANTS['TEXT ids']!;

async function older(statements: readonly string[]): Promise<DatabaseTarget> {
  const target = await emptyDatabase('sqlite');
  const database = new Sqlite(target.url);
  for (const statement of statements) database.exec(statement);
  database.close();
  return target;
}

const migrate = (target: DatabaseTarget, dryRun = false) =>
  migrateDatabase({ target, runtime, dryRun, firstSettings: null });

describe('adopting older tables on SQLite', () => {
  it.each(Object.entries(VARIANTS))(
    'with %s counts their history and loses nothing',
    async (_, types) => {
      const target = await older(olderTables(types));
      const rows =
        'SELECT rowid AS n, ai_type, request_id, tokens_in, total_tokens, month_year FROM token_usage_logs ORDER BY rowid';
      const before = await query(target, rows);
      const report = await migrate(target);
      expect(report).toMatchObject({
        created: false,
        upToDate: false,
        adopted: { logs: OLDER_LOGS.length },
      });
      expect(report.adopted!.months).toMatchObject(ADOPTED_MONTHS);
      expect(await query(target, rows)).toEqual(before);
      const { app } = await openLedgerOn(target);
      for (const [aiType, start, tokens] of ADOPTED_WINDOWS) {
        expect([aiType, start, (await windowOf(app, aiType, start)).used]).toEqual([
          aiType,
          start,
          tokens,
        ]);
      }
      await expectCountsAgree(app, target);
      expect(await query(target, 'SELECT ai_type FROM token_usage')).toHaveLength(8);

      pythonDone(target.url, [
        {
          sql: olderLog(
            types,
            { aiType: 'imperium', tokensIn: 1, tokensOut: 1, at: '2025-05-03 10:00:00' },
            77,
          ),
        },
        {
          sql: "UPDATE token_usage SET total_tokens = total_tokens + 2 WHERE ai_type = 'imperium' AND month_year = '2025-05'",
        },
      ]);
      expect((await windowOf(app, 'imperium', '2025-05')).used).toBe(512);
      await expectCountsAgree(app, target);
      expect(await migrate(target)).toMatchObject({ upToDate: true, adopted: null, applied: [] });
    },
  );

  it('keeps columns, views, indexes and references that the backend made', async () => {
    const target = await older([
      ...olderTables(
        TEXT_IDS,
        ", tenant TEXT NOT NULL DEFAULT 'acme', cost REAL, region TEXT NOT NULL DEFAULT (lower('EU'))",
      ),
      'CREATE INDEX logs_by_request ON token_usage_logs (request_id)',
      'CREATE INDEX logs_of_tenant ON token_usage_logs (tenant, created_at) WHERE cost > 0',
      'CREATE VIEW spent AS SELECT ai_type, sum(total_tokens) AS tokens FROM token_usage_logs GROUP BY ai_type',
      'CREATE TABLE notes (log_id TEXT REFERENCES token_usage_logs (id), note TEXT)',
      "INSERT INTO notes VALUES ('log-1', 'dear')",
      "UPDATE token_usage_logs SET tenant = 'other', cost = 0.5 WHERE id = 'log-1'",
    ]);
    const kept = [
      'SELECT id, tenant, cost, region FROM token_usage_logs ORDER BY id',
      'SELECT * FROM spent ORDER BY 1',
      'SELECT l.id, note FROM notes JOIN token_usage_logs AS l ON l.id = log_id',
      "SELECT name, sql FROM sqlite_master WHERE name IN ('logs_by_request', 'logs_of_tenant', 'spent', 'notes') ORDER BY 1",
    ];
    const before = await Promise.all(kept.map((sql) => query(target, sql)));
    await migrate(target);
    expect(await Promise.all(kept.map((sql) => query(target, sql)))).toEqual(before);
    pythonDone(target.url, [
      {
        sql: "INSERT INTO token_usage_logs (id, ai_type, month_year, tokens_in, tokens_out, total_tokens, success, tenant, cost) VALUES ('new', 'imperium', '2025-05', 1, 1, 2, 1, 'acme', 1.5)",
      },
    ]);
    const { app, guard } = await openLedgerOn(target);
    expect(
      await guard.reserve({ aiType: 'imperium', estimate: { input: 1, output: 1 } }),
    ).toMatchObject({ admitted: true });
    await expectCountsAgree(app, target);
  });

  it('takes rows in which everything that may be NULL is', async () => {
    const target = await older([
      'CREATE TABLE token_usage_logs (id TEXT, ai_type TEXT, month_year TEXT, tokens_in INTEGER, tokens_out INTEGER, total_tokens INTEGER, created_at TEXT)',
      'CREATE TABLE token_usage (id TEXT, ai_type TEXT, month_year TEXT, tokens_in INTEGER, tokens_out INTEGER, total_tokens INTEGER, request_count INTEGER)',
      ...['token_usage_logs', 'token_usage'].flatMap((table) => [
        `INSERT INTO ${table} DEFAULT VALUES`,
        `INSERT INTO ${table} DEFAULT VALUES`,
        `INSERT INTO ${table} (id, ai_type, month_year) VALUES ('same', 'imperium', '2025-05')`,
      ]),
      "INSERT INTO token_usage_logs (id, ai_type, total_tokens, created_at) VALUES ('same', 'imperium', 5, '2025-05-01')",
    ]);
    const report = await migrate(target);
    expect(report.adopted!.logs).toBe(4);
    const { app } = await openLedgerOn(target);
    expect((await windowOf(app, 'imperium', '2025-05')).used).toBe(5);
    await expectCountsAgree(app, target);
  });

  it('names the command that restores a lower figure of the current month, and it does', async () => {
    const now = new Date().toISOString();
    const month = now.slice(0, 7);
    const target = await older([
      ...olderTables(TEXT_IDS),
      olderLog(TEXT_IDS, { aiType: 'conquest', tokensIn: 90, tokensOut: 10, at: now }, 90),
      `INSERT INTO token_usage (id, ai_type, month_year, tokens_in, tokens_out, total_tokens, request_count) VALUES ('u', 'conquest', '${month}', 30, 10, 40, 1)`,
    ]);
    const { adopted } = await migrate(target);
    const lower = adopted!.months.find((row) => row.month === month);
    expect(lower).toMatchObject({ outcome: 'logs_win', oldTokens: 40, counted: 100 });
    const words = /^tokenctl reset --ai-type (\S+) --window month --to (\d+) --reason "(.+)"$/.exec(
      lower!.fix!,
    );
    const { app } = await openLedgerOn(target);
    await app.reset({
      ...{ aiTypes: [words![1]!], window: 'month', toTokens: Number(words![2]) },
      ...{ actor: null, reason: words![3]!, dryRun: false },
    });
    expect((await windowOf(app, 'conquest', month)).used).toBe(40);
    await expectCountsAgree(app, target);
  });

  it('shows its plan in a dry run and changes not a byte', async () => {
    const target = await older(olderTables(TEXT_IDS));
    const before = readFileSync(target.url);
    const plan = await migrate(target, true);
    expect(plan).toMatchObject({
      dryRun: true,
      adopted: { logs: OLDER_LOGS.length, months: ADOPTED_MONTHS },
    });
    expect(readFileSync(target.url).equals(before)).toBe(true);
    expect((await migrate(target)).adopted).toEqual(plan.adopted);
  });

  it('is left to db migrate: opening refuses and changes nothing', async () => {
    const target = await older(olderTables(TEXT_IDS));
    for (const create of [true, false]) {
      await expect(openApp({ target, runtime, create })).rejects.toMatchObject({
        code: 'database_not_migrated',
      });
    }
    expect(await query(target, 'SELECT * FROM token_usage_logs')).toHaveLength(OLDER_LOGS.length);
  });

  it('that fails half-way leaves the older tables as they were', async () => {
    const target = await older([
      ...olderTables(TEXT_IDS),
      // A name that the migration needs, on something else.
      'CREATE TABLE usage_windows (other TEXT)',
    ]);
    const dump = () => query(target, 'SELECT type, name, sql FROM sqlite_master ORDER BY name');
    const before = [await dump(), await query(target, 'SELECT * FROM token_usage_logs')];
    await expect(migrate(target)).rejects.toThrow('usage_windows');
    expect([await dump(), await query(target, 'SELECT * FROM token_usage_logs')]).toEqual(before);
  });

  it('adopts one table where the other one is missing', async () => {
    const [logs, usage, ...inserts] = olderTables(TEXT_IDS);
    const only = async (table: string, create: string): Promise<DatabaseTarget> =>
      older([create, ...inserts.filter((sql) => sql.includes(`INTO ${table} `))]);
    const withLogs = await only('token_usage_logs', logs!);
    expect((await migrate(withLogs)).adopted).toEqual({ logs: OLDER_LOGS.length, months: [] });
    const withUsage = await only('token_usage', usage!);
    expect((await migrate(withUsage)).adopted!.logs).toBe(0);
    for (const target of [withLogs, withUsage]) {
      const app = await openApp({ target, runtime });
      onTestFinished(() => app.close());
      await expectCountsAgree(app, target);
    }
  });
});
