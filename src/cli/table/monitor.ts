import type { Command } from 'commander';
import { CREATES, examples, type Does } from './shared.ts';

export function addMonitor(program: Command, does: Does): void {
  program
    .command('monitor')
    .description(
      'the state of the budget, living: a screen in a terminal, elsewhere a line a check; with --json a document a line. Raises alerts on the console and in token_usage_alerts.json',
    )
    .option('--interval <seconds>', 'seconds between checks: 1 to 86400 (default: 60)')
    .option('--once', 'check once; exits 4 when the database does not answer')
    .option(
      '--no-alerts',
      'only look: raise nothing and write nothing (for a role that may only read)',
    )
    .addHelpText(
      'after',
      examples(
        'tokenctl monitor',
        'tokenctl monitor --interval 10 | tee budget.log',
        'tokenctl monitor --once --json',
        'tokenctl monitor --no-alerts',
      ) +
        KEYS +
        CARE,
    )
    .action(
      does(
        async (context, options) =>
          (await import('../commands/monitor.ts')).monitor(context, options),
        CREATES,
      ),
    );
}

const KEYS = `
Keys in a terminal:
  q quit, ? help, p pause, s sort AI types, a one AI type alone, r check now`;

const CARE = `

What it raised: tokenctl alerts, then
  tokenctl alerts ack ID           say that you take care of one
  tokenctl alerts silence --for 2h --reason R   hold back what goes to channels`;
