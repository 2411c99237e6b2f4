/** The official SDK under the budget, on the stand-in of the API. */
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import type { MessageCreateParamsNonStreaming } from '@anthropic-ai/sdk/resources/messages';
import { expect, onTestFinished } from 'vitest';
import type { Settings } from '../../src/budget/limits.ts';
import { tokenctlMiddleware, type AnthropicOptions } from '../../src/guard/anthropic.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { startAnthropicApi, type AnthropicApi } from './anthropic-api.ts';
import type { DatabaseName } from './databases.ts';
import { until } from './processes.ts';
import { openTestLedger, UNLIMITED, type TestLedger } from './ledgers.ts';

/** Its model is none of Anthropic's: text is estimated for it as the stand-in bills it. */
export const HELLO: MessageCreateParamsNonStreaming = {
  model: 'stand-in-1',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'hello there' }],
};

/** What the stand-in bills for its input, and what the budget holds for it. */
export const INPUT = 20;
export const ESTIMATE = 3 + 8 + 100;

export interface BudgetedClient extends TestLedger {
  readonly api: AnthropicApi;
  readonly client: Anthropic;
  /** The month's used and held tokens, its requests, and how many of them failed. */
  readonly counts: () => Promise<Counts>;
  /** The same, once nothing is held: on a busy disk an end may be durable after its call is over. */
  readonly ended: () => Promise<Counts>;
}

interface Counts {
  readonly used: number;
  readonly held: number;
  readonly requests: number;
  readonly failed: number;
}

interface Options extends Partial<AnthropicOptions> {
  readonly limits?: Settings['global'];
  readonly aiTypes?: Settings['aiTypes'];
  readonly sdk?: ClientOptions;
}

export async function openBudgetedClient(
  kind: DatabaseName,
  { limits = {}, aiTypes = {}, sdk = {}, ...options }: Options = {},
): Promise<BudgetedClient> {
  const api = await startAnthropicApi();
  onTestFinished(() => api.close());
  const settings = { aiTypes, global: { ...UNLIMITED.global, ...limits } };
  const ledger = await openTestLedger(kind, systemRuntime, settings);
  const client = new Anthropic({
    apiKey: 'test',
    baseURL: api.url,
    middleware: [tokenctlMiddleware(ledger.guard, { aiType: 'imperium', ...options })],
    ...sdk,
  });
  const counts = async (): Promise<Counts> => {
    const { used, held, requests, failed } = (await ledger.app.status()).windows[0]!;
    return { used, held, requests, failed };
  };
  const ended = async (): Promise<Counts> => {
    await until(async () => (await counts()).held === 0);
    return counts();
  };
  return { ...ledger, api, client, counts, ended };
}

/** The header that says what the stand-in does. */
export const scenario = (name: string) => ({ headers: { 'x-scenario': name } });

/** How a call fails, which it must. */
export const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

/** Reads a stream to its end. */
export async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  const events = stream[Symbol.asyncIterator]();
  while ((await events.next()).done !== true);
}
