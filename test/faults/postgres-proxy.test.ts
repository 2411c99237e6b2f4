import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { openBehindProxy } from '../support/behind-proxy.ts';
import { counts, everywhere, idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { openTestApp } from '../support/databases.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { until } from '../support/processes.ts';
import { timed } from '../support/timed.ts';

describe('a COMMIT of PostgreSQL whose answer is lost', () => {
  it.each([
    ['without a key', {}],
    ['with a key', { idempotencyKey: 'k' }],
  ])('admits and counts a reservation once, %s', async (_, more) => {
    const { budget, proxy, guard } = await openBehindProxy();
    proxy.commitsToLose = 2;
    const verdicts = await Promise.all([
      guard.reserve({ ...tokens(100), ...more }),
      guard.reserve(tokens(30)),
    ]);
    expect(proxy.commitsToLose).toBe(0);
    const ids = verdicts.map(idOf);
    expect(await counts(budget.app)).toEqual(everywhere(0, 131));
    const rows = await sql(
      budget.target,
      `SELECT id FROM token_usage_logs WHERE state = 'reserved' AND reserved_tokens > 1 ORDER BY reserved_tokens DESC`,
    );
    expect(rows.map(({ id }) => id)).toEqual(ids);
  });

  it('settles once, and says what was charged', async () => {
    const { budget, proxy, guard } = await openBehindProxy();
    const id = idOf(await guard.reserve(tokens(100)));
    proxy.commitsToLose = 1;
    const ending = await guard.settle(id, { inputTokens: 60, outputTokens: 1 });
    expect(proxy.commitsToLose).toBe(0);
    expect(ending).toEqual({ id, state: 'settled', charged: 61 });
    expect(await counts(budget.app)).toEqual(everywhere(61, 1));
  });

  it('and whose server then stays away denies; what was admitted unheard is released later', async () => {
    const { budget, proxy, guard } = await openBehindProxy(400);
    proxy.commitsToLose = 1;
    proxy.afterLoss = 'refuses';
    const denied = await guard.reserve(tokens(100));
    expect(denied).toMatchObject({ admitted: false, reasons: [{ code: 'ledger_unavailable' }] });
    expect(await counts(budget.app)).toEqual(everywhere(0, 101));
    proxy.mode = 'passes';
    idOf(await guard.reserve(tokens(5)));
    await until(async () => (await counts(budget.app))['hour']![1] === 6);
    expect(
      await sql(
        budget.target,
        `SELECT error_message FROM token_usage_logs WHERE state = 'released'`,
      ),
    ).toEqual([{ error_message: 'the caller was told that the ledger is unavailable' }]);
  });

  it('leaves what has a key of the caller to its retry, which gets the same reservation', async () => {
    const { budget, proxy, guard } = await openBehindProxy(400);
    const request = { ...tokens(100), idempotencyKey: 'k' };
    proxy.commitsToLose = 1;
    proxy.afterLoss = 'refuses';
    expect((await guard.reserve(request)).admitted).toBe(false);
    proxy.mode = 'passes';
    idOf(await guard.reserve(tokens(5)));
    const id = idOf(await guard.reserve(request));
    expect(
      await sql(budget.target, `SELECT id FROM token_usage_logs WHERE idempotency_key = 'k'`),
    ).toEqual([{ id }]);
    expect(await counts(budget.app)).toEqual(everywhere(0, 106));
  });
});

describe('a server of PostgreSQL that is away', () => {
  it.each(['refuses', 'silent'] as const)(
    'and %s denies with ledger_unavailable in time, and a later call works',
    async (mode) => {
      const timeoutMs = 400;
      const { budget, proxy, guard } = await openBehindProxy(timeoutMs);
      const id = idOf(await guard.reserve(tokens(10)));
      proxy.mode = mode;
      if (mode === 'refuses') proxy.cut();
      const [[denied, tookMs], [settled], [checked]] = await Promise.all([
        timed(guard.reserve(tokens(100))),
        timed(guard.settle(id, { unknown: true }).catch((error: unknown) => error)),
        timed(guard.check(tokens(1))),
      ]);
      expect(denied).toMatchObject({
        admitted: false,
        largestAdmissible: null,
        reasons: [{ code: 'ledger_unavailable', canEverPass: true }],
      });
      expect(JSON.stringify(denied)).not.toContain('secret');
      expect(settled).toMatchObject({ code: 'ledger_unavailable' });
      expect(checked).toMatchObject({ reasons: [{ code: 'ledger_unavailable' }] });
      // Its own time, and what one statement that is under way may take beside.
      expect(tookMs).toBeGreaterThanOrEqual(timeoutMs);
      expect(tookMs).toBeLessThan(3 * timeoutMs + 500);
      proxy.mode = 'passes';
      idOf(await guard.reserve(tokens(7)));
      await guard.settle(id, { inputTokens: 3, outputTokens: 0 });
      expect(await counts(budget.app)).toEqual(everywhere(3, 8));
    },
  );
});

describe('closing', () => {
  it('does not wait for a server that answers nothing any more', async () => {
    const { target, clock } = await openBudget('postgresql');
    const proxy = await startProxy(target);
    const app = await openTestApp(proxy.target, clock, 300);
    await app.status();
    proxy.mode = 'silent';
    const closed = app.close().then(() => true);
    const late = systemRuntime.sleep(2_000).then(() => false);
    expect(await Promise.race([closed, late])).toBe(true);
  });
});
