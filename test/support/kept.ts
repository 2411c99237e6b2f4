/** Holds what callers were told against what the database has, after a fault. */
import { expect } from 'vitest';
import { counts, sql, type Budget } from './budget.ts';
import type { Churned } from './churn.d.mts';
import { until } from './processes.ts';

/**
 * Every acknowledged reservation and settle is there, and nothing is counted twice: the windows are
 * what the rows say, and a reservation that nobody was told of is released again. Each reservation
 * must be of `tokens`, and made in this month.
 */
export async function expectKept(
  { app, target }: Pick<Budget, 'app' | 'target'>,
  told: readonly Pick<Churned, 'reserved' | 'settled'>[],
  tokens: number,
): Promise<void> {
  const reserved = told.flatMap((churned) => churned.reserved);
  const settled = new Set(told.flatMap((churned) => churned.settled));
  expect(new Set(reserved).size).toBe(reserved.length);
  const acknowledged = new Set(reserved);
  const readRows = () => sql(target, 'SELECT id, state, total_tokens FROM token_usage_logs');
  let rows = await readRows();
  await until(async () => {
    rows = await readRows();
    return rows.every(({ id, state }) => state !== 'reserved' || acknowledged.has(String(id)));
  });
  const states = new Map(
    rows.map((row) => [
      String(row['id']),
      `${String(row['state'])} ${String(row['total_tokens'])}`,
    ]),
  );
  const wrong = reserved.filter((id) => {
    const state = states.get(id);
    // A settle that was refused may have been committed.
    return settled.has(id)
      ? state !== 'settled 7'
      : state !== 'reserved 0' && state !== 'settled 7';
  });
  expect(wrong.map((id) => [id, states.get(id)])).toEqual([]);
  const having = (state: string) => rows.filter((row) => row['state'] === state).length;
  expect((await counts(app))['month']).toEqual([
    having('settled') * 7,
    having('reserved') * tokens,
  ]);
}
