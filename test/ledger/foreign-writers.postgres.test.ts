import { describe, expect, it } from 'vitest';
import { expectCountsAgree, fold, query, windowOf } from '../support/counts.ts';
import { foreignClient, roleWith } from '../support/foreign-client.ts';
import { openTestLedger } from '../support/ledgers.ts';

const AT = '2025-05-10 12:10:00';
const [HOUR, DAY, MONTH] = ['2025-05-10T12', '2025-05-10', '2025-05'];
const LOG =
  'INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at) VALUES ($1, $2, $3, $4, $5, $6)';
const log = (tokens = 100, aiType = 'imperium'): [string, unknown[]] => [
  LOG,
  [aiType, MONTH, tokens, 0, tokens, AT],
];

const NAMES: readonly (readonly [string | null, string])[] = [
  ['imperium', 'imperium'],
  ['  IMPERIUM\t\n', 'imperium'],
  ['0.x_y-z', '0.x_y-z'],
  ['x'.repeat(60), 'unknown'],
  ['Global', 'unknown'],
  ['all', 'unknown'],
  ['two words', 'unknown'],
  ['two\nlines', 'unknown'],
  ['größe', 'unknown'],
  ['', 'unknown'],
  [null, 'unknown'],
];

const MOST = '9223372036854775807';
const LEAST = '-9223372036854775808';
const AMOUNTS: readonly (readonly [unknown, unknown, unknown, number])[] = [
  [70, 30, 100, 100],
  [70, 30, 0, 100],
  [70, 30, 500, 500],
  [null, null, 5, 5],
  [null, null, null, 0],
  [-5, 3, -2, 0],
  [10, -3, 0, 7],
  [3e12, 0, 0, 1e12],
  [MOST, MOST, MOST, 1e12],
  [LEAST, LEAST, 1, 1],
  [MOST, LEAST, LEAST, 0],
];

/** A time as it is written, and the flag that it gets. */
const TIMES: readonly (readonly [string, string | null, string | null])[] = [
  ['2024-02-29 23:59:59.9999994', '2024-02-29T23', null],
  ['2024-02-29T23:00:00Z', '2024-02-29T23', null],
  ['2024-02-29', '2024-02-29T00', null],
  ['infinity', null, 'unreadable'],
  ['-infinity', null, 'unreadable'],
  ['0001-01-01 00:00:00', null, 'unreadable'],
  ['4713-01-01 00:00:00 BC', null, 'unreadable'],
  ['1970-01-01', null, 'unreadable'],
  ['2999-01-01', null, 'future'],
  ['294276-01-01', null, 'future'],
];

describe('a backend that logs to PostgreSQL', () => {
  it('is counted under the name that its AI type stands for, the original kept', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    for (const [name] of NAMES) await client.query(LOG, [name, MONTH, 1, 0, 1, AT]);
    const { rows } = await client.query('SELECT ai_type, counted_as FROM token_usage_logs');
    expect(rows).toHaveLength(NAMES.length);
    for (const [ai_type, counted_as] of NAMES) expect(rows).toContainEqual({ ai_type, counted_as });
    await expectCountsAgree(app, target);
  });

  it('is charged at most 10^12 tokens a row, and never refused for an amount', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    for (const [index, [tin, out, total]] of AMOUNTS.entries()) {
      await client.query(LOG, [`ai${index}`, MONTH, tin, out, total, AT]);
    }
    for (const [index, [, , , cost]] of AMOUNTS.entries()) {
      expect(await windowOf(app, `ai${index}`, HOUR)).toMatchObject({ used: cost, requests: 1 });
    }
    await expectCountsAgree(app, target);
  });

  it.each(TIMES)(
    'at %s is counted in its hour, or now and flagged',
    async (written, hour, flag) => {
      const { app, target } = await openTestLedger('postgresql');
      const client = await foreignClient(target);
      await client.query(LOG, ['imperium', '2024-02', 1, 0, 1, written]);
      const { rows } = await client.query<{ time_flag: string; at: string }>(
        'SELECT time_flag, counted_at_ms AS at FROM token_usage_logs',
      );
      expect(rows[0]!.time_flag).toBe(flag);
      const counted = new Date(Number(rows[0]!.at)).toISOString().slice(0, 13);
      if (hour !== null) expect(counted).toBe(hour);
      else expect(Math.abs(Number(rows[0]!.at) - Date.now())).toBeLessThan(60_000);
      expect(await windowOf(app, 'imperium', counted)).toMatchObject({ used: 1 });
      await expectCountsAgree(app, target);
    },
  );

  it('needs to name no more than what happened, in a session of any time zone', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    const { rows: zone } = await client.query('SHOW TIME ZONE');
    expect(zone).toEqual([{ TimeZone: 'Asia/Kolkata' }]);
    for (const zoneName of ['Asia/Kolkata', 'America/New_York', 'UTC']) {
      await client.query(`SET TIME ZONE '${zoneName}'`);
      await client.query("INSERT INTO token_usage_logs (ai_type, total_tokens) VALUES ('a', 5)");
      await client.query('INSERT INTO token_usage_logs DEFAULT VALUES');
      await client.query("INSERT INTO token_usage_logs (id, ai_type) VALUES (NULL, 'a')");
      await client.query(LOG, ['imperium', MONTH, 1, 0, 1, AT]);
    }
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 3, requests: 3 });
    const { rows } = await client.query(
      `SELECT DISTINCT time_flag, abs(counted_at_ms - extract(epoch FROM now()) * 1000) < 60000 AS now
       FROM token_usage_logs WHERE month_year IS NULL`,
    );
    expect(rows).toEqual([{ time_flag: null, now: true }]);
    await expectCountsAgree(app, target);
  });

  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])(
    'needs no right but INSERT, in %s',
    async (level) => {
      const { app, guard, target } = await openTestLedger('postgresql');
      const url = await roleWith(target, 'INSERT ON token_usage_logs');
      const client = await foreignClient(target, url);
      await guard.reserve({ aiType: 'imperium', estimate: { input: 1, output: 1 } });
      await client.query(`BEGIN ISOLATION LEVEL ${level}`);
      await client.query(...log(100));
      await guard.reserve({ aiType: 'imperium', estimate: { input: 1, output: 1 } });
      await client.query(...log(20, 'guardian'));
      await client.query('COMMIT');
      expect(await windowOf(app, null, HOUR)).toMatchObject({ used: 120, requests: 2 });
      await expectCountsAgree(app, target);
      await expect(client.query('SELECT * FROM token_usage_logs')).rejects.toThrow('permission');
      await expect(client.query('DELETE FROM usage_deltas')).rejects.toThrow('permission');
      await expect(client.query('SELECT tokenctl_fold(1)')).rejects.toThrow('permission');
    },
  );

  it('can not be led astray by a search_path of its own', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    await client.query('CREATE SCHEMA trap');
    await client.query('CREATE TABLE trap.usage_deltas (LIKE public.usage_deltas INCLUDING ALL)');
    await client.query('SET search_path = trap, public');
    await client.query(...log(100));
    expect((await windowOf(app, 'imperium', HOUR)).used).toBe(100);
    await expectCountsAgree(app, target);
  });

  it('moves the count with its rows, and frees nothing by deleting them', async () => {
    const { app, guard, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    for (const tokens of [100, 50, 25]) await client.query(...log(tokens));
    await client.query(
      `UPDATE token_usage_logs SET tokens_in = 0, total_tokens = 40 WHERE total_tokens = 100`,
    );
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 115, requests: 3 });
    await client.query(
      `UPDATE token_usage_logs SET ai_type = ' Guardian', created_at = '2025-04-30 23:59:59' WHERE total_tokens = 50`,
    );
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 65, requests: 2 });
    expect(await windowOf(app, 'guardian', '2025-04-30T23')).toMatchObject({ used: 50 });
    await client.query(`UPDATE token_usage_logs SET success = false, model_used = 'm'`);
    expect(await windowOf(app, null, HOUR)).toMatchObject({ failed: 2, used: 65 });
    await expectCountsAgree(app, target);

    await client.query(`UPDATE token_usage_logs SET created_at = NULL WHERE ai_type = 'imperium'`);
    expect(await windowOf(app, 'imperium', MONTH)).toMatchObject({ used: 0 });
    const { rows: before } = await client.query(
      'SELECT id, counted_at_ms, time_flag FROM token_usage_logs ORDER BY id',
    );
    await client.query(`UPDATE token_usage_logs SET ai_type = 'sandbox'`);
    const { rows: after } = await client.query(
      'SELECT id, counted_at_ms, time_flag FROM token_usage_logs ORDER BY id',
    );
    expect(after).toEqual(before);
    await expectCountsAgree(app, target);

    await guard.reserve({ aiType: 'sandbox', estimate: { input: 60, output: 40 } });
    const now = new Date().toISOString().slice(0, 7);
    await client.query('DELETE FROM token_usage_logs');
    expect(await windowOf(app, 'sandbox', now)).toMatchObject({ used: 165, held: 0, requests: 3 });
    expect(await windowOf(app, 'sandbox', '2025-04')).toMatchObject({ used: 50, requests: 1 });
    await expectCountsAgree(app, target);
  });

  it('may upsert its log rows, copy them in, and roll them back', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    const id = (n: number) => `00000000-0000-0000-0000-00000000000${n}`;
    const upsert = (n: number, tokens: number, action: string) =>
      client.query(
        `INSERT INTO token_usage_logs (id, ai_type, total_tokens, created_at) VALUES ('${id(n)}', 'imperium', ${tokens}, '${AT}'), ('${id(n + 1)}', 'imperium', ${tokens}, '${AT}') ON CONFLICT (id) DO ${action}`,
      );
    await upsert(1, 100, 'NOTHING');
    await upsert(2, 10, 'NOTHING');
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 210, requests: 3 });
    await upsert(3, 50, "UPDATE SET total_tokens = excluded.total_tokens, ai_type = 'guardian'");
    expect(await windowOf(app, 'imperium', HOUR)).toMatchObject({ used: 250, requests: 3 });
    expect(await windowOf(app, 'guardian', HOUR)).toMatchObject({ used: 50, requests: 1 });
    await client.query('BEGIN');
    await client.query('UPDATE token_usage_logs SET total_tokens = 0');
    await client.query('DELETE FROM token_usage_logs');
    await client.query('ROLLBACK');
    expect(await windowOf(app, null, DAY)).toMatchObject({ used: 300, requests: 4 });
    await expectCountsAgree(app, target);
  });

  it('can not empty the log', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    await client.query(...log());
    for (const table of ['token_usage_logs', 'usage_adjustments', 'limit_revisions']) {
      await expect(client.query(`TRUNCATE ${table}`)).rejects.toThrow('TRUNCATE');
    }
    await expectCountsAgree(app, target);
  });

  it('is folded once, however many folds there are', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    await client.query(...log());
    for (let folds = 0; folds < 3; folds += 1) await fold(app);
    expect(await query(target, 'SELECT count(*)::int AS n FROM usage_deltas')).toEqual([{ n: 0 }]);
    expect(await windowOf(app, null, HOUR)).toMatchObject({ used: 100, requests: 1 });
  });
});
