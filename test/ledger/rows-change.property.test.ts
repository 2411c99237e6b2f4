import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { testClock } from '../support/clock.ts';
import { expectCountsAgree, query, windowsOf } from '../support/counts.ts';
import { DATABASES } from '../support/databases.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { action, NOTE, perform, START } from '../support/row-changes.ts';

/**
 * Whatever writers, guards and operators do to the rows in whichever order, the triggers count what
 * the rows and adjustments add up to, no window falls below zero, and undoing every reset gives the
 * plain sum of the charges.
 */

async function lowest(app: App): Promise<number> {
  const windows = await windowsOf(app);
  return Math.min(
    0,
    ...windows.flatMap(({ used, held, requests, tokensIn, tokensOut }) => [
      used,
      held,
      requests,

      tokensIn,
      tokensOut,
    ]),
  );
}

describe.each(DATABASES)('rows that change on %s', (kind) => {
  it('are counted as they stand, never below zero, and rightly once every reset is undone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 25 }), async (actions) => {
        const clock = testClock(START);
        const world = {
          ...(await openTestLedger(kind, clock)),
          clock,
          reservations: [],
          resets: [],
        };
        const { app, target } = world;
        for (const act of actions) {
          await perform(world, act);
          expect(await app.verify({ repair: false })).toEqual([]);
          expect(await lowest(app)).toBe(0);
        }
        await expectCountsAgree(app, target);
        for (const id of world.resets) await app.undoReset(id, NOTE).catch(() => undefined);
        const resetSums = await query(
          target,
          'SELECT window_start FROM usage_adjustments WHERE reset_id IS NOT NULL GROUP BY reset_id, scope_kind, scope_name, window_start HAVING sum(used) <> 0 OR sum(requests) <> 0',
        );
        expect(resetSums).toEqual([]);
        await expectCountsAgree(app, target);
        await app.close();
      }),
      { numRuns: kind === 'sqlite' ? 60 : 25 },
    );
  }, 120_000);
});
