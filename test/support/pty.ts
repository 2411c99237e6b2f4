/**
 * Runs the built command line in a real pseudo terminal, and shows what a person would see there: its
 * output goes through a terminal emulator, whose screen is read as text.
 */
import { fileURLToPath } from 'node:url';
import { spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { onTestFinished } from 'vitest';

const BINARY = fileURLToPath(new URL('../../bin/tokenctl.js', import.meta.url));
const CLOCK = new URL('process-clock.mjs', import.meta.url).href;
const WAIT_MS = 20_000;

export interface PtyOptions {
  /** Columns and rows; 80 x 24 by default. */
  readonly cols?: number;
  readonly rows?: number;
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandPtyOptions extends PtyOptions {
  /** The process's clock stands still at this instant. */
  readonly clock?: string;
}

export interface Pty {
  /** All lines since the start, also those that have scrolled away; none ends with spaces. */
  text(): string;
  /** What was printed, in lines as they were printed: not broken where the terminal is too narrow. */
  printed(): string[];
  /** The lines that the screen shows now. */
  screen(): string[];
  /** All that was written and is shown so far, with its control sequences. */
  written(): string;
  /** Whether it shows the alternate screen. */
  alternate(): boolean;
  /** The colours of the first place where this is shown: as the terminal's palette numbers, -1 for none. */
  colorOf(text: string): { readonly foreground: number; readonly bold: boolean };
  /** Waits until this is shown. @throws after 20 seconds, with the screen */
  waitFor(text: string | RegExp): Promise<void>;
  type(keys: string): void;
  resize(cols: number, rows: number): void;
  kill(signal?: string): void;
  /** The exit code, or 128 + the signal's number, once all output is shown. @throws after 20 seconds */
  exited(): Promise<number>;
}

/** Starts a shell, in which `tokenctl` is the command line. */
export function startShellInPty(script: string | null, options: PtyOptions): Pty {
  const define = `tokenctl() { '${process.execPath}' '${BINARY}' "$@"; }`;
  if (script !== null) return startProgramInPty('sh', ['-c', `${define}; ${script}`], options);
  const shell = startProgramInPty('sh', ['-i'], options);
  shell.type(`${define}\r`);
  return shell;
}

/** Starts the command line. When the test ends it is killed, if it still runs. */
export function startInPty(
  args: readonly string[],
  { clock, env, ...options }: CommandPtyOptions,
): Pty {
  const preload = clock === undefined ? [] : ['--import', CLOCK];
  return startProgramInPty(process.execPath, [...preload, BINARY, ...args], {
    ...options,
    env: {
      ...(clock === undefined ? {} : { TEST_CLOCK: clock, TEST_CLOCK_STOPPED: '1' }),
      ...env,
    },
  });
}

/** Starts any program, such as a shell. When the test ends it is killed, if it still runs. */
export function startProgramInPty(
  program: string,
  args: readonly string[],
  { cols = 80, rows = 24, home, env = {} }: PtyOptions,
): Pty {
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 1_000, allowProposedApi: true });
  const child = spawn(program, [...args], {
    ...{ name: env['TERM'] ?? 'xterm-256color', cols, rows, cwd: home },
    env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8', ...env },
  });
  let unseen = 0;
  let written = '';
  let code: number | null = null;
  const watchers = new Set<() => void>();
  const changed = (): void => {
    for (const watcher of watchers) watcher();
  };
  child.onData((data) => {
    unseen += 1;
    terminal.write(data, () => {
      unseen -= 1;
      written += data;
      changed();
    });
  });
  child.onExit(({ exitCode, signal = 0 }) => {
    code = signal === 0 ? exitCode : 128 + signal;
    changed();
  });
  onTestFinished(() => {
    if (code === null) child.kill('SIGKILL');
    terminal.dispose();
  });

  const lines = (from: number): string[] => {
    const { active } = terminal.buffer;
    return Array.from(
      { length: active.length - from },
      (_, row) => active.getLine(from + row)?.translateToString(true) ?? '',
    );
  };
  const text = (): string => lines(0).join('\n').trimEnd();
  /** Waits for something that only output or the end can bring. */
  const until = (what: string, holds: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        watchers.delete(check);
      };
      const check = (): void => {
        if (!holds()) return;
        done();
        resolve();
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`${what} did not come; the terminal shows:\n${text()}`));
      }, WAIT_MS);
      watchers.add(check);
      check();
    });

  return {
    text,
    screen: () => lines(terminal.buffer.active.baseY),
    printed() {
      const { active } = terminal.buffer;
      const printed: string[] = [];
      for (let row = 0; row < active.length; row += 1) {
        const line = active.getLine(row);
        // A row that goes on in the next one is full, also where it ends with spaces.
        const shown = line?.translateToString(active.getLine(row + 1)?.isWrapped !== true) ?? '';
        if (line?.isWrapped === true) printed.push((printed.pop() ?? '') + shown);
        else printed.push(shown);
      }
      return printed;
    },
    written: () => written,
    alternate: () => terminal.buffer.active.type === 'alternate',
    colorOf(wanted) {
      const all = lines(0);
      const row = all.findIndex((line) => line.includes(wanted));
      const cell = terminal.buffer.active.getLine(row)?.getCell(all[row]?.indexOf(wanted) ?? 0);
      if (cell === undefined) throw new Error(`"${wanted}" is not shown:\n${text()}`);
      return {
        foreground: cell.isFgDefault() ? -1 : cell.getFgColor(),
        bold: cell.isBold() !== 0,
      };
    },
    waitFor: (wanted) =>
      until(String(wanted), () =>
        typeof wanted === 'string' ? text().includes(wanted) : wanted.test(text()),
      ),
    type: (keys) => {
      child.write(keys);
    },
    resize(newCols, newRows) {
      terminal.resize(newCols, newRows);
      child.resize(newCols, newRows);
    },
    kill: (signal = 'SIGTERM') => {
      child.kill(signal);
    },
    async exited() {
      await until('the end', () => code !== null && unseen === 0);
      return code!;
    },
  };
}
