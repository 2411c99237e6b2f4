import type { Command } from 'commander';
import { examples, type Does } from './shared.ts';

export function addWait(program: Command, does: Does): void {
  program
    .command('wait')
    .description('wait until a request would pass, or until the month is below a percentage')
    .option('--ai-type <type>', 'the AI type that asks; needed with --tokens')
    .option('--tokens <n>', 'the whole estimate, input and output: 1 to 10^12 tokens')
    .option('--below <percent>', "1% to 100% of the month's limit, the AI type's own if it has one")
    .option('--timeout <time>', 'the longest wait: 90s, 5m, 2h or 1d, at most 31d (default: 1h)')
    .addHelpText(
      'after',
      examples(
        'tokenctl wait --ai-type imperium --tokens 500 && run-the-batch',
        'tokenctl wait --below 80% --timeout 2h',
      ) +
        '\nReserves nothing, so another may be faster. Exits 0 when it would pass, 3 after\nthe time-out, 2 at once when it can never pass, 4 when the database was lost\nuntil the time-out.',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/wait.ts')).wait(context, options),
      ),
    );
}
