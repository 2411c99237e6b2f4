import { CommanderError, type Command } from 'commander';
import { closest } from '../budget/closest.ts';
import { TokenctlError } from '../budget/errors.ts';
import type { Suggest } from '../budget/suggest.ts';
import { exitOnInterrupt, systemHost, type Host } from '../platform/process.ts';
import { systemRuntime, type Runtime } from '../platform/runtime.ts';
import type { GlobalOptions, NamedDatabase } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
import {
  createOutput,
  systemTerminal,
  type Output,
  type OutputOptions,
  type Terminal,
} from './output.ts';
import { createProgram } from './program.ts';
import { suggestions } from './suggestions.ts';
import { subcommand } from './table/shared.ts';

export interface Surroundings {
  readonly terminal: Terminal;
  readonly host: Host;
  readonly runtime: Runtime;
}

/** Runs one command line and returns the exit code; the caller exits with it. */
export async function main(
  args: readonly string[],
  surroundings: Surroundings = systemSurroundings(),
): Promise<number> {
  const exitCode = await run(args, surroundings);
  const { terminal, host } = surroundings;
  const failure = await terminal.stdout.flushed();
  if (failure === null) return exitCode;
  const output = createOutput(terminal, host.environment, flagsOf(args));
  return reportFailure(unwritten(failure), output, true);
}

function unwritten(failure: string): TokenctlError {
  const fix = 'what the command changed stays changed: look before you run it again';
  return new TokenctlError('output_failed', `the result could not be written: ${failure}`, { fix });
}

async function run(
  args: readonly string[],
  { terminal, host, runtime }: Surroundings,
): Promise<number> {
  let exitCode: number = EXIT.done;
  let output: Output = createOutput(terminal, host.environment, flagsOf(args));
  const program = createProgram(
    async (options, mayCreate, action) => {
      const suggestFor = (named: NamedDatabase): Suggest => suggestions(program, named);
      const suggest = suggestFor(options);
      output = createOutput(terminal, host.environment, outputOptions(options, suggest));
      const context = { output, host, runtime, options, mayCreate, takeInterrupts, suggestFor };
      exitCode = await action(context);
    },
    (text) => terminal.stdout.write(text),
  );
  const takeInterrupts = exitOnInterrupt(EXIT.interrupted, () => output.progress(''));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, output);
    if (error.exitCode === 0) return EXIT.done;
    // Commander has said on standard error which commands there are.
    if (error.code === 'commander.help') return noCommand(output, helpFor(program, args));
    return reportFailure(usageError(error, program, args), output);
  } finally {
    takeInterrupts();
  }
}

function systemSurroundings(): Surroundings {
  return { terminal: systemTerminal(), host: systemHost(), runtime: systemRuntime };
}

function outputOptions(options: GlobalOptions, suggest: Suggest): OutputOptions {
  const { json = false, quiet = false, debug = false, color } = options;
  return { json, quiet, debug, color, suggest };
}

function noCommand(output: Output, help: string): number {
  if (output.json) {
    const error = new TokenctlError('invalid_input', 'no command was named', { fix: help });
    reportFailure(error, output);
  }
  return EXIT.usage;
}

/** The flags of a command line that can't be parsed as a whole. */
function flagsOf(args: readonly string[]): OutputOptions {
  const has = (flag: string): boolean => args.includes(flag);
  return {
    json: has('--json'),
    quiet: has('--quiet'),
    debug: has('--debug'),
    color: !has('--no-color'),
    suggest: (text) => text,
  };
}

/** `error: unknown option '--tokns'\n(Did you mean --tokens?)` as what was wrong and what to do. */
function usageError(
  { message, code }: CommanderError,
  program: Command,
  args: readonly string[],
): TokenctlError {
  const help = helpFor(program, args);
  if (code === 'commander.missingMandatoryOptionValue') {
    // Commander looks for what is missing first, and it is often there, but mistyped.
    const mistyped = unknownFlag(commandOf(program, args).command, args);
    if (mistyped !== null) {
      const { flag, meant } = mistyped;
      const fix = meant === null ? help : `did you mean ${meant}?`;
      return new TokenctlError('invalid_input', `unknown option '${flag}'`, { field: flag, fix });
    }
  }
  const [first = '', ...rest] = message.split('\n');
  const suggestion = /\(Did you mean (?:one of )?(.*)\?\)/.exec(rest.join(' '))?.[1];
  const field = /'([^'\s]+)/.exec(first)?.[1];
  return new TokenctlError('invalid_input', first.replace(/^error: /, ''), {
    ...(field === undefined ? {} : { field }),
    fix: suggestion === undefined ? help : `did you mean ${suggestion}?`,
  });
}

/** The first flag that a command does not know, and the one that it is most like. */
function unknownFlag(
  command: Command,
  args: readonly string[],
): { flag: string; meant: string | null } | null {
  const help = command.createHelp();
  const known = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].flatMap(
    ({ long }) => long ?? [],
  );
  const flags = args.flatMap((word) => /^--[^=]+/.exec(word)?.[0] ?? []);
  const flag = flags.find((each) => !known.includes(each));
  return flag === undefined ? null : { flag, meant: closest(flag, known) };
}

/** The command that was meant, as far as its words name one, and these words. */
function commandOf(
  program: Command,
  args: readonly string[],
): { readonly command: Command; readonly words: readonly string[] } {
  let command = program;
  const words = [program.name()];
  for (const word of args) {
    const next = subcommand(command, word);
    if (next === undefined) continue;
    command = next;
    words.push(word);
  }
  return { command, words };
}

function helpFor(program: Command, args: readonly string[]): string {
  return [...commandOf(program, args).words, '--help'].join(' ');
}
