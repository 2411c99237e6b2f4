import type { Command } from 'commander';
import { examples, type Does } from './shared.ts';

export function addExplain(program: Command, does: Does): void {
  program
    .command('explain')
    .description(
      'a past request: when, what it cost, why it was denied, and whether it would pass now',
    )
    .argument(
      '<request>',
      'a request id, a reservation or row id, or an idempotency key, as tokenctl log shows them',
    )
    .addHelpText(
      'after',
      examples(
        'tokenctl explain req-7f3a',
        'tokenctl explain 01938f5e-7c1a-7cc3-98c4-dc0c0c07398f --json',
      ) +
        '\nOf several requests with the same id it explains the newest. Exits 1 when there\nis none.',
    )
    .action(
      does(async (context, request) =>
        (await import('../commands/explain.ts')).explain(context, request),
      ),
    );
}
