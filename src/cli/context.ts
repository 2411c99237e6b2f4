import type { App } from '../app.ts';
import { environmentDrift, settingsFromEnvironment } from '../budget/environment-limits.ts';
import type { Suggest } from '../budget/suggest.ts';
import { resolveDatabase, type DatabaseTarget } from '../config/database.ts';
import { loadConfig, type Config } from '../config/file.ts';
import { readTextFile } from '../platform/files.ts';
import type { Host } from '../platform/process.ts';
import type { Runtime } from '../platform/runtime.ts';
import type { Output } from './output.ts';
import type { Settings } from '../budget/limits.ts';
import { fixLine } from './views/text.ts';

/** The flags that name a database. */
export interface NamedDatabase {
  readonly database?: string;
  readonly config?: string;
}

export interface GlobalOptions extends NamedDatabase {
  readonly json?: boolean;
  readonly color: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

/** What a command gets: where to write, whom it acts for, and the way to the database. */
export interface CommandContext {
  readonly output: Output;
  readonly host: Host;
  readonly runtime: Runtime;
  readonly options: GlobalOptions;
  /** Whether it may create the default database; else a missing one is told. The command table says so. */
  readonly mayCreate: boolean;
  /** Ctrl-C no longer ends the process at once: the command stops by itself. */
  readonly takeInterrupts: () => void;
  /** Makes commands work on the database that these flags name. */
  readonly suggestFor: (named: NamedDatabase) => Suggest;
}

export interface Target {
  readonly target: DatabaseTarget;
  /** The limits that the environment asks for; null where it names none. */
  readonly wanted: Settings | null;
}

export function configOf({ host, options }: CommandContext): Promise<Config> {
  return loadConfig({
    named: options.config,
    directory: host.directory,
    userDirectory: host.configDirectory,
    systemDirectory: host.systemConfigDirectory,
  });
}

/** Which database it is, without touching it. @throws invalid_input */
export async function targetOf(context: CommandContext): Promise<Target> {
  const { host, options } = context;
  const config = await configOf(context);
  const target = resolveDatabase({
    flag: options.database,
    environment: host.environment,
    config: config.database,
    directory: host.directory,
    dataDirectory: host.dataDirectory,
    readSecret: readTextFile,
  });
  return { target, wanted: settingsFromEnvironment(host.environment) };
}

/**
 * Runs work on the opened database, and closes it. Says on standard error when the database was
 * created, and when the environment asks for other limits than those in force.
 */
export async function withApp<T>(
  context: CommandContext,
  work: (app: App) => Promise<T>,
  options: OpenOptions = {},
): Promise<T> {
  const app = await openedApp(context, options);
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

export interface OpenOptions {
  /** Warns when the environment asks for other limits than those in force; true by default. */
  readonly compareEnvironment?: boolean;
  /** How long one transaction may wait or take, in ms, where it is more than the usual 5 seconds. */
  readonly timeoutMs?: number;
}

export async function openedApp(
  context: CommandContext,
  { compareEnvironment = true, ...limits }: OpenOptions = {},
): Promise<App> {
  const { target, wanted } = await targetOf(context);
  const { openApp } = await import('../app.ts');
  const app = await openApp({
    ...{ target, runtime: context.runtime, firstSettings: wanted, ...limits },
    ...(context.mayCreate ? {} : { create: false }),
  });
  try {
    if (app.created) context.output.note(`created the database ${app.location}`);
    if (wanted !== null && compareEnvironment) await warnOfDrift(context.output, app, wanted);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Says where the environment asks for other limits than those in force. @throws ledger_unavailable */
export async function warnOfDrift(output: Output, app: App, wanted: Settings): Promise<void> {
  const drift = environmentDrift(wanted, (await app.limits()).settings);
  if (drift.length === 0) return;
  output.warn(`the environment's limits are not in force: ${drift.join('; ')}`);
  output.message(fixLine('tokenctl limits apply --env', output.stderrScreen));
}
