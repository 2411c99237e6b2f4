import type { Command } from 'commander';
import { candidatesAt } from '../completion/candidates.ts';
import { liveValues, type Candidate } from '../completion/live.ts';
import { placeOf, type Place } from '../completion/place.ts';
import { FILES } from '../completion/values.ts';
import { fromLine, fromWords } from '../completion/words.ts';
import type { CommandContext, GlobalOptions } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { oneLine } from '../views/text.ts';

export interface CompleteOptions {
  readonly line?: string;
  readonly breaks?: string;
}

/**
 * What the scripts of `tokenctl completion` ask at each key: prints a candidate a line, its
 * description after a tab, or `:files` where the shell should complete the name of a file.
 */
export async function complete(
  context: CommandContext,
  program: Command,
  words: readonly string[],
  { line, breaks = '' }: CompleteOptions,
): Promise<number> {
  const { output, runtime, host } = context;
  const typed = line === undefined ? fromWords(words) : fromLine(line, breaks);
  const place = placeOf(program, typed);
  const options = { ...context.options, ...databaseOf(place, host.environment) };
  const live = liveValues({ ...context, options });
  const found = await candidatesAt({ place, live, nowMs: runtime.nowMs() });
  if (found === FILES) {
    output.result(':files');
  } else if (found.length > 0) {
    output.result(found.map((candidate) => answer(candidate, typed.kept)).join('\n'));
  }
  return EXIT.done;
}

function answer({ value, about }: Candidate, kept: number): string {
  return value.slice(kept) + (about === '' ? '' : `\t${oneLine(about)}`);
}

/** Which database the line names. */
function databaseOf(
  { given }: Place,
  environment: Readonly<Record<string, string | undefined>>,
): Pick<GlobalOptions, 'database' | 'config'> {
  const named: Record<string, string> = {};
  for (const [option, value] of given) {
    const name = option.attributeName();
    if (value !== null && (name === 'database' || name === 'config')) {
      named[name] = expanded(value, environment);
    }
  }
  return named;
}

/** What the shell has not expanded yet: `~/` and `$NAME`. */
function expanded(word: string, environment: Readonly<Record<string, string | undefined>>): string {
  return word
    .replace(/^~(?=\/)/, environment['HOME'] ?? '~')
    .replaceAll(/\$\{?(\w+)\}?/g, (whole, name: string) => environment[name] ?? whole);
}
