import type Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { HELLO, openBudgetedClient, type BudgetedClient } from '../support/anthropic-client.ts';
import { totalOf } from '../support/anthropic-answers.ts';
import { DATABASES } from '../support/databases.ts';
import { until } from '../support/processes.ts';

const CALLS = 1_000;
const AT_ONCE = 25;

type Make = (
  budgeted: BudgetedClient,
  options: { headers: Record<string, string> },
) => Promise<unknown>;

const whole: Make = ({ client }, options) => client.messages.create(HELLO, options);
const streamed: Make = ({ client }, options) =>
  client.messages.stream(HELLO, options).finalMessage();
const beta: Make = ({ client }, options) => client.beta.messages.create(HELLO, options);
const failing: Make = (budgeted, options) =>
  whole(budgeted, options).then(
    () => expect.unreachable(),
    () => undefined,
  );

/** Reads two deltas of a stream, then leaves it. */
const leaving: Make = async ({ client, api }, options) => {
  const stream = await client.messages.create({ ...HELLO, stream: true }, options);
  const call = api.calls.find(({ headers }) => headers['x-call'] === options.headers['x-call']);
  call?.send(2);
  let seen = 0;
  for await (const event of stream as AsyncIterable<Anthropic.RawMessageStreamEvent>) {
    if (event.type === 'content_block_delta') seen += 1;
    if (seen === 2) break;
  }
  await until(() => call?.state === 'aborted');
};

/** Each kind of call, and what the stand-in does for it. */
const MIX: readonly (readonly [make: Make, scenario: string])[] = [
  [whole, 'ok'],
  [streamed, 'ok:7'],
  [whole, 'cached'],
  [streamed, 'cached'],
  [streamed, 'tool'],
  [beta, 'thinking'],
  [streamed, 'status:429:1'],
  [whole, 'status:529:2'],
  [failing, 'status:400'],
  [failing, 'final:429'],
  [failing, 'status:500'],
  [leaving, 'slow'],
];

describe.each(DATABASES)('1,000 mixed calls on %s', (kind) => {
  it("are charged what the provider's own books say, to the token", async () => {
    const budgeted = await openBudgetedClient(kind);
    let next = 0;
    const caller = async (): Promise<void> => {
      for (let number = next++; number < CALLS; number = next++) {
        const [make, scenario] = MIX[number % MIX.length]!;
        await make(budgeted, { headers: { 'x-scenario': scenario, 'x-call': String(number) } });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, caller));
    await until(async () => (await budgeted.counts()).held === 0);

    const status = await budgeted.app.status();
    const books = budgeted.api.calls.map(({ billed }) => billed);
    const input = books.reduce((sum, billed) => sum + totalOf(billed) - billed.output, 0);
    const output = books.reduce((sum, billed) => sum + billed.output, 0);
    expect(status.windows[0]).toMatchObject({ used: input + output, held: 0, requests: CALLS });
    expect(status.aiTypes).toMatchObject([
      { aiType: 'imperium', inputTokens: input, outputTokens: output, requests: CALLS },
    ]);
    expect(await budgeted.app.verify({ repair: false })).toEqual([]);
  });
});
