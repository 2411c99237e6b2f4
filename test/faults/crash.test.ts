import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, idOf, openBudget, sql, tokens } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { startBackend, until, untilHourLasts } from '../support/processes.ts';
import { temporaryDirectory } from '../support/sqlite.ts';

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

  it('at random moments, 30 times, loses nothing that was acknowledged, and counts no more', async () => {
    const budget = await openBudget(kind, { global: { reservationTtl: 3_600 } });
    const { app } = await budget.another(systemRuntime);
    const directory = temporaryDirectory();
    const killed: string[] = [];
    const life = async (number: number): Promise<void> => {
      const journal = join(directory, `${number}.journal`);
      const backend = await startBackend(budget.target);
      const working = backend.ask({
        do: 'journal',
        tokens: 10,
        callers: 6,
        journal,
        settles: true,
      });
      working.catch(() => undefined);
      await until(() => existsSync(journal) && statSync(journal).size > 0);
      await systemRuntime.sleep(Math.random() * 80);
      await backend.kill();
      killed.push(journal);
    };
    for (let round = 0; round < 10; round += 1) {
      await Promise.all([0, 1, 2].map((lane) => life(round * 3 + lane)));
      if (round % 3 === 0) expect(await app.verify({ repair: false })).toEqual([]);
    }
    const acknowledged = killed.flatMap((file) =>
      readFileSync(file, 'utf8').split('\n').slice(0, -1),
    );
    const rows = new Map(
      (await sql(budget.target, 'SELECT id, state, total_tokens FROM token_usage_logs')).map(
        (row) => [String(row['id']), row],
      ),
    );
    const lost = acknowledged.filter((line) => {
      const [what, id] = line.split(' ');
      const row = rows.get(id!);
      return row === undefined || (what === 'settled' && Number(row['total_tokens']) !== 7);
    });
    expect(lost).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(100);
    // What was committed without its answer being read: at most what each had in flight.
    const reserved = acknowledged.filter((line) => line.startsWith('reserved')).length;
    expect(rows.size - reserved).toBeLessThanOrEqual(30 * 6);
    const [month] = (await app.status()).windows;
    const settled = [...rows.values()].filter(({ state }) => state === 'settled').length;
    expect(month).toMatchObject({ used: settled * 7, held: (rows.size - settled) * 10 });
  }, 90_000);
});
