/** Backends as real processes of their own, which a test tells what to do, and may kill. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';

const script = fileURLToPath(new URL('backend.mjs', import.meta.url));
const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

export interface Script {
  readonly child: ChildProcessWithoutNullStreams;
  /** How it ended, when all that it wrote was read. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** What it wrote to stderr so far. */
  readonly errors: () => string;
}

/** Starts a script of the tests, on the built library, with one argument of any kind. */
export function startScript(
  path: string,
  argument: unknown,
  env: Readonly<Record<string, string>> = {},
): Script {
  if (!existsSync(built)) throw new Error('backends run the built library: npm run build');
  const child = spawn(process.execPath, [path, JSON.stringify(argument)], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  // Written to after it was killed.
  child.stdin.on('error', () => undefined);
  const exited = once(child, 'close').then(([code, signal]: unknown[]) => ({
    code: code as number | null,
    signal: signal as string | null,
  }));
  return { child, exited, errors: () => errors };
}

export interface Backend {
  /** Asks for one piece of work, and waits for its answer. */
  ask<T>(
    command: {
      do: 'spend' | 'end' | 'journal' | 'churn' | 'lock' | 'status' | 'log' | 'clock';
    } & Record<string, unknown>,
  ): Promise<T>;
  /** The next line that it says by itself. */
  hear(): Promise<unknown>;
  readonly pid: number;
  /** SIGUSR2 ends a churn. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGUSR2'): void;
  /** Ends it as a crash would: no handler of it runs. */
  kill(): Promise<void>;
}

interface BackendOptions {
  readonly timeoutMs?: number;
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a backend on a database; it is open when this resolves. */
export async function startBackend(
  target: DatabaseTarget,
  { timeoutMs = 20_000, env = {} }: BackendOptions = {},
): Promise<Backend> {
  const argument = { databaseUrl: target.url, timeoutMs };
  const { child, exited, errors } = startScript(script, argument, env);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value, done } = (await lines.next()) as IteratorResult<string, undefined>;
    if (done === true) throw new Error(`the backend ended: ${errors()}`);
    return JSON.parse(value);
  };
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  await answer();
  return {
    async ask<T>(command: object) {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      return (await answer()) as T;
    },
    hear: answer,
    pid: child.pid!,
    signal: (name) => child.kill(name),
    kill,
  };
}

export function startBackends(count: number, target: DatabaseTarget): Promise<Backend[]> {
  return Promise.all(Array.from({ length: count }, () => startBackend(target)));
}

/** Waits until the condition holds, looking often. @throws when it does not hold in time */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not so within ${timeoutMs} ms`);
    await sleep(5);
  }
}

const clock = new URL('process-clock.mjs', import.meta.url).href;

/** The environment of a real process whose clock starts at this instant, in ms. */
export function clockAt(atMs: number): Record<string, string> {
  return {
    NODE_OPTIONS: `--import ${clock}`,
    TEST_CLOCK: new Date(atMs).toISOString(),
  };
}

const HOUR_MS = 3_600_000;

/** Real processes run on the real clock: where an hour is about to turn, waits until it has. */
export async function untilHourLasts(ms: number): Promise<void> {
  const leftMs = HOUR_MS - (Date.now() % HOUR_MS);
  if (leftMs < ms) await sleep(leftMs + 50);
}
