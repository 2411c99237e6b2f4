import type { Command } from 'commander';
import { closest } from '../../budget/closest.ts';
import { TokenctlError } from '../../budget/errors.ts';
import type { CommandContext } from '../context.ts';
import type { HelpTopicDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { TOPICS, type Topic } from '../table/topics.ts';
import { subcommand } from '../table/shared.ts';
import { topicView, type TopicPart } from '../views/topic.ts';

/**
 * Shows the help of a command, as `--help` does, or a topic. `limits` is both: the topic stands below
 * the help of the command.
 */
export async function help(
  { output }: CommandContext,
  program: Command,
  words: readonly string[],
): Promise<number> {
  const topic = TOPICS.find(({ name }) => words.length === 1 && name === words[0]);
  const command = commandOf(program, words);
  if (topic === undefined) {
    if (command === null) throw unknown(program, words);
    command.outputHelp();
    return EXIT.done;
  }
  const parts = await TOPIC_PARTS[topic.name]();
  if (output.json) {
    const text = topicView(parts, output.screen.width);
    output.document({ topic: topic.name, text } satisfies HelpTopicDocument);
    return EXIT.done;
  }
  if (command !== null) {
    command.outputHelp();
    output.result('');
  }
  output.result(topicView(parts, output.screen.width));
  return EXIT.done;
}

const TOPIC_PARTS: Readonly<Record<Topic, () => Promise<readonly TopicPart[]>>> = {
  environment: async () => (await import('../topics/environment.ts')).environment,
  'exit-codes': async () => (await import('../topics/exit-codes.ts')).exitCodes,
  formats: async () => (await import('../topics/formats.ts')).formats,
  limits: async () => (await import('../topics/limits.ts')).limits,
};

/** The command that the words name; null where one of them names none. */
function commandOf(program: Command, words: readonly string[]): Command | null {
  let command: Command | undefined = program;
  for (const word of words) command = command && subcommand(command, word);
  return command ?? null;
}

/** Suggests what the first word that names nothing was meant to be. */
function unknown(program: Command, words: readonly string[]): TokenctlError {
  const at = words.findIndex((_, index) => commandOf(program, words.slice(0, index + 1)) === null);
  const wrong = words[at] ?? '';
  const parent = commandOf(program, words.slice(0, at)) ?? program;
  const known = [
    ...parent
      .createHelp()
      .visibleCommands(parent)
      .map((each) => each.name()),
    ...(at === 0 ? TOPICS.map(({ name }) => name) : []),
  ];
  const meant = known.find((name) => name.startsWith(wrong)) ?? closest(wrong, known);
  const what = at === 0 ? 'command or topic' : 'command';
  return new TokenctlError('invalid_input', `unknown ${what} '${wrong}'`, {
    field: wrong,
    fix: meant === null ? 'tokenctl help' : `did you mean ${meant}?`,
  });
}
