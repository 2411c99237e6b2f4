import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/ledger/port.ts';
import { query } from '../support/counts.ts';
import { DATABASES, emptyDatabase } from '../support/databases.ts';
import { simulateWorld } from './simulate.ts';

/** A short share of `npm run simulate`. */

describe.each(DATABASES)('the simulation on %s', (kind) => {
  it.each([1, 2])('finds nothing with seed %i', { timeout: 120_000 }, async (seed) => {
    const target = await emptyDatabase(kind);
    const { steps } = await simulateWorld({ target, seed, world: 0, steps: 5_000 });
    expect(steps.get('reserve')).toBeGreaterThan(1_500);
    expect(steps.get('settle')).toBeGreaterThan(300);
    expect(steps.get('foreign insert')).toBeGreaterThan(10);
  });

  it('sees an answer that is wrong', { timeout: 120_000 }, async () => {
    const target = await emptyDatabase(kind);
    // Decides without the counts.
    const blind = (connection: Connection): Connection => ({
      ...connection,
      transaction: (mode, work) =>
        connection.transaction(mode, (ops) =>
          work(mode === 'read' ? ops : { ...ops, windows: () => [] }),
        ),
    });
    const run = simulateWorld({ target, seed: 1, world: 0, steps: 5_000, tamper: blind });
    await expect(run).rejects.toThrow(
      /with seed 1, .*they disagree: an answer[^]*npm run simulate -- --database \w+ --seed 1 --world 0 --steps 5000$/,
    );
  });

  it('sees a counter that is wrong', { timeout: 120_000 }, async () => {
    const target = await emptyDatabase(kind);
    let transactions = 0;
    const clumsy = (connection: Connection): Connection => ({
      ...connection,
      async transaction(mode, work) {
        const result = await connection.transaction(mode, work);
        transactions += 1;
        // No decision reads what has failed.
        if (transactions === 20) {
          await query(
            target,
            "UPDATE usage_windows SET failed = failed + 1 WHERE window_kind = 'day'",
          );
        }
        return result;
      },
    });
    const run = simulateWorld({ target, seed: 2, world: 0, steps: 3_000, tamper: clumsy });
    await expect(run).rejects.toThrow(/with seed 2, .*they disagree: (windows|status of)/);
  });
});

it('repeats on SQLite what its seed did before', { timeout: 120_000 }, async () => {
  const run = async () => {
    const target = await emptyDatabase('sqlite');
    const { steps, outcomes } = await simulateWorld({ target, seed: 7, world: 3, steps: 1_500 });
    return { steps, outcomes };
  };
  expect(await run()).toEqual(await run());
});
