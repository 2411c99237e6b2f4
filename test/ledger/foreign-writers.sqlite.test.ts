import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { migrationNames } from '../../src/platform/package-files.ts';
import { projectPath } from '../../scripts/databases.ts';
import { expectCountsAgree, query, windowOf } from '../support/counts.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { python, pythonDone } from '../support/python-writer.ts';

const AT = '2025-05-10 12:10:00';
const [HOUR, DAY, MONTH] = ['2025-05-10T12', '2025-05-10', '2025-05'];
const LOG =
  'INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at) VALUES (?, ?, ?, ?, ?, ?)';
const log = (tokens: unknown = 100, aiType: unknown = 'imperium') => ({
  sql: LOG,
  params: [aiType, MONTH, tokens, 0, tokens, AT],
});
const WITH_ID = `INSERT INTO token_usage_logs (id, ai_type, month_year, tokens_in, total_tokens, created_at)`;

/** An AI type's name as it is written, and as it counts. */
const NAMES: readonly (readonly [unknown, string])[] = [
  ['imperium', 'imperium'],
  ['IMPERIUM', 'imperium'],
  ['  Imperium\t\n', 'imperium'],
  ['a', 'a'],
  ['0.x_y-z', '0.x_y-z'],
  ['x'.repeat(50), 'x'.repeat(50)],
  ['x'.repeat(60), 'unknown'],
  ['global', 'unknown'],
  ['ALL', 'unknown'],
  ['none', 'unknown'],
  ['unknown', 'unknown'],
  ['two words', 'unknown'],
  ['-dash', 'unknown'],
  ['größe', 'unknown'],
  ['帝国', 'unknown'],
  ["x'; DROP TABLE token_usage_logs; --", 'unknown'],
  ['', 'unknown'],
  [null, 'unknown'],
  [7, '7'],
];

/** tokens_in, tokens_out, total_tokens as written, and what the row costs. */
const AMOUNTS: readonly (readonly [unknown, unknown, unknown, number])[] = [
  [70, 30, 100, 100],
  [70, 30, 0, 100],
  [70, 30, 500, 500],
  [70, 30, null, 100],
  [null, null, 5, 5],
  [null, null, null, 0],
  [-5, 3, -2, 0],
  [10, -3, 0, 7],
  ['12', '8', '20', 20],
  ['many', 'a few', 'lots', 0],
  ['3 apples', 0, 0, 3],
  [1.9, 1.9, 0, 2],
  [2e12, 0, 0, 1e12],
  ['9223372036854775807', '9223372036854775807', 1, 1e12],
  ['-9223372036854775808', '-9223372036854775808', 1, 1],
  [1e300, 1, 1, 1e12],
];

describe('a Python backend that inserts plain rows', () => {
  it('is counted under the name that its AI type stands for, the original kept', async () => {
    const { app, target } = await openTestLedger('sqlite');
    pythonDone(
      target.url,
      NAMES.map(([name]) => log(1, name)),
    );
    const rows = await query(
      target,
      'SELECT ai_type, counted_as FROM token_usage_logs ORDER BY rowid',
    );
    expect(rows).toEqual(
      NAMES.map(([name, counts]) => ({
        ai_type: typeof name === 'number' ? String(name) : name,
        counted_as: counts,
      })),
    );
    expect((await windowOf(app, null, MONTH)).used).toBe(NAMES.length);
    await expectCountsAgree(app, target);
  });

  it.each(AMOUNTS)('%s in, %s out, %s in total cost %s tokens', async (tin, out, total, cost) => {
    const { app, target } = await openTestLedger('sqlite');
    pythonDone(target.url, [{ sql: LOG, params: ['imperium', MONTH, tin, out, total, AT] }]);
    for (const start of [MONTH, DAY, HOUR]) {
      expect(await windowOf(app, 'imperium', start)).toMatchObject({ used: cost, requests: 1 });
      expect(await windowOf(app, null, start)).toMatchObject({ used: cost, requests: 1 });
    }
    await expectCountsAgree(app, target);
  });

  it('needs to name no more than what happened', async () => {
    const { app, target } = await openTestLedger('sqlite');
    pythonDone(target.url, [
      { sql: "INSERT INTO token_usage_logs (ai_type, total_tokens) VALUES ('imperium', 5)" },
      { sql: 'INSERT INTO token_usage_logs DEFAULT VALUES' },
      { sql: `${WITH_ID} VALUES (NULL, 'imperium', '${MONTH}', 1, 1, '${AT}')` },
      { sql: `${WITH_ID} VALUES (NULL, 'imperium', '${MONTH}', 1, 1, '${AT}')` },
    ]);
    const ids = await query(target, 'SELECT DISTINCT id FROM token_usage_logs');
    expect(ids).toHaveLength(4);
    for (const { id } of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
    await expectCountsAgree(app, target);
  });

  it('counts its failures whichever way it says false', async () => {
    const { app, target } = await openTestLedger('sqlite');
    const values = ['0', '1', "'false'", "'true'", 'NULL', 'FALSE', "'0'"];
    pythonDone(
      target.url,
      values.map((success) => ({
        sql: `INSERT INTO token_usage_logs (ai_type, total_tokens, success, created_at) VALUES ('imperium', 1, ${success}, '${AT}')`,
      })),
    );
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({
      used: 7,
      requests: 7,
      failed: 4,
    });
    await expectCountsAgree(app, target);
  });

  it('counts each row of an executemany once, and none of what it rolls back', async () => {
    const { app, target } = await openTestLedger('sqlite');
    const many = Array.from({ length: 500 }, (_, n) => ['imperium', MONTH, n, 1, n + 1, AT]);
    pythonDone(target.url, [{ sql: LOG, many }, 'commit', { sql: LOG, many }, 'rollback']);
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 125_250, requests: 500 });
    await expectCountsAgree(app, target);
  });

  it('binds the very next decision of a guard that was open before', async () => {
    const { app, guard, target } = await openTestLedger('sqlite');
    await app.changeLimits(
      (settings) => ({ ...settings, global: { ...settings.global, hourly: 100 } }),
      { source: 'test', actor: null, reason: null },
    );
    const request = { aiType: 'guardian', estimate: { input: 40, output: 40 } };
    expect((await guard.check(request)).admitted).toBe(true);
    pythonDone(target.url, [
      { sql: "INSERT INTO token_usage_logs (ai_type, total_tokens) VALUES ('imperium', 21)" },
    ]);
    expect(await guard.reserve(request)).toMatchObject({ admitted: false, largestAdmissible: 79 });
  });
});

describe('a Python backend that changes rows', () => {
  it('moves the count with its tokens, its AI type, its time and its model', async () => {
    const { app, target } = await openTestLedger('sqlite');
    const update = (set: string) => [{ sql: `UPDATE token_usage_logs SET ${set}` }];
    pythonDone(target.url, [log(100)]);
    pythonDone(target.url, update('tokens_in = 40, total_tokens = 40'));
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 40, requests: 1 });
    pythonDone(target.url, update(`ai_type = ' Guardian', created_at = '2025-04-30T23:59:59Z'`));
    expect(await windowOf(app, 'imperium', MONTH)).toMatchObject({ used: 0, requests: 0 });
    expect(await windowOf(app, 'guardian', '2025-04-30T23')).toMatchObject({ used: 40 });
    await expectCountsAgree(app, target);
    pythonDone(target.url, update(`success = 0, model_used = 'm', request_type = NULL`));
    expect(await windowOf(app, null, '2025-04')).toMatchObject({ used: 40, failed: 1 });
    await expectCountsAgree(app, target);
    pythonDone(target.url, update(`created_at = 'once', total_tokens = total_tokens + 1`));
    expect(await windowOf(app, 'guardian', '2025-04')).toMatchObject({ used: 0 });
    await expectCountsAgree(app, target);
    const [before] = await query(target, 'SELECT counted_at_ms FROM token_usage_logs');
    pythonDone(target.url, update(`ai_type = 'imperium'`));
    const [after] = await query(target, 'SELECT counted_at_ms, time_flag FROM token_usage_logs');
    expect(after).toEqual({ ...before, time_flag: 'unreadable' });
    await expectCountsAgree(app, target);
  });

  it('charges and frees nothing twice by changing the state of a reservation', async () => {
    const { app, guard, target } = await openTestLedger('sqlite');
    await guard.reserve({ aiType: 'imperium', estimate: { input: 60, output: 40 } });
    const now = new Date().toISOString().slice(0, 7);
    expect(await windowOf(app, 'imperium', now)).toMatchObject({ held: 100, used: 0 });
    pythonDone(target.url, [
      { sql: "UPDATE token_usage_logs SET state = 'settled', tokens_in = 10, total_tokens = 10" },
    ]);
    expect(await windowOf(app, 'imperium', now)).toMatchObject({ held: 0, used: 10, requests: 1 });
    await expectCountsAgree(app, target);
    pythonDone(target.url, [{ sql: "UPDATE token_usage_logs SET state = 'reserved'" }]);
    expect(await windowOf(app, 'imperium', now)).toMatchObject({ held: 100, used: 0, requests: 1 });
    await expectCountsAgree(app, target);
  });

  it('frees no budget by deleting rows; an open hold is charged', async () => {
    const { app, guard, target } = await openTestLedger('sqlite');
    await guard.reserve({ aiType: 'imperium', estimate: { input: 60, output: 40 } });
    const now = new Date().toISOString().slice(0, 7);
    pythonDone(target.url, [log(7), { sql: 'DELETE FROM token_usage_logs' }]);
    expect(await query(target, 'SELECT * FROM token_usage_logs')).toEqual([]);
    expect(await windowOf(app, 'imperium', now)).toMatchObject({
      ...{ used: 100, held: 0, requests: 1, tokensIn: 60, tokensOut: 40 },
    });
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 7, requests: 1 });
    await expectCountsAgree(app, target);
  });

  it.each([[[]], [['recursive_triggers = ON']]])(
    'never replaces a row; ignoring and upserting are fine (%s)',
    async (pragmas) => {
      const { app, target } = await openTestLedger('sqlite');
      const row = (id: string, tokens: number) =>
        `VALUES ('${id}', 'imperium', '${MONTH}', ${tokens}, ${tokens}, '${AT}')`;
      const { answers } = python(
        target.url,
        [
          { sql: `${WITH_ID} ${row('one', 100)}` },
          { sql: `${WITH_ID.replace('INSERT', 'INSERT OR REPLACE')} ${row('one', 1)}` },
          { sql: `${WITH_ID.replace('INSERT', 'REPLACE')} ${row('one', 1)}` },
          { sql: `${WITH_ID} ${row('one', 1)}` },
          { sql: `${WITH_ID.replace('INSERT', 'INSERT OR IGNORE')} ${row('one', 1)}` },
          { sql: `${WITH_ID} ${row('one', 1)} ON CONFLICT DO NOTHING` },
          { sql: `${WITH_ID.replace('INSERT', 'INSERT OR REPLACE')} ${row('two', 30)}` },
          {
            sql: `${WITH_ID} ${row('two', 1)} ON CONFLICT (id) DO UPDATE SET tokens_in = 31, total_tokens = 31`,
          },
          { sql: "UPDATE OR REPLACE token_usage_logs SET id = 'one' WHERE id = 'two'" },
          { sql: "UPDATE token_usage_logs SET idempotency_key = 'k' WHERE id = 'one'" },
          {
            sql: "INSERT OR REPLACE INTO token_usage_logs (idempotency_key, total_tokens) VALUES ('k', 1)",
          },
          { sql: "DELETE FROM token_usage_logs WHERE id = 'two'" },
          { sql: `${WITH_ID} ${row('two', 5)}` },
        ],
        pragmas,
      );
      const refused = answers.map(({ error }) => error?.startsWith('IntegrityError') ?? false);
      expect(refused).toEqual([
        ...[false, true, true, true, false, false, false, false, true, false, true, false, false],
      ]);
      expect(answers[1]!.error).toContain('never replaced');
      expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 136, requests: 3 });
      await expectCountsAgree(app, target);
    },
  );
});

const USAGE = [
  `INSERT INTO token_usage (id, ai_type, month_year, tokens_in, tokens_out, total_tokens, request_count) VALUES ('x', 'imperium', '${MONTH}', 999, 999, 999, 999)`,
  `INSERT OR IGNORE INTO token_usage (ai_type, month_year, total_tokens) VALUES ('imperium', '${MONTH}', 999)`,
  `INSERT OR REPLACE INTO token_usage (ai_type, month_year, total_tokens, request_count) VALUES ('imperium', '${MONTH}', 999, NULL)`,
  `INSERT INTO token_usage (ai_type, month_year, total_tokens) VALUES ('imperium', '${MONTH}', 1) ON CONFLICT (ai_type, month_year) DO UPDATE SET total_tokens = total_tokens + 1`,
  `UPDATE token_usage SET total_tokens = total_tokens + 100, tokens_in = tokens_in + 100, request_count = request_count + 1, status = 'limit_reached', usage_percentage = 99.9 WHERE ai_type = 'imperium'`,
  `UPDATE token_usage SET tokens_in = 'x', last_request_at = 'never', updated_at = NULL`,
];

describe('a Python backend that also keeps token_usage itself', () => {
  it.each(USAGE)('is neither doubled nor refused: %s', async (sql) => {
    const { app, target } = await openTestLedger('sqlite');
    for (const pragmas of [[], ['recursive_triggers = ON']]) {
      pythonDone(target.url, [{ sql }, log(100), 'commit', log(50), { sql }, 'commit'], pragmas);
      pythonDone(target.url, [log(1), { sql }], pragmas);
      const rows = await query(target, 'SELECT * FROM token_usage');
      const [month] = rows;
      expect(rows).toHaveLength(1);
      const { used, requests } = await windowOf(app, 'imperium', MONTH);
      expect(month).toMatchObject({
        ...{ ai_type: 'imperium', month_year: MONTH, tokens_in: used, tokens_out: 0 },
        ...{ total_tokens: used, request_count: requests, status: 'active' },
        last_request_at: '2025-05-10 12:10:00.000000',
      });
      await expectCountsAgree(app, target);
    }
    expect((await windowOf(app, 'imperium', MONTH)).used).toBe(302);
  });

  it('may delete its row: the next log brings it back', async () => {
    const { app, target } = await openTestLedger('sqlite');
    pythonDone(target.url, [log(100), { sql: 'DELETE FROM token_usage' }, log(50)]);
    await expectCountsAgree(app, target);
  });
});

describe('the SQL that runs inside a writer', () => {
  it('knows nothing newer than SQLite 3.31', () => {
    const newer =
      /unixepoch\s*\(|subsec|\bRETURNING\b|\biif\s*\(|->|json_|\bSTRICT\b|\bMATERIALIZED\b|\bformat\s*\(|\bsign\s*\(|DISTINCT FROM|timediff|string_agg|DROP COLUMN/i;
    for (const name of migrationNames('sqlite')) {
      const file = projectPath(`prisma/sqlite/migrations/${name}/migration.sql`);
      const sql = readFileSync(file, 'utf8').replaceAll(/--.*$/gm, '');
      for (const statement of sql.replaceAll("'unixepoch'", "''").split(';')) {
        expect(newer.exec(statement)?.[0]).toBeUndefined();
        expect(updatesFrom(statement)).toBe(false);
      }
    }
  });

  it('would be caught with an UPDATE that joins', () => {
    expect(updatesFrom('BEGIN UPDATE a SET b = (SELECT max(c) FROM d) WHERE e = 1')).toBe(false);
    expect(updatesFrom('BEGIN UPDATE a SET b = (1 + 2) FROM d WHERE e = 1')).toBe(true);
  });
});

/** UPDATE … FROM came with SQLite 3.33. */
function updatesFrom(statement: string): boolean {
  let outside = statement;
  for (let inside = ''; inside !== outside;) {
    inside = outside;
    outside = outside.replaceAll(/\([^()]*\)/g, '');
  }
  return /\bUPDATE\s[^;]*\bSET\b[^;]*\bFROM\b/i.test(outside);
}
