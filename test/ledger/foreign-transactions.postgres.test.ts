import { describe, expect, it } from 'vitest';
import type { Guard } from '../../src/guard/guard.ts';
import { expectCountsAgree, fold, query, windowOf } from '../support/counts.ts';
import { foreignClient, whileOpen } from '../support/foreign-client.ts';
import { openTestLedger, UNLIMITED } from '../support/ledgers.ts';

const MONTH = new Date().toISOString().slice(0, 7);
const LOG = 'INSERT INTO token_usage_logs (ai_type, total_tokens) VALUES ($1, $2)';
const request = (aiType: string) => ({ aiType, estimate: { input: 60, output: 40 } });

/** What a guard does all day; answers when both are durable. */
async function reserveAndSettle(guard: Guard, aiType: string): Promise<boolean> {
  const verdict = await guard.reserve(request(aiType));
  if (verdict.reservation === null) return false;
  await guard.settle(verdict.reservation.id, { inputTokens: 1, outputTokens: 1 });
  return true;
}

const usage = async (target: Parameters<typeof query>[0]) =>
  query(
    target,
    `SELECT ai_type, total_tokens::int AS total, request_count::int AS requests FROM token_usage WHERE month_year = '${MONTH}' ORDER BY 1`,
  );

describe('an open foreign transaction on PostgreSQL', () => {
  it('that logged two AI types holds up no guard, and counts from its commit on', async () => {
    const { app, guard, target } = await openTestLedger('postgresql');
    const [one, two] = [await foreignClient(target), await foreignClient(target)];
    await one.query('BEGIN');
    await two.query('BEGIN');
    await one.query(LOG, ['imperium', 100]);
    await two.query(LOG, ['guardian', 10]);
    // Row locks taken in opposite orders would deadlock here.
    await Promise.all([one.query(LOG, ['guardian', 100]), two.query(LOG, ['imperium', 10])]);
    await whileOpen(one, 'COMMIT', () =>
      whileOpen(two, 'ROLLBACK', async () => {
        for (const aiType of ['imperium', 'guardian']) {
          expect(await reserveAndSettle(guard, aiType)).toBe(true);
        }
        expect((await windowOf(app, null, MONTH)).used).toBe(4);
      }),
    );
    expect(await windowOf(app, null, MONTH)).toMatchObject({ used: 204, requests: 4 });
    // Not folded yet: so much the more does every reader add it.
    expect(await query(target, 'SELECT count(*)::int AS n FROM usage_deltas')).not.toEqual([
      { n: 0 },
    ]);
    const status = await app.status();
    expect(status.windows.map(({ used }) => used)).toEqual([204, 204, 204]);
    await fold(app);
    expect(await usage(target)).toEqual([
      { ai_type: 'guardian', total: 102, requests: 2 },
      { ai_type: 'imperium', total: 102, requests: 2 },
    ]);
    await expectCountsAgree(app, target);
  });

  it('binds the next decision as soon as it commits, before any fold', async () => {
    const limits = { ...UNLIMITED, global: { ...UNLIMITED.global, hourly: 150 } };
    const { app, guard, target } = await openTestLedger('postgresql', undefined, limits);
    const client = await foreignClient(target);
    await client.query('BEGIN');
    await client.query(LOG, ['imperium', 51]);
    expect((await guard.check(request('guardian'))).admitted).toBe(true);
    await client.query('COMMIT');
    expect(await guard.check(request('guardian'))).toMatchObject({
      ...{ admitted: false, largestAdmissible: 99 },
    });
    expect((await guard.reserve(request('guardian'))).admitted).toBe(false);
    await expectCountsAgree(app, target);
  });

  it('that changed token_usage holds up no guard; its row is set by a later fold', async () => {
    const { app, guard, target } = await openTestLedger('postgresql');
    await reserveAndSettle(guard, 'imperium');
    await fold(app);
    const client = await foreignClient(target);
    await client.query('BEGIN');
    await client.query(LOG, ['imperium', 100]);
    await client.query(
      "UPDATE token_usage SET total_tokens = total_tokens + 100, request_count = 99, status = 'critical' WHERE ai_type = 'imperium'",
    );
    await whileOpen(client, 'COMMIT', () => reserveAndSettle(guard, 'imperium'));
    expect(await usage(target)).toEqual([{ ai_type: 'imperium', total: 102, requests: 99 }]);
    await expectCountsAgree(app, target);
    expect(await usage(target)).toEqual([{ ai_type: 'imperium', total: 104, requests: 3 }]);
  });

  it('that holds a token_usage row is passed over, and neighbours are set meanwhile', async () => {
    const { app, guard, target } = await openTestLedger('postgresql');
    for (const aiType of ['imperium', 'guardian']) await reserveAndSettle(guard, aiType);
    await fold(app);
    const client = await foreignClient(target);
    await client.query('BEGIN');
    await client.query("SELECT * FROM token_usage WHERE ai_type = 'imperium' FOR UPDATE");
    await whileOpen(client, 'ROLLBACK', async () => {
      for (const aiType of ['imperium', 'guardian']) await reserveAndSettle(guard, aiType);
      await fold(app);
      expect(await usage(target)).toEqual([
        { ai_type: 'guardian', total: 4, requests: 2 },
        { ai_type: 'imperium', total: 2, requests: 1 },
      ]);
    });
    await fold(app);
    expect((await usage(target))[1]).toEqual({ ai_type: 'imperium', total: 4, requests: 2 });
    await expectCountsAgree(app, target);
  });

  it.each(['COMMIT', 'ROLLBACK'] as const)(
    'that inserted the same token_usage row holds up no guard (%s)',
    async (end) => {
      const { app, guard, target } = await openTestLedger('postgresql');
      const client = await foreignClient(target);
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO token_usage (ai_type, month_year, total_tokens) VALUES ('imperium', '${MONTH}', 999)`,
      );
      await whileOpen(client, end, async () => {
        for (const aiType of ['imperium', 'guardian']) await reserveAndSettle(guard, aiType);
        expect((await windowOf(app, 'imperium', MONTH)).used).toBe(2);
      });
      await expectCountsAgree(app, target);
      expect(await usage(target)).toHaveLength(2);
    },
  );

  it('of a past month leaves its token_usage right at the next fold', async () => {
    const { app, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    const past = `INSERT INTO token_usage_logs (ai_type, total_tokens, created_at) VALUES ('imperium', 100, '2025-05-10')`;
    await client.query(past);
    await fold(app);
    for (const change of [
      'UPDATE token_usage SET total_tokens = 1',
      'DELETE FROM token_usage',
      "INSERT INTO token_usage (ai_type, month_year, total_tokens) VALUES ('imperium', '2025-05', 5) ON CONFLICT (ai_type, month_year) DO UPDATE SET total_tokens = 7",
    ]) {
      await client.query(change);
      await expectCountsAgree(app, target);
    }
    await client.query('BEGIN');
    await client.query('UPDATE token_usage SET total_tokens = 1');
    await whileOpen(client, 'COMMIT', async () => {
      await query(target, past);
      await fold(app);
    });
    await expectCountsAgree(app, target);
    await fold(app);
    expect(await query(target, 'SELECT count(*)::int AS n FROM usage_deltas')).toEqual([{ n: 0 }]);
  });

  it('that changed log rows of its own holds up no guard', async () => {
    const { app, guard, target } = await openTestLedger('postgresql');
    const client = await foreignClient(target);
    await client.query(LOG, ['imperium', 100]);
    await client.query('BEGIN');
    await client.query('UPDATE token_usage_logs SET total_tokens = 50');
    await client.query('DELETE FROM token_usage_logs');
    await whileOpen(client, 'COMMIT', () => reserveAndSettle(guard, 'imperium'));
    expect((await windowOf(app, 'imperium', MONTH)).used).toBe(52);
    await expectCountsAgree(app, target);
  });

  it('that holds the row of a reservation holds up nobody else', async () => {
    const { app, guard, target } = await openTestLedger('postgresql');
    const held = await guard.reserve(request('imperium'));
    const client = await foreignClient(target);
    await client.query('BEGIN');
    await client.query("UPDATE token_usage_logs SET error_message = 'noted'");
    let settled: Promise<unknown> = Promise.resolve();
    await whileOpen(client, 'COMMIT', async () => {
      settled = guard.settle(held.reservation!.id, { inputTokens: 5, outputTokens: 5 });
      expect(await reserveAndSettle(guard, 'guardian')).toBe(true);
    });
    // Its own settle waits for the row, and is made as soon as that is free.
    expect(await settled).toMatchObject({ state: 'settled', charged: 10 });
    await expectCountsAgree(app, target);
  });
});
