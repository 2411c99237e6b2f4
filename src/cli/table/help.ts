import type { Command } from 'commander';
import { examples, type Does } from './shared.ts';
import { topicList } from './topics.ts';

export function addHelp(program: Command, does: Does): void {
  program
    // Commander's own knows no topics, and of a subcommand only the first word.
    .helpCommand(false)
    .command('help')
    .description('show the help of a command, or a topic')
    .argument('[command...]', 'a command and its subcommand, or a topic')
    .addHelpText(
      'after',
      `${topicList()}${examples('tokenctl help limits set', 'tokenctl help exit-codes')}`,
    )
    .action(
      does(async (context, words) =>
        (await import('../commands/help.ts')).help(context, program, words),
      ),
    );
}
