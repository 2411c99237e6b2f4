import { describe, expect, it } from 'vitest';
import { reserveInTime } from '../../src/guard/admission.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { idOf, openBudget, tokens } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';

describe.each(DATABASES)('a call that waits on %s', (kind) => {
  it('is denied once, however often it looks, and admitted when the hold before it has gone', async () => {
    const { app, guard, clock } = await openBudget(kind, { global: { requestsPerMinute: 1 } });
    idOf(await guard.reserve(tokens(10)));
    let looks = 0;
    const budget: Pick<typeof guard, 'reserve' | 'check'> = {
      reserve: (request) => guard.reserve(request),
      check: (request) => {
        looks += 1;
        // The minute is over at the third look.
        if (looks === 3) clock.advance(60_001);
        return guard.check(request);
      },
    };
    // Its own clock runs ahead of the database's: to it, the minute was over long ago.
    const runtime = { ...systemRuntime, nowMs: () => clock.nowMs() + 90_000 };
    const verdict = await reserveInTime(budget, tokens(10), 20_000, runtime, null);
    expect(verdict.admitted).toBe(true);
    expect(looks).toBe(3);
    expect((await app.status()).windows[0]).toMatchObject({ requests: 2, denied: 1 });
  });
});
