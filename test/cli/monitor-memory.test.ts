/** A monitor that is left open for days keeps nothing of what it has shown. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openBudget, tokens } from '../support/budget.ts';
import { heapAfterCollection, refresher } from '../support/refreshes.ts';

const MIB = 2 ** 20;

it('5,000 refreshes leave the heap as it was', { timeout: 120_000 }, async () => {
  setFlagsFromString('--expose-gc');
  globalThis.gc = runInNewContext('gc') as NonNullable<typeof globalThis.gc>;
  const { app, guard } = await openBudget('sqlite', { global: { hourly: 2_000 } });
  for (const aiType of ['imperium', 'guardian', 'sandbox']) {
    const { reservation } = await guard.reserve(tokens(300, 100, aiType));
    await guard.settle(reservation!.id, { inputTokens: 300, outputTokens: 50 });
    await guard.reserve(tokens(1_900, 0, aiType));
  }
  const refresh = refresher(app);
  await refresh(1_000);
  const before = heapAfterCollection();
  // Every refresh is another: its clock has gone on.
  expect(await refresh(5_000)).toBeGreaterThan(5_000);
  expect(heapAfterCollection() - before).toBeLessThan(MIB);
});
