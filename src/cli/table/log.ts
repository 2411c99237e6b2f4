import { Option, type Command } from 'commander';
import { AI_TYPE, examples, type Does } from './shared.ts';

export function addLog(program: Command, does: Does): void {
  program
    .command('log')
    .description('recent requests, the newest last: what was asked, what it cost, why it failed')
    .option('--limit <n>', 'the newest n requests: 1 to 10000 (default: 20)')
    .option('--ai-type <type>', AI_TYPE)
    .option('--state <state>', 'held, settled, failed, released, expired or denied')
    .addOption(
      new Option(
        '--failed',
        'what counts as failed: failed, expired, or released with an error',
      ).conflicts('state'),
    )
    .option('--model <model>', 'the model, as it was logged')
    .option(
      '--since <time>',
      'from then on: 90s, 5m, 2h or 1d ago, or YYYY-MM-DD[THH:MM[:SS][Z]] (UTC)',
    )
    .option('--until <time>', 'up to then, and without it')
    .option('-f, --follow', 'print new requests as they come; with --json a document a line')
    .option('--interval <seconds>', 'with --follow, seconds between looks: 1 to 60 (default: 2)')
    .addHelpText(
      'after',
      examples(
        'tokenctl log',
        'tokenctl log --state denied --since 2h',
        'tokenctl log --failed --ai-type imperium --since 2026-11-24 --limit 100',
        'tokenctl log -f',
      ) + '\nWhat a request was, and why it was denied: tokenctl explain REQUEST',
    )
    .action(
      does(async (context, options) => (await import('../commands/log.ts')).log(context, options)),
    );
}
