import { TokenctlError, invalidInput } from '../../budget/errors.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { isoTime } from '../../budget/windows.ts';
import type { StatusReport } from '../../ledger/status.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT, EXIT_OF_LEVEL, NAGIOS_OF_LEVEL, NAGIOS_UNKNOWN } from '../exit-codes.ts';
import { reportFailure } from '../failure.ts';
import { nagiosLine, nagiosUnknown } from '../views/nagios.ts';
import { parseStatusLine } from '../views/status-line.ts';
import { statusView } from '../views/status.ts';

export interface StatusOptions {
  readonly aiType?: string;
  readonly month?: string;
  readonly format?: string;
  readonly exitCode?: boolean;
  readonly nagios?: boolean;
}

export async function status(context: CommandContext, options: StatusOptions): Promise<number> {
  return options.nagios === true ? nagios(context, options) : show(context, options);
}

async function show(context: CommandContext, options: StatusOptions): Promise<number> {
  const { output } = context;
  const view = viewOf(context, options);
  const report = await reportOf(context, options);
  if (output.json) output.document(report);
  else output.result(view(report));
  return options.exitCode === true ? EXIT_OF_LEVEL[report.level] : EXIT.done;
}

/** The whole screen, or the line that `--format` asks for. */
function viewOf(
  { output }: CommandContext,
  { format }: StatusOptions,
): (report: StatusReport) => string {
  if (format === undefined) return (report) => statusView(report, output.screen);
  if (output.json) {
    throw invalidInput('--format', 'can not be used with --json', 'leave one of them out');
  }
  return parseStatusLine(format);
}

/** For a plugin's caller every failure is 3, unknown: 1 and 2 would say warning and critical. */
async function nagios(context: CommandContext, options: StatusOptions): Promise<number> {
  const { output } = context;
  try {
    const report = await reportOf(context, options);
    if (output.json) output.document(report);
    else output.result(nagiosLine(report));
    return NAGIOS_OF_LEVEL[report.level];
  } catch (error) {
    if (output.json || output.debug) reportFailure(error, output);
    if (!output.json) output.result(nagiosUnknown(messageOf(error)));
    return NAGIOS_UNKNOWN;
  }
}

function messageOf(error: unknown): string {
  if (error instanceof TokenctlError) return error.message;
  return `unexpected: ${error instanceof Error ? error.message : String(error)}`;
}

async function reportOf(context: CommandContext, options: StatusOptions): Promise<StatusReport> {
  const request = requestOf(context, options);
  try {
    return await withApp(context, (app) => app.status(request));
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.code !== 'ledger_unavailable') throw error;
    const { code, message, fix } = error;
    const what = `${message}; until it answers, every request is denied`;
    throw new TokenctlError(code, what, { cause: error, ...(fix === null ? {} : { fix }) });
  }
}

function requestOf(
  { runtime }: CommandContext,
  { aiType, month }: StatusOptions,
): { aiType?: string; month?: string } {
  return {
    ...(aiType === undefined ? {} : { aiType: parseAiType(aiType, '--ai-type') }),
    ...(month === undefined ? {} : { month: parseMonth(month, isoTime(runtime.nowMs())) }),
  };
}

function parseMonth(text: string, now: string): string {
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) {
    throw invalidInput(
      '--month',
      `"${text}" is no month`,
      `for example: --month ${now.slice(0, 7)}`,
    );
  }
  if (text > now.slice(0, 7)) throw invalidInput('--month', `${text} has not begun`);
  return text;
}
