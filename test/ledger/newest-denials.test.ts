/** The newest denials, however many calls were admitted after them. */
import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { LOG_PARAMETER_TYPES } from '../../src/ledger/log-statements.ts';
import { byNumber, LOG_SQL as ofPostgres } from '../../src/ledger/postgres-statements.ts';
import { postgresTarget } from '../../src/ledger/postgres-url.ts';
import { connectPostgres } from '../../src/ledger/postgres.ts';
import { LOG_SQL as ofSqlite } from '../../src/ledger/sqlite-statements.ts';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { openTestLedger } from '../support/ledgers.ts';

/** More than what one page of the log looks at. */
const ADMITTED = 25_000;

/** How the ledger's own session reads them, in the database's words. */
async function planOf({ kind, url }: DatabaseTarget): Promise<string> {
  if (kind === 'sqlite') {
    const database = new Sqlite(url);
    onTestFinished(() => void database.close());
    const names = Object.keys(LOG_PARAMETER_TYPES);
    const planned = database.prepare(`EXPLAIN QUERY PLAN ${ofSqlite.newestDenied.entries}`);
    return JSON.stringify(planned.all(Object.fromEntries(names.map((name) => [name, null]))));
  }
  const client = await connectPostgres(postgresTarget(url), 5_000);
  onTestFinished(() => client.end());
  const { entries } = ofPostgres.newestDenied;
  const [text, values] = byNumber(entries, {}, LOG_PARAMETER_TYPES);
  await client.query('SET enable_bitmapscan = off; SET enable_sort = off');
  await client.query(`PREPARE newest AS ${text}`);
  const { rows } = await client.query(
    `EXPLAIN EXECUTE newest (${values.map(() => 'NULL').join(', ')})`,
  );
  return JSON.stringify(rows);
}

describe.each(DATABASES)('the newest denials on %s', (kind) => {
  it('are found behind a great many admitted calls, by an index of their own', async () => {
    const { app, guard, target } = await openTestLedger(kind, undefined, {
      global: { request: 100, requestsPerMinute: 'off' },
      aiTypes: {},
    });
    const ask = (aiType: string, input: number) =>
      guard.reserve({ aiType, estimate: { input, output: 0 } });
    await ask('imperium', 101);
    await ask('guardian', 102);
    const numbers =
      kind === 'sqlite'
        ? `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${String(ADMITTED)}) SELECT`
        : `SELECT`;
    const from = kind === 'sqlite' ? 'n' : `generate_series(1, ${String(ADMITTED)})`;
    await sql(
      target,
      `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens) ${numbers} 'sandbox', 0, 0, 0 FROM ${from}`,
    );
    const found = await app.denials(20);
    expect(found.map(({ aiType, state }) => [aiType, state])).toEqual([
      ['guardian', 'denied'],
      ['imperium', 'denied'],
    ]);
    const { denials } = await app.pulse('imperium');
    expect(denials.map(({ aiType }) => aiType)).toEqual(['imperium']);
    expect(await planOf(target)).toContain('token_usage_logs_denied_idx');
  }, 60_000);
});
