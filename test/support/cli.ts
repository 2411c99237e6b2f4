/** Runs the built command line as a user would, in an environment that holds nothing else. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './sqlite.ts';

const BINARY = fileURLToPath(new URL('../../bin/tokenctl.js', import.meta.url));

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  env?: Record<string, string>;
  input?: string;
  /** A shell's line that runs it as "$@", to redirect its streams. */
  shell?: string;
}

export interface Cli {
  home: string;
  /** The default database's file. */
  database: string;
  run(args: string[], options?: CliOptions): Promise<CliResult>;
  start(args: string[], options?: CliOptions): ChildProcess;
  /** Runs a line of a shell, in which `tokenctl` is this command line. */
  shell(line: string): Promise<CliResult>;
}

/** Takes from root what lets it write where the modes of files say that it may not. */
const BOUND_BY_MODES =
  process.getuid?.() === 0
    ? ['setpriv', '--bounding-set=-dac_override', '--inh-caps=-dac_override']
    : [];

/**
 * A user's home of its own, with the command line in it. Call it in a test or a `beforeEach`. With
 * `boundByModes` the modes of files bind it also where the tests run as root. A `home` that is named is
 * the caller's to remove, so that tests may run beside each other.
 */
export function temporaryCli({ boundByModes = false, home = temporaryDirectory() } = {}): Cli {
  const spawned = (words: string[], { env = {} }: CliOptions = {}): ChildProcess =>
    spawn(words[0]!, words.slice(1), {
      cwd: home,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: home,
        XDG_DATA_HOME: join(home, 'data'),
        XDG_CONFIG_HOME: join(home, 'config'),
        LANG: 'C.UTF-8',
        ...env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  const start = (args: string[], options: CliOptions = {}): ChildProcess => {
    const inShell = options.shell === undefined ? [] : ['bash', '-c', options.shell, 'bash'];
    const bound = boundByModes ? BOUND_BY_MODES : [];
    return spawned([...inShell, ...bound, process.execPath, BINARY, ...args], options);
  };
  return {
    home,
    database: join(home, 'data', 'tokenctl', 'tokenctl.db'),
    start,
    run: (args, options = {}) => finished(start(args, options), options.input ?? ''),
    shell: (line) =>
      finished(
        spawned(['sh', '-c', `tokenctl() { '${process.execPath}' '${BINARY}' "$@"; }\n${line}`]),
      ),
  };
}

export function finished(child: ChildProcess, input = ''): Promise<CliResult> {
  const result = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      result[name] += text;
    });
  }
  // A command that does not read its input may be gone before it comes.
  child.stdin?.on('error', () => undefined).end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...result }));
  });
}
