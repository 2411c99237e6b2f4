import type { Command, Option } from 'commander';
import { subcommand } from '../table/shared.ts';
import type { Typed } from './words.ts';

/** Where the cursor of a command line is, by the command table. */
export interface Place {
  /** The innermost command that the words before the cursor name. */
  readonly command: Command;
  /** The words that are neither commands nor options. */
  readonly operands: readonly string[];
  /** The options that were given, with the value of those that take one. */
  readonly given: ReadonlyMap<Option, string | null>;
  /** The option whose value is being written; null for any other word. */
  readonly option: Option | null;
  /** After `--` no word is an option. */
  readonly optionsEnded: boolean;
  /** What stands before the value in the same word: `--state=`, or nothing. */
  readonly lead: string;
  /** The value or word itself, as far as it is written. */
  readonly text: string;
}

export function placeOf(program: Command, { words, current }: Typed): Place {
  let command = program;
  const operands: string[] = [];
  const given = new Map<Option, string | null>();
  let open: Option | null = null;
  let optionsEnded = false;
  for (const word of words) {
    if (optionsEnded) {
      operands.push(word);
    } else if (open !== null && (given.get(open) === null || !word.startsWith('-'))) {
      given.set(open, word);
      if (!open.variadic) open = null;
    } else if (word === '--') {
      optionsEnded = true;
      open = null;
    } else if (word.startsWith('-')) {
      const [flag = '', value = null] = splitOnce(word);
      open = optionOf(command, flag);
      if (open === null) continue;
      given.set(open, value);
      if (!takesValue(open) || (value !== null && !open.variadic)) open = null;
    } else {
      open = null;
      const next = operands.length > 0 ? undefined : subcommand(command, word);
      if (next === undefined) operands.push(word);
      else command = next;
    }
  }
  const at = { command, operands, given, optionsEnded };
  if (open !== null && (given.get(open) === null || !current.startsWith('-'))) {
    return { ...at, option: open, lead: '', text: current };
  }
  const [flag = '', value] = splitOnce(current);
  if (!optionsEnded && flag.startsWith('--') && value !== undefined) {
    const option = optionOf(command, flag);
    return { ...at, option, lead: `${flag}=`, text: value };
  }
  return { ...at, option: null, lead: '', text: current };
}

/** The option of a flag: of the command, or a global one. */
function optionOf(command: Command, flag: string): Option | null {
  const own = command.options.find(({ short, long }) => short === flag || long === flag);
  return own ?? (command.parent === null ? null : optionOf(command.parent, flag));
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function splitOnce(word: string): string[] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)];
}
