import { fstatSync, writeFileSync } from 'node:fs';
import { Chalk, type ChalkInstance } from 'chalk';
import { jsonWith, type Suggest } from '../budget/suggest.ts';

/**
 * The terminal: the result goes to standard output, everything else to standard error. What may be
 * written there (colour, width, characters) is decided once, here.
 */

export interface Symbols {
  readonly tick: string;
  readonly cross: string;
  readonly arrow: string;
  /** The parts of a bar: used, held and free. */
  readonly full: string;
  readonly held: string;
  readonly empty: string;
  /** Bars of a sparkline, from nothing to the peak. */
  readonly heights: string;
}

/** What a view needs to know of the place where it is shown. */
export interface Screen {
  readonly width: number;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  /** The local clock's distance from UTC at a time, in minutes; without it times are in UTC. */
  readonly utcOffsetMinutes?: (atMs: number) => number;
  readonly suggest?: Suggest;
}

/** How much a line matters to who reads the system's journal. */
export type Severity = 'critical' | 'error' | 'warning' | 'notice' | 'info';

/** syslog's numbers, by which journalctl -p filters. */
const PRIORITIES: Readonly<Record<Severity, number>> = {
  ...{ critical: 2, error: 3, warning: 4 },
  ...{ notice: 5, info: 6 },
};

interface Stream {
  readonly isTTY: boolean;
  /** Goes to the system's journal, which takes a priority before each line. */
  readonly isJournal: boolean;
  readonly columns: number | null;
  /** Nobody reads it any more, or it can't be written. */
  readonly closed: boolean;
  write(text: string): void;
  /** Waits until all is out. Why some could not be written, in words; null also where nobody reads it. */
  flushed(): Promise<string | null>;
}

export interface Terminal {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly stdinIsTTY: boolean;
  /** Where a person is asked: never the stream that holds the result. */
  openDialogue(): { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream };
  openCanvas(): Canvas;
}

/** A terminal that one view draws on by itself, and whose keys it gets. */
export interface Canvas {
  readonly size: { readonly columns: number; readonly rows: number };
  /** Text and control sequences, as they are. */
  write(text: string): void;
  /**
   * Gives each key at once and unseen, Ctrl-C and Ctrl-Z too, until it is taken back by what this
   * returns.
   */
  listen(onKeys: (keys: string) => void, onResize: () => void): () => void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  /** false for `--no-color`. */
  readonly color: boolean;
  readonly suggest: Suggest;
}

export interface Output extends OutputOptions {
  readonly screen: Screen;
  readonly stderrScreen: Screen;
  readonly stdoutIsTTY: boolean;
  readonly stderrIsTTY: boolean;
  /** Both ends are a person's terminal, so that questions can be asked. */
  readonly interactive: boolean;
  readonly openDialogue: Terminal['openDialogue'];
  /** The result goes to a terminal that can be redrawn, and keys come from one. */
  readonly drawable: boolean;
  readonly openCanvas: Terminal['openCanvas'];
  /** Nobody reads the result any more, or it can't be written. */
  readonly closed: boolean;
  /** The result, for people. */
  result(text: string, severity?: Severity): void;
  /** The result, for programs: one JSON document. */
  document(value: unknown): void;
  /** One line of several documents (NDJSON). */
  line(value: unknown): void;
  /** What is good to know; silent with --quiet. */
  note(text: string): void;
  /** What must be known, also with --quiet. */
  warn(text: string): void;
  /** Text for standard error, as it is. */
  message(text: string, severity?: Severity): void;
  /** One line on standard error's terminal in place of the last such, cut to fit; empty takes it away. */
  progress(text: string): void;
}

export const UNICODE: Symbols = {
  ...{ tick: '✓', cross: '✗', arrow: '→' },
  ...{ full: '█', held: '▒', empty: '░' },
  heights: '▁▂▃▄▅▆▇█',
};
export const ASCII: Symbols = {
  ...{ tick: 'ok', cross: 'NO', arrow: '->' },
  ...{ full: '#', held: '=', empty: '.' },
  heights: '_.:-=+*#',
};

const DEFAULT_WIDTH = 80;

type Environment = Readonly<Record<string, string | undefined>>;

export function createOutput(
  terminal: Terminal,
  environment: Environment,
  options: OutputOptions,
): Output {
  const { stdout, stderr } = terminal;
  const screenOf = (stream: Stream): Screen => ({
    // A terminal that does not know its width says 0.
    width: stream.columns || DEFAULT_WIDTH,
    colors: new Chalk({ level: colorLevel(stream.isTTY, environment, options.color) }),
    // Block characters off a terminal would end in files and filters.
    symbols: stream.isTTY && isUtf8(environment) ? UNICODE : ASCII,
    utcOffsetMinutes: (atMs) => -new Date(atMs).getTimezoneOffset(),
    suggest: options.suggest,
  });
  const stderrScreen = screenOf(stderr);
  const { suggest } = options;
  // A terminal also shows the ^C that ends it, which must not begin another line.
  const room = stderrScreen.width - '^C'.length - 1;
  const say = (text: string, severity: Severity = 'info'): void =>
    stderr.write(linesFor(stderr, text, severity));
  return {
    ...options,
    screen: screenOf(stdout),
    stderrScreen,
    stdoutIsTTY: stdout.isTTY,
    stderrIsTTY: stderr.isTTY,
    get interactive() {
      return terminal.stdinIsTTY && stderr.isTTY;
    },
    openDialogue: () => terminal.openDialogue(),
    get drawable() {
      return stdout.isTTY && terminal.stdinIsTTY && environment['TERM'] !== 'dumb';
    },
    openCanvas: () => terminal.openCanvas(),
    get closed() {
      return stdout.closed;
    },
    result: (text, severity = 'info') => stdout.write(linesFor(stdout, text, severity)),
    document: (value) => stdout.write(`${jsonWith(suggest, value, 2)}\n`),
    line: (value) => stdout.write(`${jsonWith(suggest, value)}\n`),
    note: (text) => {
      if (!options.quiet) say(`tokenctl: ${text}`);
    },
    warn: (text) => say(`tokenctl: ${stderrScreen.colors.yellow('warning:')} ${text}`, 'warning'),
    message: say,
    progress: (text) => {
      if (stderr.isTTY && !options.quiet) stderr.write(`\r\u001b[K${text.slice(0, room)}`);
    },
  };
}

function linesFor({ isJournal }: Stream, text: string, severity: Severity): string {
  if (!isJournal) return `${text}\n`;
  const priority = `<${String(PRIORITIES[severity])}>`;
  return text.replaceAll(/^/gm, priority) + '\n';
}

/**
 * 0 none, 1 sixteen colours, 2 256, 3 all. `--no-color` first, then NO_COLOR, FORCE_COLOR, and
 * whether it is a terminal that can.
 */
export function colorLevel(
  isTTY: boolean,
  environment: Environment,
  wanted: boolean,
): 0 | 1 | 2 | 3 {
  if (!wanted || (environment['NO_COLOR'] ?? '') !== '') return 0;
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined) {
    if (forced === '0' || forced === 'false') return 0;
    return forced === '2' ? 2 : forced === '3' ? 3 : 1;
  }
  return isTTY && environment['TERM'] !== 'dumb' ? 1 : 0;
}

/** Whether the locale's characters are UTF-8; on Windows, whether the terminal is one that shows them. */
export function isUtf8(environment: Environment): boolean {
  const locale = [environment['LC_ALL'], environment['LC_CTYPE'], environment['LANG']].find(
    (value) => value !== undefined && value !== '',
  );
  if (locale !== undefined) return /utf-?8/i.test(locale);
  return environment['WT_SESSION'] !== undefined;
}

/** The real terminal. A reader that goes away (`| head`) ends the writing, not the command. */
export function systemTerminal(): Terminal {
  const stdout = streamOf(process.stdout);
  return {
    stdout,
    stderr: streamOf(process.stderr),
    // Reading process.stdin opens it, which a start need not pay for.
    get stdinIsTTY() {
      return process.stdin.isTTY;
    },
    openDialogue: () => ({ input: process.stdin, output: process.stderr }),
    openCanvas: () => canvasOn(stdout),
  };
}

const DEFAULT_HEIGHT = 24;

function canvasOn(stream: Stream): Canvas {
  const { stdin, stdout } = process;
  return {
    get size() {
      return { columns: stdout.columns || DEFAULT_WIDTH, rows: stdout.rows || DEFAULT_HEIGHT };
    },
    write: (text) => {
      stream.write(text);
    },
    listen(onKeys, onResize) {
      stdin.setRawMode(true);
      stdin.setEncoding('utf8').on('data', onKeys).on('error', ignore).resume();
      stdout.on('resize', onResize);
      return () => {
        stdout.off('resize', onResize);
        stdin.off('data', onKeys).off('error', ignore).pause();
        // A terminal that is gone has no mode.
        if (!stream.closed) stdin.setRawMode(false);
      };
    },
  };
}

/** A terminal that is gone is noticed by its hang-up. */
function ignore(): void {
  // Nothing to do.
}

function streamOf(stream: NodeJS.WriteStream & { readonly fd: number }): Stream {
  let closed = false;
  let failure: string | null = null;
  const fail = (error: NodeJS.ErrnoException): void => {
    closed = true;
    // The reader has gone, or the terminal.
    if (error.code === 'EPIPE' || (error.code === 'EIO' && stream.isTTY)) return;
    failure = WRITE_PROBLEMS[error.code ?? ''] ?? error.message;
  };
  stream.on('error', fail);
  const file = fstatSync(stream.fd);
  const write = file.isFile()
    ? (text: string): void => {
        // A stream would lose in silence what has no room left on the disk.
        try {
          writeFileSync(stream.fd, text);
        } catch (error) {
          fail(error as NodeJS.ErrnoException);
        }
      }
    : (text: string): void => void stream.write(text);
  return {
    isTTY: stream.isTTY,
    // What systemd says of the stream that it has connected with its journal.
    isJournal: process.env['JOURNAL_STREAM'] === `${String(file.dev)}:${String(file.ino)}`,
    get columns() {
      return stream.isTTY ? stream.columns : null;
    },
    get closed() {
      return closed;
    },
    write: (text) => {
      if (!closed) write(text);
    },
    flushed: async () => {
      // An error is told after the write that met it.
      await new Promise((resolve) => stream.write('', () => setImmediate(resolve)));
      return failure;
    },
  };
}

const WRITE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no space left',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file may not grow any more',
};
