/** A command that stays, with what it has printed so far. */
import type { ChildProcess } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { finished, type Cli, type CliOptions, type CliResult } from './cli.ts';
import { until } from './processes.ts';

export interface RunningCli {
  readonly child: ChildProcess;
  /** Waits until one of its streams has printed this. */
  prints(stream: 'stdout' | 'stderr', text: string | RegExp): Promise<void>;
  lines(): string[];
  done: Promise<CliResult>;
}

/** Starts it, and kills it when the test ends. */
export function startCli(cli: Cli, args: string[], options: CliOptions = {}): RunningCli {
  const child = cli.start(args, options);
  const printed = { stdout: '', stderr: '' };
  const done = finished(child);
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (text: string) => {
      printed[name] += text;
    });
  }
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return {
    child,
    done,
    lines: () => printed.stdout.split('\n').filter((line) => line !== ''),
    prints: (stream, text) => until(() => new RegExp(text).test(printed[stream]), 20_000),
  };
}
