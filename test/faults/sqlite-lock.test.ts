import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runGuarded } from '../../src/guard/run.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import {
  counts,
  everywhere,
  idOf,
  openBudget,
  sql,
  tokens,
  type Budget,
} from '../support/budget.ts';
import type { Churned } from '../support/churn.d.mts';
import { churn } from '../support/churn.mjs';
import { expectKept } from '../support/kept.ts';
import { startBackend, until } from '../support/processes.ts';

/** Another program that has the write lock until it lets go. */
function lock({ target }: Budget): () => void {
  const other = new Sqlite(target.url);
  onTestFinished(() => {
    other.close();
  });
  other.exec('BEGIN IMMEDIATE');
  return () => other.exec('COMMIT');
}

describe('an SQLite file that another process has locked for seconds', () => {
  it('is waited for in every process, or denied in time where timeoutMs is shorter', async () => {
    const budget = await openBudget('sqlite', { start: new Date().toISOString() });
    const hasty = await budget.another(systemRuntime, 300);
    const [holder, patient] = await Promise.all([
      startBackend(budget.target),
      startBackend(budget.target, { timeoutMs: 20_000 }),
    ]);
    const held = holder.ask({ do: 'lock', forMs: 2_000 });
    expect(await held).toBe('locked');
    const free = holder.hear();
    let going = true;
    const running = [
      patient.ask<Churned>({ do: 'churn', tokens: 10, callers: 8 }),
      churn(hasty.guard, { tokens: 10, callers: 8, goOn: () => going }),
    ];
    const rows = async () => (await sql(budget.target, 'SELECT id FROM token_usage_logs')).length;
    expect(await rows()).toBe(0);
    await free;
    await until(async () => (await rows()) > 100);
    going = false;
    patient.signal('SIGUSR2');
    const told = await Promise.all(running);
    await expectKept(budget, told, 10);
    const [patientTold, hastyTold] = told;
    expect(patientTold!.refusals).toEqual({});
    expect(patientTold!.slowestMs).toBeGreaterThan(1_000);
    expect(Object.keys(hastyTold!.refusals)).toEqual(['ledger_unavailable']);
    expect(hastyTold!.messages).toEqual([expect.stringContaining('stayed locked for 300 ms')]);
    // Its time-out and one more try; the rest is for a slow machine. Nobody waits in the driver.
    expect(hastyTold!.slowestMs).toBeLessThan(300 + 1_000);
    for (const { stalledMs } of told) expect(stalledMs).toBeLessThan(1_000);
  });
});

describe('an SQLite file that another connection writes', () => {
  it('for longer than timeoutMs denies with ledger_unavailable, and works again afterwards', async () => {
    const budget = await openBudget('sqlite');
    const { guard } = await budget.another(budget.clock, 300);
    const id = idOf(await guard.reserve(tokens(5)));
    const unlock = lock(budget);
    const start = performance.now();
    const denied = await guard.reserve(tokens(10));
    const tookMs = performance.now() - start;
    expect(denied).toMatchObject({ admitted: false, reservation: null, largestAdmissible: null });
    expect(denied.reasons).toMatchObject([{ code: 'ledger_unavailable', canEverPass: true }]);
    expect(denied.reasons[0]?.message).toContain('stayed locked for 300 ms');
    expect(tookMs).toBeGreaterThanOrEqual(300);
    expect(tookMs).toBeLessThan(1_000);
    await expect(guard.settle(id, { unknown: true })).rejects.toMatchObject({
      code: 'ledger_unavailable',
      message: expect.stringContaining('stayed locked') as string,
    });
    expect((await guard.check(tokens(10))).admitted).toBe(true);
    unlock();
    idOf(await guard.reserve(tokens(10)));
    await guard.settle(id, { unknown: true });
    expect(await counts(budget.app)).toEqual(everywhere(5, 10));
  });

  it('while run settles: the value is there at once, and the reported usage is charged once it can be', async () => {
    const budget = await openBudget('sqlite');
    const { guard } = await budget.another(budget.clock, 300);
    let unlock = (): void => undefined;
    const warnings: string[] = [];
    const value = await runGuarded(
      guard,
      tokens(10),
      () => {
        unlock = lock(budget);
        return Promise.resolve({ value: 'answer', usage: { inputTokens: 25, outputTokens: 5 } });
      },
      (message) => {
        warnings.push(message);
        unlock();
      },
    );
    expect(value).toBe('answer');
    expect(warnings).toEqual([expect.stringMatching(/could not be settled.*locked/)]);
    await until(async () => (await counts(budget.app))['month']?.[0] === 30);
    expect(await counts(budget.app)).toEqual(everywhere(30, 0));
  });
});
