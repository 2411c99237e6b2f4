import { spawn } from 'node:child_process';

export interface ProgramEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** What it wrote to standard output and standard error, the first 10,000 characters of each. */
  readonly output: string;
  readonly errors: string;
}

const MOST_TEXT = 10_000;

/**
 * Runs another program to its end, without input; an aborted signal ends it.
 * @returns null when there is no such program
 */
export function runProgram(
  name: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<ProgramEnd | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = (): void => void child.kill('SIGTERM');
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (said[name].length < MOST_TEXT) said[name] += text;
      });
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      signal.removeEventListener('abort', stop);
      if (error.code === 'ENOENT') resolve(null);
      else reject(error);
    });
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop);
      resolve({ code, output: said.stdout, errors: said.stderr });
    });
  });
}
