import type { Argument, Command, Option } from 'commander';
import type { Candidate } from './live.ts';
import type { Place } from './place.ts';
import { FILES, subcommands, valuesOf, type Asked } from './values.ts';

/** What may stand at the cursor: whole words, each beginning with what is written there already. */
export async function candidatesAt(asked: Asked): Promise<readonly Candidate[] | typeof FILES> {
  const { place } = asked;
  const found = await expectedAt(asked);
  if (found === FILES) return FILES;
  return found
    .map(({ value, about }) => ({ value: place.lead + value, about }))
    .filter(({ value }) => value.startsWith(place.lead + place.text));
}

async function expectedAt(asked: Asked): Promise<readonly Candidate[] | typeof FILES> {
  const { place } = asked;
  if (place.option !== null) return valuesOf(placeholder(place.option), asked);
  if (place.lead !== '') return [];
  if (!place.optionsEnded && place.text.startsWith('-')) return flagsAt(place);
  const argument = argumentAt(place);
  if (argument === undefined && place.operands.length > 0) return [];
  const values = argument === undefined ? [] : await valuesOf(argument.name(), asked);
  if (values === FILES) return FILES;
  const commands = place.operands.length === 0 ? subcommands(place.command) : [];
  const found = [...commands, ...values];
  // Where no word is known, an empty one may still become a flag.
  return found.length > 0 || place.text !== '' || place.optionsEnded ? found : flagsAt(place);
}

/** `type` of `--ai-type <type...>` */
function placeholder({ flags }: Option): string {
  return /<(.+?)(?:\.\.\.)?>/.exec(flags)?.[1] ?? '';
}

function argumentAt({ command, operands }: Place): Argument | undefined {
  const { registeredArguments: all } = command;
  const last = all.at(-1);
  return all[operands.length] ?? (last?.variadic === true ? last : undefined);
}

/** The flags of the command and the global ones, without those that are there and count once. */
function flagsAt({ command, given }: Place): Candidate[] {
  return visibleOptions(command).flatMap((option) =>
    option.long === undefined || (given.has(option) && !option.variadic)
      ? []
      : [{ value: option.long, about: option.description }],
  );
}

function visibleOptions(command: Command): Option[] {
  const help = command.createHelp();
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
}
