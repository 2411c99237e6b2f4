import { Command, Option } from 'commander';
import { version } from '../version.ts';
import type { CommandContext, GlobalOptions } from './context.ts';

/**
 * The command table: names, options and help of every command. What a command does is loaded when it
 * is run, so that help and status start fast.
 */

type Action = (context: CommandContext) => Promise<number>;

/** Takes what the command line asked for, with the global flags. */
export type Run = (global: GlobalOptions, action: Action) => Promise<void>;

const AI_TYPE = 'AI type: 1 to 50 of a-z, 0-9, _ . - (imperium, guardian, sandbox, conquest, …)';
const REASON = 'why, for the record';
const DRY_RUN = 'show what would change, and change nothing';

export function createProgram(run: Run): Command {
  const program = new Command('tokenctl')
    .description(
      'A hard ceiling on what a set of AI services may spend: reserve before each call, settle after it.',
    )
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show the help of a command')
    .helpCommand('help [command]', 'show the help of a command')
    .option(
      '--database <url>',
      'file:PATH, a path, or postgresql://… (else TOKENCTL_DATABASE_URL, DATABASE_URL, the configuration file, then a file of your own)',
    )
    .option('--config <file>', 'read this configuration file (JSON) instead of the usual ones')
    .option('--json', 'print the result as one JSON document')
    .option('--no-color', 'print without colour (so does NO_COLOR=1)')
    .option('--quiet', 'print the result and errors only')
    .option('--debug', 'print causes and stacks of errors')
    .addHelpText(
      'after',
      examples('tokenctl status', 'tokenctl check --ai-type imperium --tokens 500') + EXIT_CODES,
    );

  /** Makes a command's action: the arguments as commander gives them, then what the command does. */
  const does =
    (load: (context: CommandContext, ...args: never[]) => Promise<number>) =>
    async (...given: unknown[]): Promise<void> => {
      // Commander adds the command itself to the arguments and options.
      const args = given.slice(0, -1) as never[];
      await run(program.opts<GlobalOptions>(), (context) => load(context, ...args));
    };

  addStatus(program, does);
  addCheck(program, does);
  addLimits(program, does);
  addReset(program, does);
  addImport(program, does);
  addMonitor(program, does);
  addDatabase(program, does);
  return program;
}

type Does = (
  load: (context: CommandContext, ...args: never[]) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

const EXIT_CODES = `
Exit codes:
  0 done, 1 failed, 2 wrong usage, 3 denied or problems found, 4 no usable database,
  5 not confirmed, 130 interrupted`;

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

function addStatus(program: Command, does: Does): void {
  program
    .command('status')
    .description('how much is left, which limit binds first, and when it frees')
    .option('--ai-type <type>', AI_TYPE)
    .option('--month <month>', 'a past month, YYYY-MM (UTC)')
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
      ),
    )
    .action(
      does(async (context, options) =>
        (await import('./commands/status.ts')).status(context, options),
      ),
    );
}

function addCheck(program: Command, does: Does): void {
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
        '\nExits 3 when the request is denied, 4 when the ledger does not answer (which denies too).',
    )
    .action(
      does(async (context, options) =>
        (await import('./commands/check.ts')).check(context, options),
      ),
    );
}

function addLimits(program: Command, does: Does): void {
  const limits = program
    .command('limits')
    .description('the limits in force, where each comes from, and changes of them')
    .allowExcessArguments()
    .addHelpText(
      'after',
      examples(
        'tokenctl limits',
        'tokenctl limits set hourly=2800 --reason "pilot"',
        'tokenctl limits apply --profile paced',
      ),
    );
  const show = does(async (context) => (await import('./commands/limits.ts')).showLimits(context));
  limits.action(async (options: unknown, command: Command) => {
    // The default action would take a mistyped subcommand for an argument too many.
    if (command.args.length > 0) (command as Command & { unknownCommand(): void }).unknownCommand();
    await show(options, command);
  });

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
      ),
    )
    .action(
      does(async (context, assignments, options) =>
        (await import('./commands/limits.ts')).setLimits(context, assignments, options),
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
        (await import('./commands/limits.ts')).unsetLimits(context, keys, options),
      ),
    );

  changing(
    limits
      .command('apply')
      .description('apply a named set of limits, or those of the environment')
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
      examples('tokenctl limits apply --profile paced --dry-run', 'tokenctl limits apply --env'),
    )
    .action(
      does(async (context, options) =>
        (await import('./commands/limits.ts')).applyLimits(context, options),
      ),
    );

  limits
    .command('lint')
    .description(
      'limits that can never bind, or that make another unreachable; exits 3 for problems',
    )
    .addHelpText('after', examples('tokenctl limits lint', 'tokenctl limits lint --json'))
    .action(does(async (context) => (await import('./commands/limits.ts')).lintCommand(context)));

  limits
    .command('history')
    .description('every change of limits, the newest first')
    .addHelpText('after', examples('tokenctl limits history'))
    .action(does(async (context) => (await import('./commands/limits.ts')).limitHistory(context)));
}

function addReset(program: Command, does: Does): void {
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
        (await import('./commands/reset.ts')).reset(context, options),
      ),
    );
}

function addImport(program: Command, does: Does): void {
  program
    .command('import')
    .description('load a usage log; importing the same file again adds nothing')
    .argument('<file>', 'CSV with a header, or JSON lines; - reads standard input')
    .option(
      '--columns <mapping>',
      'FIELD=COLUMN,…: timestamp, input, output, aiType, model, requestId, success (usual names are known)',
    )
    .option('--ai-type <type>', 'the AI type of rows that name none')
    .option('--format <format>', 'csv or jsonl (default: by the name of the file)')
    .addHelpText(
      'after',
      examples(
        'tokenctl import usage.csv --ai-type imperium',
        'tokenctl import trace.csv --columns timestamp=TIMESTAMP,input=ContextTokens,output=GeneratedTokens --ai-type imperium',
        'tokenctl import calls.jsonl --columns input=usage.input_tokens,output=usage.output_tokens',
      ) +
        '\nTimes without an offset are UTC. The whole file is checked first: one wrong line, and nothing is imported.',
    )
    .action(
      does(async (context, file, options) =>
        (await import('./commands/import.ts')).importFile(context, file, options),
      ),
    );
}

function addMonitor(program: Command, does: Does): void {
  program
    .command('monitor')
    .description(
      'the state of the budget again and again, a line a check; with --json a document a line',
    )
    .option('--interval <seconds>', 'seconds between checks: 1 to 86400 (default: 60)')
    .option('--once', 'check once; exits 4 when the database does not answer')
    .addHelpText(
      'after',
      examples('tokenctl monitor --interval 10', 'tokenctl monitor --once --json'),
    )
    .action(
      does(async (context, options) =>
        (await import('./commands/monitor.ts')).monitor(context, options),
      ),
    );
}

function addDatabase(program: Command, does: Does): void {
  const db = program
    .command('db')
    .description('create, migrate and verify the database')
    .addHelpText('after', examples('tokenctl db info', 'tokenctl db migrate --dry-run'));
  db.command('migrate')
    .description(
      "create or migrate the database; an older backend's tables are adopted with their history",
    )
    .option('--dry-run', DRY_RUN)
    .addHelpText(
      'after',
      examples('tokenctl db migrate --dry-run', 'tokenctl --database file:budget.db db migrate'),
    )
    .action(
      does(async (context, options) =>
        (await import('./commands/db.ts')).migrate(context, options),
      ),
    );
  db.command('verify')
    .description('is every window the sum of its log rows and adjustments? Exits 3 when not')
    .option('--repair', 'set the windows to the sums')
    .addHelpText('after', examples('tokenctl db verify'))
    .action(
      does(async (context, options) => (await import('./commands/db.ts')).verify(context, options)),
    );
  db.command('info')
    .description('where and what the database is, and which migrations it has')
    .addHelpText('after', examples('tokenctl db info --json'))
    .action(does(async (context) => (await import('./commands/db.ts')).info(context)));
}
