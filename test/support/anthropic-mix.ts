/** Calls of every kind and every ending, for tests that hold what is charged against the stand-in's books. */
import type Anthropic from '@anthropic-ai/sdk';
import { expect } from 'vitest';
import { totalOf } from './anthropic-answers.ts';
import type { AnthropicApi } from './anthropic-api.ts';
import { HELLO } from './anthropic-client.ts';
import { until } from './processes.ts';

interface MixCaller {
  readonly client: Anthropic;
  readonly api: AnthropicApi;
}

type Make = (caller: MixCaller, options: { headers: Record<string, string> }) => Promise<unknown>;

const whole: Make = ({ client }, options) => client.messages.create(HELLO, options);
const streamed: Make = ({ client }, options) =>
  client.messages.stream(HELLO, options).finalMessage();
const beta: Make = ({ client }, options) => client.beta.messages.create(HELLO, options);
const failing: Make = (caller, options) =>
  whole(caller, options).then(
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

/** Makes so many calls, 25 at a time. */
export async function makeMixedCalls(caller: MixCaller, count: number): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++) {
      const [make, scenario] = MIX[number % MIX.length]!;
      await make(caller, { headers: { 'x-scenario': scenario, 'x-call': String(number) } });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

const AT_ONCE = 25;

/** What the stand-in billed for all calls, in tokens. */
export function booksOf({ calls }: AnthropicApi): { input: number; output: number } {
  const books = calls.map(({ billed }) => billed);
  return {
    input: books.reduce((sum, billed) => sum + totalOf(billed) - billed.output, 0),
    output: books.reduce((sum, billed) => sum + billed.output, 0),
  };
}
