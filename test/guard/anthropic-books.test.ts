import { describe, expect, it } from 'vitest';
import { openBudgetedClient } from '../support/anthropic-client.ts';
import { booksOf, makeMixedCalls } from '../support/anthropic-mix.ts';
import { DATABASES } from '../support/databases.ts';

const CALLS = 1_000;

describe.each(DATABASES)('1,000 mixed calls on %s', (kind) => {
  it("are charged what the provider's own books say, to the token", async () => {
    const budgeted = await openBudgetedClient(kind);
    await makeMixedCalls(budgeted, CALLS);

    await budgeted.ended();
    const status = await budgeted.app.status();
    const { input, output } = booksOf(budgeted.api);
    expect(status.windows[0]).toMatchObject({ used: input + output, held: 0, requests: CALLS });
    expect(status.aiTypes).toMatchObject([
      { aiType: 'imperium', inputTokens: input, outputTokens: output, requests: CALLS },
    ]);
    expect(await budgeted.app.verify({ repair: false })).toEqual([]);
  });
});
