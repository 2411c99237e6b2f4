import { Command } from 'commander';
import { version } from '../version.ts';
import type { CommandContext, GlobalOptions } from './context.ts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts';
import { addAlerts } from './table/alerts.ts';
import { addCheck } from './table/check.ts';
import { addCompletion } from './table/completion.ts';
import { addDatabase } from './table/database.ts';
import { addDoctor } from './table/doctor.ts';
import { addExplain } from './table/explain.ts';
import { addGateway } from './table/gateway.ts';
import { addHelp } from './table/help.ts';
import { addImport } from './table/import.ts';
import { addLimits } from './table/limits.ts';
import { addLog } from './table/log.ts';
import { addMonitor } from './table/monitor.ts';
import { addReset } from './table/reset.ts';
import { examples, type Does, type MayCreate } from './table/shared.ts';
import { addServe } from './table/serve.ts';
import { addService } from './table/service.ts';
import { addStatus } from './table/status.ts';
import { addToken } from './table/token.ts';
import { topicList } from './table/topics.ts';
import { addUsage } from './table/usage.ts';
import { addWait } from './table/wait.ts';
import { hang } from './views/text.ts';

/**
 * The program and its global flags. The command table (table/) has the names, options and help of every
 * command. What a command does is loaded when it is run, so that help and status start fast.
 */

type Action = (context: CommandContext) => Promise<number>;

/** Takes what the command line asked for, with the global flags, and whether it may create a database. */
export type Run = (global: GlobalOptions, mayCreate: boolean, action: Action) => Promise<void>;

/** @param print writes help and version, which are results too */
export function createProgram(run: Run, print: (text: string) => void): Command {
  const program = new Command('tokenctl')
    .description(
      'A hard ceiling on what a set of AI services may spend: reserve before each call, settle after it.',
    )
    .exitOverride()
    .configureOutput({ writeOut: print, outputError: () => undefined })
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
      examples('tokenctl status', 'tokenctl check --ai-type imperium --tokens 500') +
        topicList() +
        EXIT_CODES,
    );

  const does: Does =
    (load, mayCreate) =>
    async (...given) => {
      // Commander adds the command itself to the arguments and options.
      const args = given.slice(0, -1);
      const creates = mayCreate?.(args.at(-1) as Parameters<MayCreate>[0]) ?? false;
      await run(program.opts<GlobalOptions>(), creates, (context) =>
        load(context, ...(args as never[])),
      );
    };

  addStatus(program, does);
  addCheck(program, does);
  addWait(program, does);
  addUsage(program, does);
  addLog(program, does);
  addExplain(program, does);
  addLimits(program, does);
  addReset(program, does);
  addImport(program, does);
  addMonitor(program, does);
  addServe(program, does);
  addGateway(program, does);
  addService(program, does);
  addAlerts(program, does);
  addToken(program, does);
  addDatabase(program, does);
  addDoctor(program, does);
  addCompletion(program, does);
  addHelp(program, does);
  return program;
}

const exitCodes = Object.entries(EXIT_MEANINGS).map(
  ([name, meaning]) => `${String(EXIT[name as keyof typeof EXIT])} ${meaning}`,
);
const EXIT_CODES = `\nExit codes:\n${hang('  ', exitCodes.join(', '), 80).join('\n')}`;
