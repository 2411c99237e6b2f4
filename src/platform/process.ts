import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import envPaths from 'env-paths';

/** The process that tokenctl runs in, as data: so that what reads it can be tested with other data. */
export interface Host {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Where the user's data and configuration lie, and the system's configuration. */
  readonly dataDirectory: string;
  readonly configDirectory: string;
  readonly systemConfigDirectory: string;
  /** Who acts, for the record: `user@host`; null where the system knows no name. */
  readonly actor: string | null;
  /** Such as 'linux'. */
  readonly platform: string;
  readonly pid: number;
  /** The Node.js that runs this, as a whole path. */
  readonly nodePath: string;
}

export function systemHost(): Host {
  const paths = envPaths('tokenctl', { suffix: '' });
  return {
    environment: process.env,
    directory: process.cwd(),
    dataDirectory: paths.data,
    configDirectory: paths.config,
    systemConfigDirectory:
      process.platform === 'win32'
        ? join(process.env['ProgramData'] ?? 'C:\\ProgramData', 'tokenctl')
        : '/etc/tokenctl',
    get actor() {
      return actor();
    },
    platform: process.platform,
    pid: process.pid,
    nodePath: process.execPath,
  };
}

function actor(): string | null {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return null;
  }
}

/**
 * Ends the process at once when the user presses Ctrl-C; the databases roll back what was open.
 * @param tidy what is done before, such as cleaning the terminal
 * @returns what takes that back, for a command that stops by itself
 */
export function exitOnInterrupt(exitCode: number, tidy: () => void): () => void {
  const end = (): never => {
    tidy();
    process.exit(exitCode);
  };
  process.on('SIGINT', end);
  return () => process.off('SIGINT', end);
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number] | 'SIGHUP';

/**
 * A signal that aborts, with the name as its reason, when the process is asked to stop.
 * @param names SIGHUP too for what must tidy up when its terminal goes away
 */
export function stopSignal(names: readonly StopSignal[] = STOP_SIGNALS): {
  readonly signal: AbortSignal;
  readonly forget: () => void;
} {
  const controller = new AbortController();
  const stop = (name: StopSignal): void => controller.abort(name);
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    forget: () => {
      for (const name of names) process.off(name, stop);
    },
  };
}

/** Calls `tidy` when the process ends by itself or by an error that nobody caught, before that is printed. */
export function onUnexpectedEnd(tidy: () => void): () => void {
  process.on('uncaughtExceptionMonitor', tidy).on('exit', tidy);
  return () => process.off('uncaughtExceptionMonitor', tidy).off('exit', tidy);
}

/** Ends the process at once; the databases roll back what is open. */
export function endProcess(exitCode: number): never {
  process.exit(exitCode);
}

/**
 * Ends the process as a hang-up does that nobody handles. For when the terminal is gone: Node then fails
 * to reset it at a usual end, and aborts.
 */
export function endByHangUp(): void {
  process.kill(process.pid, 'SIGHUP');
}

/** Stops the process and its job as Ctrl-Z does, until the shell continues it. */
export function suspend(): void {
  if (process.platform !== 'win32') process.kill(0, 'SIGTSTP');
}

/** Calls `resumed` whenever the process goes on after it was stopped. */
export function onContinue(resumed: () => void): () => void {
  process.on('SIGCONT', resumed);
  return () => process.off('SIGCONT', resumed);
}

/**
 * Calls `asked` when the process is asked to read its configuration again (SIGHUP). For services only:
 * elsewhere the signal says that the terminal has gone.
 * @returns what takes that back
 */
export function onReload(asked: () => void): () => void {
  process.on('SIGHUP', asked);
  return () => process.off('SIGHUP', asked);
}

/** Waits, or less if the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Such as '20.20.2'. */
export const nodeVersion: string = process.versions.node;
