import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { testClock } from '../support/clock.ts';
import { expectCountsAgree, fold, query, windowOf } from '../support/counts.ts';
import { DATABASES, openTestApp } from '../support/databases.ts';
import { foreignClient } from '../support/foreign-client.ts';
import { openTestLedger, UNLIMITED } from '../support/ledgers.ts';
import { until } from '../support/processes.ts';

const NOTE = { actor: 'op', reason: 'test', dryRun: false };
/** A past hour, so that no row is in the future of the database's own clock. */
const START = '2025-05-10T12:30:00Z';
const [HOUR, DAY, MONTH] = ['2025-05-10T12', '2025-05-10', '2025-05'];

/** A charge of this many tokens, by a foreign writer. */
async function charge(target: DatabaseTarget, tokens: number, aiType = 'imperium'): Promise<void> {
  await query(
    target,
    `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, request_id, created_at)
     VALUES ('${aiType}', '2025-05', ${tokens}, 0, ${tokens}, '${aiType}-${tokens}', '2025-05-10 12:10:00')`,
  );
}

async function recharge(target: DatabaseTarget, from: number, to: number): Promise<void> {
  await query(
    target,
    `UPDATE token_usage_logs SET tokens_in = ${to}, tokens_out = 0, total_tokens = ${to} WHERE total_tokens = ${from}`,
  );
}

async function used(app: App, aiType: string | null = 'imperium'): Promise<number[]> {
  const windows = [MONTH, DAY, HOUR].map(
    async (start) => (await windowOf(app, aiType, start)).used,
  );
  return Promise.all(windows);
}

const all = (n: number): number[] => [n, n, n];

describe.each(DATABASES)('resets on %s', (kind) => {
  const open = () => openTestLedger(kind, testClock(START));

  it('take what is used, not what is held, nor what rates count', async () => {
    const { app, guard, target } = await open();
    await charge(target, 70);
    const verdict = await guard.reserve({
      aiType: 'imperium',
      estimate: { input: 20, output: 10 },
    });
    await app.reset({ aiTypes: [], window: 'all', ...NOTE });
    expect(await used(app)).toEqual(all(0));
    expect(await used(app, null)).toEqual(all(0));
    expect(await windowOf(app, null, DAY)).toMatchObject({ held: 30, requests: 2 });
    await guard.settle(verdict.reservation!.id, { inputTokens: 20, outputTokens: 5 });
    expect(await used(app)).toEqual(all(25));
    await expectCountsAgree(app, target);
  });

  it('take all holds whose time is over, also more than one batch charges', async () => {
    const clock = testClock(START);
    const { app, guard } = await openTestLedger(kind, clock);
    const request = { aiType: 'imperium', estimate: { input: 2, output: 0 }, ttlSeconds: 1 };
    await Promise.all(Array.from({ length: 600 }, () => guard.reserve(request)));
    clock.advance(2_000);
    const { changes } = await app.reset({ aiTypes: [], window: 'hour', ...NOTE });
    expect(changes.map(({ scope, before, after }) => [scope, before, after])).toEqual([
      ['global', 1_200, 0],
      ['imperium', 1_200, 0],
    ]);
    await fold(app);
    expect(await windowOf(app, null, HOUR)).toMatchObject({ used: 0, held: 0 });
  });

  it('of one AI type lower the global windows by the same', async () => {
    const { app, target } = await open();
    await charge(target, 70);
    await charge(target, 50, 'guardian');
    await app.reset({ aiTypes: ['imperium'], window: 'day', ...NOTE });
    expect(await used(app)).toEqual([70, 0, 70]);
    expect(await used(app, null)).toEqual([120, 50, 120]);
    expect(await used(app, 'guardian')).toEqual(all(50));
    await expectCountsAgree(app, target);
  });

  it('leave --to tokens, and never raise', async () => {
    const { app, target } = await open();
    await charge(target, 70);
    await charge(target, 5, 'guardian');
    const reset = { aiTypes: ['imperium'], window: 'month' as const, ...NOTE };
    expect(await app.reset({ ...reset, toTokens: 100 })).toEqual({ id: null, changes: [] });
    await app.reset({ ...reset, toTokens: 40 });
    expect(await used(app)).toEqual([40, 70, 70]);
    expect(await used(app, null)).toEqual([45, 75, 75]);
    await expect(app.reset({ ...reset, aiTypes: [], toTokens: 1 })).rejects.toThrow('--ai-type');
    await expectCountsAgree(app, target);
  });

  it('do nothing in a dry run, and nothing where nothing is used', async () => {
    const { app, target } = await open();
    expect(await app.reset({ aiTypes: [], window: 'all', ...NOTE })).toEqual({
      id: null,
      changes: [],
    });
    await charge(target, 70);
    const plan = await app.reset({ aiTypes: [], window: 'hour', ...NOTE, dryRun: true });
    expect(plan.id).toBeNull();
    expect(plan.changes.map(({ scope, before, after }) => [scope, before, after])).toEqual([
      ['global', 70, 0],
      ['imperium', 70, 0],
    ]);
    expect(await used(app)).toEqual(all(70));
  });

  it.each([
    ['to nothing', 0],
    ['in part', 60],
    ['not at all', 100],
    ['upwards', 130],
  ])('hold when a charge they took changes later %s', async (_how, to) => {
    const { app, target } = await open();
    await charge(target, 100);
    await charge(target, 7, 'guardian');
    const { id } = await app.reset({ aiTypes: ['imperium'], window: 'all', ...NOTE });
    await recharge(target, 100, to);
    expect(await used(app)).toEqual(all(Math.max(0, to - 100)));
    expect(await used(app, null)).toEqual(all(Math.max(0, to - 100) + 7));
    await expectCountsAgree(app, target);
    await app.undoReset(id!, NOTE);
    expect(await used(app)).toEqual(all(to));
    expect(await used(app, null)).toEqual(all(to + 7));
    await expectCountsAgree(app, target);
  });

  it('hold when an expired reservation that they took is settled or released late', async () => {
    const clock = testClock('2025-05-10T12:10:00Z');
    const { app, guard, target } = await openTestLedger(kind, clock);
    const reserve = () =>
      guard.reserve({ aiType: 'imperium', estimate: { input: 60, output: 40 }, ttlSeconds: 60 });
    const [settled, released] = [await reserve(), await reserve()];
    clock.advance(120_000);
    await charge(target, 5, 'guardian');
    const { id } = await app.reset({ aiTypes: [], window: 'all', ...NOTE });
    expect(await used(app)).toEqual(all(0));
    const usage = { inputTokens: 10, outputTokens: 20, model: 'another-model' };
    await guard.settle(settled.reservation!.id, usage);
    await guard.release(released.reservation!.id);
    expect(await used(app)).toEqual(all(0));
    expect(await used(app, null)).toEqual(all(0));
    await expectCountsAgree(app, target);
    await app.undoReset(id!, NOTE);
    expect(await used(app)).toEqual(all(30));
    expect(await used(app, null)).toEqual(all(35));
  });

  it('hold, several of them, when a charge falls that more than one took in part', async () => {
    const { app, target } = await open();
    await charge(target, 100);
    const reset = { aiTypes: ['imperium'], window: 'month' as const, ...NOTE };
    const first = await app.reset({ ...reset, toTokens: 50 });
    await charge(target, 20);
    const second = await app.reset(reset);
    expect(await used(app)).toEqual([0, 120, 120]);
    await recharge(target, 100, 0);
    expect(await used(app)).toEqual([0, 20, 20]);
    expect(await used(app, null)).toEqual([0, 20, 20]);
    await expectCountsAgree(app, target);
    await app.undoReset(first.id!, NOTE);
    expect((await used(app))[0]).toBeGreaterThanOrEqual(0);
    await app.undoReset(second.id!, NOTE);
    expect(await used(app)).toEqual(all(20));
    await expectCountsAgree(app, target);
  });

  it('hold when one statement lowers several charges that they took', async () => {
    const { app, target } = await open();
    await charge(target, 100);
    await charge(target, 90);
    await app.reset({ aiTypes: ['imperium'], window: 'all', toTokens: 40, ...NOTE });
    await query(target, 'UPDATE token_usage_logs SET tokens_in = 0, total_tokens = 0');
    expect(await used(app)).toEqual(all(0));
    await expectCountsAgree(app, target);
  });

  it('hold when a charge that they took moves to another hour, AI type or out of sight', async () => {
    const { app, target } = await open();
    await charge(target, 100);
    await app.reset({ aiTypes: ['imperium'], window: 'all', ...NOTE });
    await query(target, `UPDATE token_usage_logs SET created_at = '2025-05-10 11:10:00'`);
    // The hour that it left is not below zero, and the one that it came to counts it.
    expect(await used(app)).toEqual(all(0));
    expect((await windowOf(app, 'imperium', '2025-05-10T11')).used).toBe(100);
    await query(target, `UPDATE token_usage_logs SET ai_type = 'guardian'`);
    expect(await used(app)).toEqual(all(0));
    expect(await used(app, 'guardian')).toEqual([100, 100, 0]);
    await query(target, 'DELETE FROM token_usage_logs');
    expect(await used(app, 'guardian')).toEqual([100, 100, 0]);
    for (const scope of [null, 'imperium', 'guardian']) {
      for (const tokens of await used(app, scope)) expect(tokens).toBeGreaterThanOrEqual(0);
    }
    await expectCountsAgree(app, target);
  });

  it('are undone once, whatever was reset and undone meanwhile', async () => {
    const { app, target } = await open();
    await charge(target, 100);
    const first = await app.reset({ aiTypes: ['imperium'], window: 'all', toTokens: 30, ...NOTE });
    await charge(target, 11);
    await charge(target, 9, 'guardian');
    const second = await app.reset({ aiTypes: [], window: 'day', ...NOTE });
    await app.undoReset(first.id!, NOTE);
    expect(await used(app)).toEqual([111, 70, 111]);
    const third = await app.reset({ aiTypes: ['imperium'], window: 'month', ...NOTE });
    await app.undoReset(second.id!, NOTE);
    await app.undoReset(third.id!, NOTE);
    expect(await used(app)).toEqual(all(111));
    expect(await used(app, null)).toEqual(all(120));
    expect(await windowOf(app, 'imperium', MONTH)).toMatchObject({ requests: 2, tokensIn: 111 });
    for (const { id } of [first, second, third]) {
      await expect(app.undoReset(id!, NOTE)).rejects.toMatchObject({ code: 'reset_undone' });
    }
    await expect(app.undoReset(99, NOTE)).rejects.toMatchObject({ code: 'reset_not_found' });
    await expectCountsAgree(app, target);
  });

  it('free budget for the next request, and undoing them takes it back', async () => {
    const limits = { ...UNLIMITED, global: { ...UNLIMITED.global, hourly: 100 } };
    const { app, guard, target } = await openTestLedger(kind, testClock(START), limits);
    await charge(target, 100);
    const request = { aiType: 'imperium', estimate: { input: 50, output: 50 } };
    expect(await guard.check(request)).toMatchObject({ admitted: false, largestAdmissible: 0 });
    const { id } = await app.reset({ aiTypes: [], window: 'hour', ...NOTE });
    expect(await guard.check(request)).toMatchObject({ admitted: true });
    await app.undoReset(id!, NOTE);
    expect(await guard.check(request)).toMatchObject({ admitted: false, largestAdmissible: 0 });
  });

  it('can not be rewritten, and neither can what was deleted', async () => {
    const { app, target } = await openTestLedger(kind, systemRuntime);
    await charge(target, 100);
    await query(target, 'DELETE FROM token_usage_logs');
    expect(await used(app)).toEqual(all(100));
    await expect(query(target, 'UPDATE usage_adjustments SET used = 0')).rejects.toThrow();
    await expect(query(target, 'DELETE FROM usage_adjustments')).rejects.toThrow();
    await expect(query(target, 'DELETE FROM limit_revisions')).rejects.toThrow();
    await expectCountsAgree(app, target);
  });
});

describe('a reset on PostgreSQL beside a foreign transaction that has lowered a charge', () => {
  it('waits for its end, and takes what is left of the charge', async () => {
    const { app, target } = await openTestLedger('postgresql', testClock(START));
    await charge(target, 70);
    const other = await foreignClient(target);
    await other.query('BEGIN');
    await other.query('UPDATE token_usage_logs SET tokens_in = 20, total_tokens = 20');
    const resetting = app.reset({ aiTypes: [], window: 'all', ...NOTE });
    await until(async () => {
      const waiting = await query(target, 'SELECT 1 FROM pg_locks WHERE NOT granted');
      return waiting.length > 0;
    });
    await other.query('COMMIT');
    const { id, changes } = await resetting;
    expect(changes[0]).toMatchObject({ scope: 'global', before: 20, after: 0 });
    expect(await used(app)).toEqual(all(0));
    await app.undoReset(id!, NOTE);
    expect(await used(app)).toEqual(all(20));
    await expectCountsAgree(app, target);
  });

  it('changes nothing where it does not end in time, and says so', async () => {
    const { target } = await openTestLedger('postgresql', testClock(START));
    await charge(target, 70);
    const app = await openTestApp(target, testClock(START), 300);
    onTestFinished(() => app.close());
    const other = await foreignClient(target);
    await other.query('BEGIN');
    await other.query('UPDATE token_usage_logs SET tokens_in = 20, total_tokens = 20');
    await expect(app.reset({ aiTypes: [], window: 'all', ...NOTE })).rejects.toMatchObject({
      code: 'ledger_unavailable',
      message: expect.stringContaining('stayed locked') as string,
    });
    const dryRun = await app.reset({ aiTypes: [], window: 'hour', ...NOTE, dryRun: true });
    expect(dryRun.changes[0]).toMatchObject({ before: 70, after: 0 });
    await other.query('ROLLBACK');
    expect(await used(app)).toEqual(all(70));
  });
});
