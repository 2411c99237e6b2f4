import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, idOf, openBudget, sql, tokens, type Budget } from '../support/budget.ts';
import type { Churned } from '../support/churn.d.mts';
import { DATABASES } from '../support/databases.ts';
import { expectKept } from '../support/kept.ts';
import { startBackend, until, untilHourLasts, type Backend } from '../support/processes.ts';
import { timed } from '../support/timed.ts';

describe.each(DATABASES)(
  'a process that is stopped past the time of its reservation on %s',
  (kind) => {
    it('finds it charged in full when it goes on, and its late settle corrects the charge', async () => {
      await untilHourLasts(20_000);
      const budget = await openBudget(kind, {
        start: new Date().toISOString(),
        global: { reservationTtl: 1 },
      });
      const { app, guard } = await budget.another(systemRuntime);
      const backend = await startBackend(budget.target);
      const { ids } = await backend.ask<{ ids: string[] }>({
        do: 'spend',
        tokens: 100,
        callers: 2,
        most: 1,
      });
      const [settled, forgotten] = ids;
      backend.signal('SIGSTOP');
      await until(async () => (await counts(app))['hour']![1] === 0);
      expect((await counts(app))['hour']).toEqual([200, 0]);
      await guard.release(idOf(await guard.reserve(tokens(1))));
      const states = await sql(
        budget.target,
        `SELECT state FROM token_usage_logs WHERE reserved_tokens = 100`,
      );
      expect(states).toEqual([{ state: 'expired' }, { state: 'expired' }]);
      backend.signal('SIGCONT');
      const endings = [
        { id: settled, input: 30, output: 0 },
        { id: forgotten, unknown: true },
      ];
      expect(await backend.ask({ do: 'end', endings })).toEqual([
        { id: settled, state: 'settled', charged: 30 },
        { id: forgotten, state: 'expired', charged: 100 },
      ]);
      expect((await counts(app))['hour']).toEqual([130, 0]);
    });
  },
);

/** Stops the backend at random moments while another guard reserves, until it was hit both in a transaction and out of one. */
async function stopOften(
  backend: Backend,
  reserve: () => Promise<'was blocked' | 'was free'>,
): Promise<void> {
  const seen = { 'was blocked': 0, 'was free': 0 };
  for (
    let stops = 0;
    stops < 100 && (seen['was blocked'] < 2 || seen['was free'] < 2);
    stops += 1
  ) {
    await systemRuntime.sleep(Math.random() * 30);
    backend.signal('SIGSTOP');
    try {
      seen[await reserve()] += 1;
    } finally {
      backend.signal('SIGCONT');
    }
  }
  expect(seen['was blocked']).toBeGreaterThanOrEqual(2);
  expect(seen['was free']).toBeGreaterThanOrEqual(2);
}

/** Nothing was lost, and the stopped process has gone on. */
async function expectGoesOn(
  budget: Budget,
  backend: Backend,
  churning: Promise<Churned>,
  reserved: string[],
): Promise<void> {
  const rows = async () => (await sql(budget.target, 'SELECT id FROM token_usage_logs')).length;
  const before = await rows();
  await until(async () => (await rows()) > before + 50);
  backend.signal('SIGUSR2');
  const told = await churning;
  expect(Object.keys(told.refusals).filter((code) => code !== 'ledger_unavailable')).toEqual([]);
  await expectKept(budget, [told, { reserved, settled: [] }], 10);
}

describe('a process that is stopped at any moment of its work', () => {
  it('on SQLite: while it has the write lock others are denied in time, else not disturbed', async () => {
    const budget = await openBudget('sqlite', { start: new Date().toISOString() });
    const { guard } = await budget.another(systemRuntime, 250);
    const backend = await startBackend(budget.target, { timeoutMs: 5_000 });
    const churning = backend.ask<Churned>({ do: 'churn', tokens: 10, callers: 8 });
    const reserved: string[] = [];
    await stopOften(backend, async () => {
      const [verdict, tookMs] = await timed(guard.reserve(tokens(10)));
      // Its time-out, and the rest for a slow machine.
      expect(tookMs).toBeLessThan(250 + 1_000);
      if (verdict.admitted) {
        reserved.push(idOf(verdict));
        return 'was free';
      }
      expect(verdict.reasons).toMatchObject([
        { code: 'ledger_unavailable', message: expect.stringContaining('stayed locked') as string },
      ]);
      return 'was blocked';
    });
    await expectGoesOn(budget, backend, churning, reserved);
  });

  it('on PostgreSQL: the server takes the lock from it after twice its timeoutMs, and others go on', async () => {
    const budget = await openBudget('postgresql', { start: new Date().toISOString() });
    const { guard } = await budget.another(systemRuntime, 10_000);
    const stoppedTimeoutMs = 500;
    const backend = await startBackend(budget.target, { timeoutMs: stoppedTimeoutMs });
    const churning = backend.ask<Churned>({ do: 'churn', tokens: 10, callers: 8 });
    const reserved: string[] = [];
    await stopOften(backend, async () => {
      const [verdict, tookMs] = await timed(guard.reserve(tokens(10)));
      reserved.push(idOf(verdict));
      expect(tookMs).toBeLessThan(2 * stoppedTimeoutMs + 2_000);
      return tookMs > stoppedTimeoutMs ? 'was blocked' : 'was free';
    });
    await expectGoesOn(budget, backend, churning, reserved);
  });
});
