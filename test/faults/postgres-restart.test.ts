import { describe, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { openBudget, sql } from '../support/budget.ts';
import { churn } from '../support/churn.mjs';
import type { Churned } from '../support/churn.d.mts';
import { expectKept } from '../support/kept.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startBackend, until } from '../support/processes.ts';

const TOKENS = 10;

describe('a PostgreSQL server that is restarted in mid-run, with an immediate shutdown', () => {
  it('loses nothing that was acknowledged and counts nothing twice; every process goes on by itself, and each call ends within four times its time-out', async () => {
    const server = await startPostgres();
    onTestFinished(() => server.stop());
    const budget = await openBudget('postgresql', {
      start: new Date().toISOString(),
      postgresAdminUrl: server.adminUrl,
    });
    // One that waits through a restart, and one that must refuse meanwhile.
    const patient = await budget.another(systemRuntime, 10_000);
    const hasty = await budget.another(systemRuntime, 200);
    const backend = await startBackend(budget.target, { timeoutMs: 10_000 });
    let going = true;
    const work = { tokens: TOKENS, callers: 8 };
    const goOn = () => going;
    const running = [
      churn(patient.guard, { ...work, goOn }),
      churn(hasty.guard, { ...work, goOn }),
      backend.ask<Churned>({ do: 'churn', ...work }),
    ];
    const rows = async () => (await sql(budget.target, 'SELECT id FROM token_usage_logs')).length;
    const untilMore = async (more: number) => {
      const before = await rows();
      await until(async () => (await rows()) > before + more, 20_000);
    };
    for (let restart = 0; restart < 3; restart += 1) {
      await untilMore(100);
      await server.restartImmediately();
    }
    await untilMore(300);
    going = false;
    backend.signal('SIGUSR2');
    const told = await Promise.all(running);

    await expectKept(budget, told, TOKENS);
    for (const { refusals, slowestMs, reserved, settled } of told) {
      expect(Object.keys(refusals).filter((code) => code !== 'ledger_unavailable')).toEqual([]);
      expect(reserved.length).toBeGreaterThan(20);
      expect(settled.length).toBeGreaterThan(20);
      expect(slowestMs).toBeLessThan(4 * 10_000);
    }
    const [patientTold, hastyTold] = told;
    expect(patientTold!.refusals).toEqual({});
    expect(hastyTold!.refusals['ledger_unavailable']).toBeGreaterThan(0);
    expect(hastyTold!.messages.join('\n')).toMatch(/could not be reached for 200 ms: /);
    expect(hastyTold!.slowestMs).toBeLessThan(4 * 200 + 3_000);
  }, 90_000);
});
