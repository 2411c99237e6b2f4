/** `tokenctl gateway` as a process of its own, before the stand-in of the API. */
import { migrateDatabase } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { ROOMY } from './budget.ts';
import { temporaryCli, type Cli } from './cli.ts';
import { emptyDatabase, type DatabaseName } from './databases.ts';
import { startCli, type RunningCli } from './running-cli.ts';

export interface RunningGateway extends RunningCli {
  readonly url: string;
}

/** A database with limits of which only those that are named bind. */
export async function gatewayDatabase(
  kind: DatabaseName,
  global: Settings['global'] = {},
): Promise<DatabaseTarget> {
  const target = await emptyDatabase(kind);
  const firstSettings = { global: { ...ROOMY, ...global }, aiTypes: {} };
  await migrateDatabase({ target, runtime: systemRuntime, dryRun: false, firstSettings });
  return target;
}

interface Options {
  readonly cli?: Cli;
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
}

/** Starts it on a free port for the AI type imperium, and waits until it listens; killed when the test ends. */
export async function startGateway(
  target: DatabaseTarget,
  upstream: string,
  { cli = temporaryCli(), args = [], env = {} }: Options = {},
): Promise<RunningGateway> {
  const flags = ['--json', '--port', '0', '--ai-type', 'imperium', '--upstream', upstream];
  const running = startCli(cli, ['gateway', '--database', target.url, ...flags, ...args], env);
  await running.prints('stdout', /^\}$/m);
  const { url } = JSON.parse(running.lines().join('')) as { url: string };
  return { ...running, url };
}
