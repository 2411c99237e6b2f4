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

type StopSignal = 'SIGINT' | 'SIGTERM';

/** A signal that aborts, with the name as its reason, when the process is asked to stop. */
export function stopSignal(): { readonly signal: AbortSignal; readonly forget: () => void } {
  const controller = new AbortController();
  const stop = (name: StopSignal): void => controller.abort(name);
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, stop);
  return {
    signal: controller.signal,
    forget: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop);
    },
  };
}

/** Waits, or less if the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Such as '20.20.2'. */
export const nodeVersion: string = process.versions.node;
