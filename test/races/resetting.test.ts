/** Resets and their undoing, by the command line, while real processes spend: no token is lost or made up. */
import { describe, expect, it } from 'vitest';
import { WINDOW_KINDS } from '../../src/budget/windows.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { openBudget } from '../support/budget.ts';
import type { Churned } from '../support/churn.mjs';
import { temporaryCli, type CliResult } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { startBackends, until, untilHourLasts } from '../support/processes.ts';

const PROCESSES = 8;
const AI_TYPES = ['imperium', 'guardian'];
const aiTypeOf = (process: number) => AI_TYPES[process % AI_TYPES.length];
/** What a call reserves, and what it is charged when it is settled (churn.mjs). */
const [RESERVED, CHARGED] = [10, 7];
const PLENTY = 1_000_000_000;

/** Of everything and of one AI type, of all windows and of one. */
const RESETS = [
  [],
  ['--ai-type', 'imperium'],
  ['--window', 'hour'],
  ['--ai-type', 'guardian', '--window', 'month'],
  [],
];
/** Neither as they were made nor the other way round. */
const UNDONE = [3, 1, 5, 2, 4];

describe.each(DATABASES)('resets while 8 processes spend on %s', (kind) => {
  it('give back the very numbers when they are undone, in whatever order', async () => {
    await untilHourLasts(30_000);
    const { target, another } = await openBudget(kind, {
      start: new Date().toISOString(),
      global: { monthly: PLENTY, enforcedMonthly: PLENTY },
    });
    const cli = temporaryCli();
    const run = (...args: string[]): Promise<CliResult> =>
      cli.run([...args, '--database', target.url, '--json']);
    const backends = await startBackends(PROCESSES, target);
    const churning = backends.map((backend, index) =>
      backend.ask<Churned>({
        ...{ do: 'churn', tokens: RESERVED, callers: 2 },
        aiType: aiTypeOf(index),
      }),
    );

    for (const [index, what] of RESETS.entries()) {
      // Where nothing was settled since the last reset, there is nothing to take yet.
      await until(async () => {
        const { code, stdout, stderr } = await run(
          ...['reset', ...what, '--reason', 'race', '--yes'],
        );
        expect([code, stderr]).toEqual([0, '']);
        const { id, changes } = JSON.parse(stdout) as { id: number | null; changes: object[] };
        if (id === null) return false;
        expect(id).toBe(index + 1);
        expect(changes).toContainEqual(expect.objectContaining({ after: 0 }));
        return true;
      });
    }
    for (const id of UNDONE) {
      const undo = ['reset', '--undo', String(id), '--yes'];
      expect(await run(...undo)).toMatchObject({ code: 0, stderr: '' });
      const again = await run(...undo);
      expect(again.code).toBe(1);
      expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'reset_undone' } });
    }
    for (const backend of backends) backend.signal('SIGUSR2');
    const churned = await Promise.all(churning);
    for (const { refusals, settled } of churned) {
      expect(refusals).toEqual({});
      expect(settled.length).toBeGreaterThan(0);
    }

    const { app } = await another(systemRuntime);
    for (const scope of ['global', ...AI_TYPES]) {
      const mine = churned.filter((_, index) => scope === 'global' || aiTypeOf(index) === scope);
      const settled = mine.reduce((sum, each) => sum + each.settled.length, 0);
      const requests = mine.reduce((sum, each) => sum + each.reserved.length, 0);
      const { windows } = await app.status(scope === 'global' ? {} : { aiType: scope });
      const counts = { used: settled * CHARGED, held: (requests - settled) * RESERVED, requests };
      expect(windows.filter((window) => window.scope === scope)).toMatchObject(
        WINDOW_KINDS.map((window) => ({ window, ...counts })),
      );
    }
    const verified = await run('db', 'verify');
    expect([verified.code, verified.stderr]).toEqual([0, '']);
    expect(JSON.parse(verified.stdout)).toMatchObject({ differences: [] });
  }, 60_000);
});
