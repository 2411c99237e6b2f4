import type { Command } from 'commander';
import { byItself, CREATES_UNLESS_DRY, DRY_RUN, REASON, examples, type Does } from './shared.ts';

export function addLimits(program: Command, does: Does): void {
  const limits = program
    .command('limits')
    .description('the limits in force, where each comes from, and changes of them')
    .addHelpText(
      'after',
      examples(
        'tokenctl limits',
        'tokenctl limits set hourly=2800 --reason "pilot"',
        'tokenctl limits apply --profile paced',
      ),
    );
  byItself(
    limits,
    does(async (context) => (await import('../commands/limits.ts')).showLimits(context)),
  );

  const changing = (command: Command): Command =>
    command.option('--reason <text>', REASON).option('--dry-run', DRY_RUN);

  changing(
    limits
      .command('set')
      .description(
        'set limits; every change is a revision, in force at the next decision everywhere',
      )
      .argument(
        '<key=value...>',
        'tokens or requests (0 to 10^12), off, or a share of the enforced month (daily=15%)',
      )
      .option('--ai-type <type>', 'set monthly, daily, hourly or request of one AI type'),
  )
    .addHelpText(
      'after',
      examples(
        'tokenctl limits set monthly=500000 hourly=2%',
        'tokenctl limits set monthly=50000 --ai-type sandbox --reason "trial"',
        'tokenctl limits set request=off --dry-run',
      ) + KEYS,
    )
    .action(
      does(
        async (context, assignments, options) =>
          (await import('../commands/limits.ts')).setLimits(context, assignments, options),
        CREATES_UNLESS_DRY,
      ),
    );

  changing(
    limits
      .command('unset')
      .description('take settings back, so that the default or derived limit holds again')
      .argument('<key...>', 'keys as in tokenctl limits')
      .option('--ai-type <type>', 'of one AI type'),
  )
    .addHelpText(
      'after',
      examples('tokenctl limits unset hourly', 'tokenctl limits unset monthly --ai-type sandbox'),
    )
    .action(
      does(async (context, keys, options) =>
        (await import('../commands/limits.ts')).unsetLimits(context, keys, options),
      ),
    );

  changing(
    limits
      .command('apply')
      .description('apply the limits of a file, a named set of limits, or those of the environment')
      .option(
        '--file <file>',
        'YAML or JSON with the keys and values of limits set, and aiTypes; - is standard input',
      )
      .option('--prune', 'with --file: take back the settings that the file does not name')
      .option(
        '--profile <name>',
        'default, or paced: a day holds 15 %, an hour 2 % of the enforced month',
      )
      .option(
        '--env',
        'GLOBAL_MONTHLY_LIMIT, ENFORCED_GLOBAL_LIMIT, WARNING_THRESHOLD, CRITICAL_THRESHOLD, EMERGENCY_SHUTDOWN_THRESHOLD',
      ),
  )
    .addHelpText(
      'after',
      examples(
        'tokenctl limits apply --file limits.yaml --prune --dry-run',
        'tokenctl limits apply --profile paced --dry-run',
        'tokenctl limits apply --env',
      ) + LIMITS_FILE,
    )
    .action(
      does(
        async (context, options) =>
          (await import('../commands/limits.ts')).applyLimits(context, options),
        CREATES_UNLESS_DRY,
      ),
    );

  limits
    .command('export')
    .description('print what is set as a file for limits apply --file')
    .addHelpText(
      'after',
      examples(
        'tokenctl limits export > limits.yaml',
        'tokenctl limits export |\n    tokenctl limits apply --file - --prune --database other.db',
      ),
    )
    .action(does(async (context) => (await import('../commands/limits.ts')).exportLimits(context)));

  changing(
    limits
      .command('rollback')
      .description('set again what a revision had set, as a new revision')
      .argument('<rev>', 'the number of the revision, as in tokenctl limits history'),
  )
    .addHelpText(
      'after',
      examples(
        'tokenctl limits history',
        'tokenctl limits rollback 3 --dry-run',
        'tokenctl limits rollback 3 --reason "the pilot is over"',
      ),
    )
    .action(
      does(async (context, revision, options) =>
        (await import('../commands/limits.ts')).rollbackLimits(context, revision, options),
      ),
    );

  limits
    .command('lint')
    .description(
      'limits that can never bind, or that make another unreachable; exits 3 for problems',
    )
    .addHelpText('after', examples('tokenctl limits lint', 'tokenctl limits lint --json'))
    .action(does(async (context) => (await import('../commands/limits.ts')).lintCommand(context)));

  limits
    .command('history')
    .description('every change of limits, the newest first')
    .addHelpText('after', examples('tokenctl limits history'))
    .action(does(async (context) => (await import('../commands/limits.ts')).limitHistory(context)));
}

// Written out, as help loads no rules; a test compares it with them.
const KEYS = `
Keys: monthly, enforcedShare, enforcedMonthly, daily, hourly, request,
      requestsPerMinute, requestsPerDay, tokensPerRequest, warning, critical,
      emergency, criticalRequest, reservationTtl
What each means and takes: tokenctl help limits`;

const LIMITS_FILE = `
A limits file:
  monthly: 500000
  hourly: 2%
  request: off
  aiTypes:
    sandbox:
      monthly: 50000
`;
