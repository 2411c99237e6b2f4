import { CommanderError, type Command } from 'commander';
import { TokenctlError } from '../budget/errors.ts';
import { exitOnInterrupt, systemHost, type Host } from '../platform/process.ts';
import { systemRuntime, type Runtime } from '../platform/runtime.ts';
import type { GlobalOptions } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
import {
  createOutput,
  systemTerminal,
  type Output,
  type OutputOptions,
  type Suggest,
  type Terminal,
} from './output.ts';
import { createProgram } from './program.ts';
import { suggestions } from './suggestions.ts';

export interface Surroundings {
  readonly terminal: Terminal;
  readonly host: Host;
  readonly runtime: Runtime;
}

/** Runs one command line and returns the exit code; the caller exits with it. */
export async function main(
  args: readonly string[],
  { terminal, host, runtime }: Surroundings = surroundings(),
): Promise<number> {
  let exitCode: number = EXIT.done;
  let output: Output = createOutput(terminal, host.environment, flagsOf(args));
  const program = createProgram(async (options, action) => {
    const suggest = suggestions(program, options);
    output = createOutput(terminal, host.environment, outputOptions(options, suggest));
    exitCode = await action({ output, host, runtime, options, takeInterrupts });
  });
  const takeInterrupts = exitOnInterrupt(EXIT.interrupted, () => output.progress(''));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, output);
    if (error.exitCode === 0) return EXIT.done;
    // Commander printed the help itself: no command was named.
    if (error.code === 'commander.help') return EXIT.usage;
    return reportFailure(usageError(error, helpFor(program, args)), output);
  } finally {
    takeInterrupts();
  }
}

function surroundings(): Surroundings {
  return { terminal: systemTerminal(), host: systemHost(), runtime: systemRuntime };
}

function outputOptions(options: GlobalOptions, suggest: Suggest): OutputOptions {
  const { json = false, quiet = false, debug = false, color } = options;
  return { json, quiet, debug, color, suggest };
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
function usageError({ message }: CommanderError, help: string): TokenctlError {
  const [first = '', ...rest] = message.split('\n');
  const suggestion = /\(Did you mean (?:one of )?(.*)\?\)/.exec(rest.join(' '))?.[1];
  const field = /'([^'\s]+)/.exec(first)?.[1];
  return new TokenctlError('invalid_input', first.replace(/^error: /, ''), {
    ...(field === undefined ? {} : { field }),
    fix: suggestion === undefined ? help : `did you mean ${suggestion}?`,
  });
}

/** The help of the command that was meant, as far as its words name one. */
function helpFor(program: Command, args: readonly string[]): string {
  let command = program;
  const words = [program.name()];
  for (const word of args) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) continue;
    command = next;
    words.push(word);
  }
  return [...words, '--help'].join(' ');
}
