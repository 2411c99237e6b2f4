import { Option, type Command } from 'commander';
import { AI_TYPE, examples, type Does } from './shared.ts';

export function addUsage(program: Command, does: Does): void {
  program
    .command('usage')
    .description('what was used, by AI type, model, request type, hour, day or month')
    .option(
      '--by <group...>',
      'one or two of ai-type, model, request-type, hour, day, month (default: ai-type)',
    )
    .addOption(
      new Option('--month <month>', 'that month, YYYY-MM (UTC; default: this one)').conflicts([
        'since',
        'until',
      ]),
    )
    .option(
      '--since <time>',
      'from then on: 90s, 5m, 2h or 1d ago, or YYYY-MM-DD[THH:MM[:SS][Z]] (UTC)',
    )
    .option('--until <time>', 'up to then; both are moved out to whole UTC hours')
    .option('--ai-type <type>', AI_TYPE)
    .option('--model <model>', 'the model, as it was logged')
    .option('--request-type <request-type>', 'sdk, gateway, import, direct, … as it was logged')
    .option('--sort <order>', 'used or key (default: key where a time is among them, else used)')
    .option('--limit <n>', 'the n rows with the most tokens, 1 to 10000; the rest is one row')
    .option('--csv', 'print CSV with a header, in place of the table')
    .addHelpText(
      'after',
      examples(
        'tokenctl usage',
        'tokenctl usage --by model --month 2026-10',
        'tokenctl usage --by day ai-type --since 30d',
        'tokenctl usage --by hour --since 24h --ai-type imperium',
        'tokenctl usage --by day model --csv > usage.csv',
      ) +
        '\nTotals agree with tokenctl status: resets and corrections are a line of their\nown. Open reservations hold tokens, and have used none yet.',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/usage.ts')).usage(context, options),
      ),
    );
}
