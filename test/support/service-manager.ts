/** A real unix datagram socket that hears what a service tells systemd. */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until } from './processes.ts';
import { temporaryDirectory } from './sqlite.ts';
import { PYTHON } from './python.ts';

const program = fileURLToPath(new URL('service-manager.py', import.meta.url));

export interface HeardByManager {
  readonly socket: string;
  /** The messages so far, each as its fields; without the times in them. */
  readonly messages: string[][];
  /** Waits until a field like this came, after the first `from` messages. */
  hears(field: RegExp, from?: number): Promise<void>;
}

/** @throws when systemd's programs are not installed */
export function requireSystemd(): void {
  try {
    execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error('systemd is not installed: apt-get install -y --no-install-recommends systemd');
  }
}

/** Starts it, and ends it with the test. It listens when this resolves. */
export async function startServiceManager(): Promise<HeardByManager> {
  requireSystemd();
  const socket = join(temporaryDirectory(), 'notify');
  const child = spawn(PYTHON, [program, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let listens = false;
  const messages: string[][] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (listens) messages.push(JSON.parse(line) as string[]);
    listens = true;
  });
  await until(() => listens);
  return {
    socket,
    messages,
    hears: (field, from = 0) =>
      until(
        () =>
          messages
            .slice(from)
            .flat()
            .some((each) => field.test(each)),
        20_000,
      ),
  };
}
