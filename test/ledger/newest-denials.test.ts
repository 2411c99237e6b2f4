/** The newest denials, however many calls were admitted after them. */
import { describe, expect, it } from 'vitest';
import { sql } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { openTestLedger } from '../support/ledgers.ts';

/** More than what one page of the log looks at. */
const ADMITTED = 25_000;

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
    // Both databases tell what an index gave.
    const plan = await sql(
      target,
      `EXPLAIN ${kind === 'sqlite' ? 'QUERY PLAN ' : ''}SELECT id FROM token_usage_logs
        WHERE state = 'denied' AND counted_at_ms >= 0 ORDER BY counted_at_ms DESC, id DESC LIMIT 20`,
    );
    expect(JSON.stringify(plan)).toContain('token_usage_logs_denied_idx');
  }, 60_000);
});
