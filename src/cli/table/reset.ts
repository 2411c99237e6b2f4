import { Option, type Command } from 'commander';
import { DRY_RUN, REASON, examples, type Does } from './shared.ts';

export function addReset(program: Command, does: Does): void {
  program
    .command('reset')
    .description(
      'zero usage by an adjustment: holds, request rates and history stay, and it can be undone',
    )
    .option('--ai-type <type...>', 'only these AI types; everything without it')
    .option('--window <window>', 'month, day, hour, or all: the current ones (default: all)')
    .option('--to <tokens>', 'lower to this many used tokens instead of 0; for one AI type')
    .option('--reason <text>', `${REASON}; needed`)
    .option('--yes', 'do not ask')
    .option('--dry-run', DRY_RUN)
    .addOption(new Option('--list', 'the resets so far, the newest first').conflicts('undo'))
    .option('--undo <id>', 'take a reset back')
    .addHelpText(
      'after',
      examples(
        'tokenctl reset --ai-type sandbox --window month --reason "test traffic"',
        'tokenctl reset --reason "new contract" --dry-run',
        'tokenctl reset --undo 3 --yes',
      ) + '\nAsks for the name of what is reset; without a terminal it needs --yes (exit 5).',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/reset.ts')).reset(context, options),
      ),
    );
}
