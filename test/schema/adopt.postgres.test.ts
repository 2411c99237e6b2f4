import { describe, expect, it } from 'vitest';
import { migrateDatabase, openApp } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { expectCountsAgree, query, windowOf } from '../support/counts.ts';
import { emptyDatabase } from '../support/databases.ts';
import { foreignClient, roleWith } from '../support/foreign-client.ts';
import { openLedgerOn } from '../support/ledgers.ts';
import {
  ADOPTED_MONTHS,
  ADOPTED_WINDOWS,
  OLDER_LOGS,
  olderLog,
  olderTables,
  type OlderTypes,
} from '../support/older-tables.ts';

const uuid = (n: number): string =>
  `'${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000'`;
const SQLALCHEMY: OlderTypes = {
  id: 'UUID PRIMARY KEY',
  usageId: 'UUID PRIMARY KEY',
  text: (length) => `VARCHAR(${length})`,
  tokens: 'INTEGER',
  time: 'TIMESTAMP',
  flag: 'BOOLEAN',
  now: "(now() AT TIME ZONE 'utc')",
  newId: uuid,
};
const VARIANTS: Readonly<Record<string, OlderTypes>> = {
  'UUID ids and TIMESTAMP, as SQLAlchemy declares them': SQLALCHEMY,
  'VARCHAR ids and BIGINT': {
    ...{ ...SQLALCHEMY, id: 'VARCHAR(36) PRIMARY KEY', usageId: 'VARCHAR(36) PRIMARY KEY' },
    tokens: 'BIGINT',
  },
  'CHAR(32) ids, NUMERIC and TEXT': {
    ...{ ...SQLALCHEMY, id: 'CHAR(32) PRIMARY KEY', usageId: 'CHAR(32) PRIMARY KEY' },
    ...{ tokens: 'NUMERIC', text: () => 'TEXT', newId: (n) => uuid(n).replaceAll('-', '') },
  },
  'SERIAL ids and TIMESTAMPTZ': {
    ...{
      ...SQLALCHEMY,
      id: 'SERIAL PRIMARY KEY',
      usageId: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
    },
    ...{ time: 'TIMESTAMPTZ', now: 'now()', newId: null },
  },
};

async function older(statements: readonly string[]): Promise<DatabaseTarget> {
  const target = await emptyDatabase('postgresql');
  const client = await foreignClient(target);
  await client.query("SET TIME ZONE 'UTC'");
  for (const statement of statements) await client.query(statement);
  return target;
}

const migrate = (target: DatabaseTarget, dryRun = false) =>
  migrateDatabase({ target, runtime, dryRun, firstSettings: null });

/** Everything that a table is: columns, constraints, rights. */
const describeTables = (target: DatabaseTarget) =>
  query(
    target,
    `SELECT c.relname, c.relacl::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid) AS value
     FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, a.attnum`,
  );

describe('adopting older tables on PostgreSQL', () => {
  it.each(Object.entries(VARIANTS))(
    'with %s counts their history and loses nothing',
    async (_, types) => {
      const target = await older(olderTables(types));
      const rows =
        'SELECT ai_type, request_id, tokens_in::int, total_tokens::int, month_year, created_at FROM token_usage_logs ORDER BY request_id';
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

      const client = await foreignClient(target);
      await client.query("SET TIME ZONE 'UTC'");
      await client.query(
        olderLog(
          types,
          { aiType: 'imperium', tokensIn: 1, tokensOut: 1, at: '2025-05-03 10:00:00' },
          77,
        ),
      );
      await client.query(
        "UPDATE token_usage SET total_tokens = total_tokens + 2 WHERE ai_type = 'imperium' AND month_year = '2025-05'",
      );
      expect((await windowOf(app, 'imperium', '2025-05')).used).toBe(512);
      await expectCountsAgree(app, target);
      expect(await migrate(target)).toMatchObject({ upToDate: true, adopted: null, applied: [] });
    },
  );

  it('goes on reading times with a zone as the instants they are, whatever the session says', async () => {
    const types = VARIANTS['SERIAL ids and TIMESTAMPTZ']!;
    const target = await older(olderTables(types));
    await migrate(target);
    const { app, guard } = await openLedgerOn(target);
    const client = await foreignClient(target);
    for (const zone of ['Asia/Kolkata', 'America/New_York', 'UTC']) {
      await client.query(`SET TIME ZONE '${zone}'`);
      await client.query(
        olderLog(
          types,
          { aiType: 'zoned', tokensIn: 1, tokensOut: 0, at: '2025-05-03T12:30:00+02:00' },
          7,
        ),
      );
      await client.query(
        "INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, success, created_at) VALUES ('now', 'x', 1, 0, 1, true, now()), ('now', 'x', 1, 0, 1, true, DEFAULT)",
      );
    }
    expect((await windowOf(app, 'zoned', '2025-05-03T10')).used).toBe(3);
    const { rows } = await client.query(
      "SELECT count(*)::int AS n FROM token_usage_logs WHERE counted_as = 'now' AND time_flag IS NULL AND abs(extract(epoch FROM now()) * 1000 - counted_at_ms) < 60000",
    );
    expect(rows).toEqual([{ n: 6 }]);
    const { reservation } = await guard.reserve({
      aiType: 'now',
      estimate: { input: 1, output: 1 },
    });
    await guard.settle(reservation!.id, { inputTokens: 1, outputTokens: 1 });
    const [own] = await query(
      target,
      `SELECT abs(extract(epoch FROM now() - created_at)) < 60 AS now FROM token_usage_logs WHERE id = '${reservation!.id}'`,
    );
    expect(own).toEqual({ now: true });
    await expectCountsAgree(app, target);
  });

  it('keeps columns, views, indexes and rights that the backend made', async () => {
    const target = await older([
      ...olderTables(
        { ...SQLALCHEMY, id: 'VARCHAR(36) PRIMARY KEY' },
        ", tenant TEXT NOT NULL DEFAULT 'acme', region VARCHAR(9) NOT NULL DEFAULT 'eu', cost REAL",
      ),
      'ALTER TABLE token_usage_logs ALTER COLUMN region DROP DEFAULT',
      'CREATE INDEX logs_by_request ON token_usage_logs (request_id)',
      'CREATE VIEW spent AS SELECT ai_type, sum(total_tokens)::int AS tokens FROM token_usage_logs GROUP BY ai_type',
      'CREATE VIEW most WITH (security_barrier = true) AS SELECT max(tokens) AS tokens FROM spent',
    ]);
    const readerUrl = await roleWith(target, 'SELECT ON spent, most');
    const writerUrl = await roleWith(target, 'INSERT ON token_usage_logs');
    const views =
      "SELECT relname, relacl::text, reloptions, pg_get_viewdef(oid) FROM pg_class WHERE relname IN ('spent', 'most') ORDER BY 1";
    const before = [
      await query(target, views),
      await query(target, 'SELECT * FROM spent ORDER BY 1'),
    ];
    await migrate(target);
    expect([
      await query(target, views),
      await query(target, 'SELECT * FROM spent ORDER BY 1'),
    ]).toEqual(before);
    expect(
      await query(target, "SELECT 1 AS one FROM pg_indexes WHERE indexname = 'logs_by_request'"),
    ).toEqual([{ one: 1 }]);

    const { app, guard } = await openLedgerOn(target);
    const writer = await foreignClient(target, writerUrl);
    await writer.query(
      "INSERT INTO token_usage_logs (id, ai_type, month_year, tokens_in, tokens_out, total_tokens, success, created_at, tenant, region, cost) VALUES (gen_random_uuid(), 'imperium', '2025-05', 1, 1, 2, true, '2025-05-09 09:00:00', 'acme', 'us', 1.5)",
    );
    const reader = await foreignClient(target, readerUrl);
    expect(
      (await reader.query("SELECT tokens FROM spent WHERE ai_type = 'imperium'")).rows,
    ).toEqual([{ tokens: 112 }]);
    expect((await reader.query('SELECT tokens FROM most')).rows).toEqual([{ tokens: 112 }]);
    expect((await windowOf(app, 'imperium', '2025-05-09')).used).toBe(2);
    // The guard knows nothing of a region that every row had to name.
    expect(
      await guard.reserve({ aiType: 'imperium', estimate: { input: 1, output: 1 } }),
    ).toMatchObject({ admitted: true });
    await expectCountsAgree(app, target);
  });

  it('takes rows in which everything that may be NULL is, and repeated ones', async () => {
    const target = await older([
      'CREATE TABLE token_usage_logs (id TEXT, ai_type TEXT, month_year TEXT, tokens_in INTEGER, tokens_out INTEGER, total_tokens INTEGER, created_at TIMESTAMP)',
      'CREATE TABLE token_usage (id TEXT, ai_type TEXT, month_year TEXT, tokens_in INTEGER, tokens_out INTEGER, total_tokens INTEGER, request_count INTEGER)',
      ...['token_usage_logs', 'token_usage'].flatMap((table) => [
        `INSERT INTO ${table} DEFAULT VALUES`,
        `INSERT INTO ${table} DEFAULT VALUES`,
        `INSERT INTO ${table} (id, ai_type, month_year, total_tokens) VALUES ('same', 'imperium', '2025-05', 3)`,
        `INSERT INTO ${table} (id, ai_type, month_year, total_tokens) VALUES ('same', 'imperium', '2025-05', 2)`,
      ]),
      "UPDATE token_usage_logs SET created_at = '2025-05-01' WHERE id = 'same'",
    ]);
    expect((await migrate(target)).adopted!.logs).toBe(4);
    const { app, guard } = await openLedgerOn(target);
    expect((await windowOf(app, 'imperium', '2025-05')).used).toBe(5);
    const { reservation } = await guard.reserve({
      aiType: 'imperium',
      estimate: { input: 1, output: 1 },
    });
    expect(await guard.release(reservation!.id)).toMatchObject({ state: 'released' });
    expect(
      await query(
        target,
        "SELECT count(*)::int AS n FROM pg_index WHERE indisprimary AND indrelid IN ('token_usage'::regclass, 'token_usage_logs'::regclass)",
      ),
    ).toEqual([{ n: 2 }]);
    await expectCountsAgree(app, target);
  });

  it('names the command that restores a lower figure of the current month, and it does', async () => {
    const now = new Date().toISOString().replace('T', ' ').slice(0, 19);
    const month = now.slice(0, 7);
    const target = await older([
      ...olderTables(SQLALCHEMY),
      olderLog(SQLALCHEMY, { aiType: 'conquest', tokensIn: 90, tokensOut: 10, at: now }, 90),
      `INSERT INTO token_usage (id, ai_type, month_year, tokens_in, tokens_out, total_tokens, request_count) VALUES (${uuid(91)}, 'conquest', '${month}', 30, 10, 40, 1)`,
    ]);
    const { adopted } = await migrate(target);
    const lower = adopted!.months.find((row) => row.month === month);
    expect(lower).toMatchObject({ outcome: 'logs_win', oldTokens: 40, counted: 100 });
    expect(lower!.fix).toBe(
      'tokenctl reset --ai-type conquest --window month --to 40 --reason "figure before adoption"',
    );
    const { app } = await openLedgerOn(target);
    await app.reset({
      ...{ aiTypes: ['conquest'], window: 'month', toTokens: 40 },
      ...{ actor: null, reason: 'figure before adoption', dryRun: false },
    });
    expect((await windowOf(app, 'conquest', month)).used).toBe(40);
    await expectCountsAgree(app, target);
  });

  it('shows its plan in a dry run and changes nothing', async () => {
    const target = await older(olderTables(VARIANTS['VARCHAR ids and BIGINT']!));
    const state = async () => [
      await describeTables(target),
      await query(target, 'SELECT * FROM token_usage_logs'),
    ];
    const before = await state();
    const plan = await migrate(target, true);
    expect(plan).toMatchObject({
      dryRun: true,
      adopted: { logs: OLDER_LOGS.length, months: ADOPTED_MONTHS },
    });
    expect(await state()).toEqual(before);
    const app = await openApp({ target, runtime });
    await expect(app.status()).rejects.toMatchObject({ code: 'database_not_migrated' });
    await app.close();
    expect((await migrate(target)).adopted).toEqual(plan.adopted);
  });

  it('that fails half-way leaves the older tables as they were', async () => {
    const target = await older([
      ...olderTables(VARIANTS['VARCHAR ids and BIGINT']!),
      'CREATE TABLE alerts (other TEXT)',
    ]);
    const state = async () => [
      await describeTables(target),
      await query(target, 'SELECT * FROM token_usage_logs'),
    ];
    const before = await state();
    await expect(migrate(target)).rejects.toMatchObject({
      ...{ code: 'database_unusable', message: expect.stringContaining('"alerts"') as string },
    });
    expect(await state()).toEqual(before);
  });
});
