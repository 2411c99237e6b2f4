import { Option, type Command } from 'commander';
import { AI_TYPE, examples, type Does, type MayCreate } from './shared.ts';

export function addStatus(program: Command, does: Does): void {
  program
    .command('status')
    .description('how much is left, which limit binds first, and when it frees')
    .option('--ai-type <type>', AI_TYPE)
    .option('--month <month>', 'a past month, YYYY-MM (UTC)')
    .addOption(
      new Option(
        '--format <template>',
        'a line of your own: {level}, {month.percent}, {hour.left}, … (see docs/cli.md)',
      ).conflicts('nagios'),
    )
    .option('--exit-code', 'exit 0 ok, 10 warning, 20 critical, 30 emergency')
    .addOption(
      new Option(
        '--nagios',
        'one line with figures; exit 0 ok, 1 warning, 2 critical or emergency, 3 unknown',
      ).conflicts('exitCode'),
    )
    .addHelpText(
      'after',
      examples(
        'tokenctl status',
        'tokenctl status --ai-type imperium --json',
        'tokenctl status --month 2026-10',
        "tokenctl status --format '{level} {month.percent} %'",
      ),
    )
    .action(
      does(
        async (context, options) =>
          (await import('../commands/status.ts')).status(context, options),
        creates,
      ),
    );
}

/** The first look at a new budget; what a script asks would be answered from an empty one. */
const creates: MayCreate = ({ exitCode, nagios, format }) =>
  exitCode === undefined && nagios === undefined && format === undefined;
