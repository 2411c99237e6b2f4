import type { Command } from 'commander';
import { AI_TYPE, examples, type Does } from './shared.ts';

export function addCheck(program: Command, does: Does): void {
  program
    .command('check')
    .description('would a request pass now? Every rule with its arithmetic; reserves nothing')
    .requiredOption('--ai-type <type>', AI_TYPE)
    .option('--tokens <n>', 'the whole estimate, input and output: 1 to 10^12 tokens')
    .option(
      '--prompt-file <file>',
      'estimate a prompt: text, or a Messages request as JSON; - reads standard input',
    )
    .option('--max-tokens <m>', "the call's max_tokens, beside --prompt-file: 1 to 10^12 tokens")
    .addHelpText(
      'after',
      examples(
        'tokenctl check --ai-type imperium --tokens 500',
        'tokenctl check --ai-type guardian --prompt-file prompt.txt --max-tokens 1024',
      ) +
        '\nExits 3 when the request is denied, 4 when the ledger does not answer (which\ndenies too).',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/check.ts')).check(context, options),
      ),
    );
}
