import { expect, it } from 'vitest';
import { openBudget, sql } from '../support/budget.ts';
import { windowOf } from '../support/counts.ts';
import { clockAt, startBackend } from '../support/processes.ts';

interface Spent {
  readonly ids: readonly string[];
  readonly codes: Readonly<Record<string, number>>;
}

/** A real process on an SQLite file, at a minute before one o'clock. */
async function openAt(global: object) {
  const { target, app } = await openBudget('sqlite', { global });
  const backend = await startBackend(target, { env: clockAt(Date.parse('2025-06-15T12:59:00Z')) });
  return {
    target,
    at: (time: string) => backend.ask({ do: 'clock', at: `2025-06-15T${time}Z` }),
    spend: (tokens: number, most = 1) =>
      backend.ask<Spent>({ do: 'spend', tokens, callers: 1, most }),
    settle: (id: string, input: number) =>
      backend.ask({ do: 'end', endings: [{ id, input, output: 0 }] }),
    /** Used and held tokens of the two hours. */
    hours: async () => {
      const windows = ['12', '13'].map((hour) => windowOf(app, null, `2025-06-15T${hour}`));
      return (await Promise.all(windows)).map(({ used, held }) => [used, held]);
    },
  };
}

it('a clock that steps back over an hour leaves each hold in its hour, and frees nothing', async () => {
  const { at, spend, settle, hours } = await openAt({ hourly: 150, reservationTtl: 60 });
  await at('13:00:01');
  const { ids } = await spend(100);
  await at('12:59:58');
  await spend(110);
  expect(await hours()).toEqual([
    [0, 110],
    [0, 100],
  ]);
  expect((await spend(41)).codes).toEqual({ window_exceeded: 1 });
  await settle(ids[0]!, 90);
  expect(await hours()).toEqual([
    [0, 110],
    [90, 0],
  ]);
  await at('13:00:02');
  expect((await spend(61)).codes).toEqual({ window_exceeded: 1 });
  await spend(60);
  expect(await hours()).toEqual([
    [0, 110],
    [90, 60],
  ]);
});

it('a clock that steps back neither ends a hold early nor forgets its time', async () => {
  const { target, at, spend, hours } = await openAt({ reservationTtl: 10 });
  await at('13:00:01');
  await spend(100);
  await at('12:59:58');
  await spend(1);
  expect(await hours()).toEqual([
    [0, 1],
    [0, 100],
  ]);
  await at('13:00:10.999');
  await spend(1);
  expect(await hours()).toEqual([
    [1, 0],
    [0, 101],
  ]);
  await at('13:00:11');
  await spend(1);
  expect(await hours()).toEqual([
    [1, 0],
    [100, 2],
  ]);
  const [{ created_at: created, settled_at: ended } = {}] = await sql(
    target,
    `SELECT created_at, settled_at FROM token_usage_logs WHERE total_tokens = 100`,
  );
  expect(String(created)).toMatch(/^2025-06-15 13:00:01/);
  expect(String(ended)).toMatch(/^2025-06-15 13:00:11/);
});

it('a clock that steps back frees no request rate', async () => {
  const { at, spend } = await openAt({ requestsPerMinute: 3 });
  await at('13:00:01');
  expect((await spend(1, 3)).ids).toHaveLength(3);
  for (const time of ['12:59:58', '13:00:01', '13:01:00.999']) {
    await at(time);
    expect((await spend(1)).codes).toEqual({ rate_exceeded: 1 });
  }
  await at('13:01:01');
  expect((await spend(1, 4)).ids).toHaveLength(3);
});
