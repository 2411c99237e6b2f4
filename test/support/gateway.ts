/** `tokenctl gateway` as a process of its own, on a ledger of its own, before the stand-in of the API. */
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { onTestFinished } from 'vitest';
import type { Settings } from '../../src/budget/limits.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { startAnthropicApi, type AnthropicApi } from './anthropic-api.ts';
import { HELLO } from './anthropic-client.ts';
import { temporaryCli, type Cli } from './cli.ts';
import type { DatabaseName } from './databases.ts';
import { openTestLedger, UNLIMITED, type TestLedger } from './ledgers.ts';
import { until } from './processes.ts';
import { openSocket, requestBytes } from './raw-http.ts';
import { startCli, type RunningCli } from './running-cli.ts';

export interface RunningGateway extends RunningCli {
  readonly url: string;
}

interface Process {
  readonly cli?: Cli;
  /** Of calls that name none; null gives it none. */
  readonly aiType?: string | null;
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
}

/** Starts it on a free port, for the AI type imperium unless another is named, and waits until it listens; killed when the test ends. */
export async function startGateway(
  databaseUrl: string,
  upstream: string,
  { cli = temporaryCli(), aiType = 'imperium', args = [], env = {} }: Process = {},
): Promise<RunningGateway> {
  const flags = ['--json', '--port', '0', '--upstream', upstream, '--database', databaseUrl];
  const named = aiType === null ? [] : ['--ai-type', aiType];
  const running = startCli(cli, ['gateway', ...flags, ...named, ...args], { env });
  await running.prints('stdout', /\n/);
  const { url } = JSON.parse(running.lines()[0]!) as { url: string };
  return { ...running, url };
}

export interface OpenedGateway extends TestLedger {
  readonly api: AnthropicApi;
  readonly gateway: RunningGateway;
  /** The official SDK, with the gateway as its base URL. */
  readonly client: Anthropic;
  /** The month's used and held tokens, its requests, and how many of them failed. */
  readonly counts: () => Promise<{ used: number; held: number; requests: number; failed: number }>;
}

interface Options extends Process {
  readonly limits?: Settings['global'];
  readonly aiTypes?: Settings['aiTypes'];
  readonly sdk?: ClientOptions;
  /** In place of the stand-in. */
  readonly upstream?: string;
}

export async function openGateway(
  kind: DatabaseName,
  { limits = {}, aiTypes = {}, sdk = {}, upstream, ...process }: Options = {},
): Promise<OpenedGateway> {
  const api = await startAnthropicApi();
  onTestFinished(() => api.close());
  const settings = { aiTypes, global: { ...UNLIMITED.global, ...limits } };
  const ledger = await openTestLedger(kind, systemRuntime, settings);
  const gateway = await startGateway(ledger.target.url, upstream ?? api.url, process);
  return {
    ...ledger,
    api,
    gateway,
    client: new Anthropic({ apiKey: 'sk-test', baseURL: gateway.url, ...sdk }),
    counts: async () => {
      const { used, held, requests, failed } = (await ledger.app.status()).windows[0]!;
      return { used, held, requests, failed };
    },
  };
}

const STREAM = {
  headers: ['X-Api-Key: sk-test', 'X-Scenario: slow'],
  body: JSON.stringify({ ...HELLO, stream: true }),
};

/** The first call of a gateway: a stream that has delivered two of its three deltas, and goes on when the test says so. */
export async function openStream(
  gatewayUrl: string,
  api: AnthropicApi,
): Promise<{ received: () => string }> {
  const socket = openSocket(gatewayUrl);
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.write(requestBytes(gatewayUrl, STREAM));
  await until(() => received.includes('message_start'));
  api.calls[0]!.send(2);
  await until(() => received.split('event: content_block_delta').length === 3);
  return { received: () => received };
}
