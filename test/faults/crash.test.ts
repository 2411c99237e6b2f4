import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { startBackend, until, untilHourLasts } from '../support/processes.ts';

describe.each(DATABASES)('a backend that is killed on %s', (kind) => {
  it('leaves its holds held until their time, then charged in full, and never free', async () => {
    await untilHourLasts(20_000);
    const budget = await openBudget(kind, {
      start: new Date().toISOString(),
      global: { reservationTtl: 2, hourly: 350 },
    });
    const { app, guard } = await budget.another(systemRuntime);
    const backend = await startBackend(budget.target);
    const spend = { do: 'spend', tokens: 100, callers: 3, most: 1 } as const;
    const { ids } = await backend.ask<{ ids: string[] }>(spend);
    await backend.kill();

    const seen = new Set<string>();
    await until(async () => {
      const [used, held] = (await counts(app))['hour']!;
      seen.add(`${used} ${held}`);
      const { admitted, largestAdmissible } = await guard.check(tokens(51));
      expect([admitted, largestAdmissible]).toEqual([false, 50]);
      return held === 0;
    });
    expect([...seen]).toEqual(['0 300', '300 0']);

    const [, other] = [idOf(await guard.reserve(tokens(10))), await startBackend(budget.target)];
    const states = await sql(
      budget.target,
      'SELECT state, total_tokens FROM token_usage_logs WHERE reserved_tokens = 100',
    );
    expect(
      states.map(({ state, total_tokens }) => `${String(state)} ${String(total_tokens)}`),
    ).toEqual(Array(3).fill('expired 100'));
    const endings = ids.map((id, at) => ({ id, input: 20 + at * 100, output: 0 }));
    expect(await other.ask({ do: 'end', endings })).toEqual(
      endings.map(({ id, input }) => ({ id, state: 'settled', charged: input })),
    );
    expect((await counts(app))['hour']?.[0]).toBe(20 + 120 + 220);
  });
});
