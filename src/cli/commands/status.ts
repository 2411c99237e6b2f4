import type { App, StatusRequest } from '../../app.ts';
import { TokenctlError, invalidInput } from '../../budget/errors.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { isoTime } from '../../budget/windows.ts';
import type { AlertCare } from '../../ledger/alert-status.ts';
import type { StatusReport } from '../../ledger/status.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT, EXIT_OF_LEVEL, NAGIOS_OF_LEVEL, NAGIOS_UNKNOWN } from '../exit-codes.ts';
import { reportFailure } from '../failure.ts';
import { noteNearAiTypes } from '../near-ai-type.ts';
import { careLines } from '../views/alert-care.ts';
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
  const { report, care } = await reportOf(context, options);
  if (output.json) output.document(report);
  else output.result(view(report, care));
  return options.exitCode === true ? EXIT_OF_LEVEL[report.level] : EXIT.done;
}

/** The whole screen, or the line that `--format` asks for. */
function viewOf(
  { output }: CommandContext,
  { format, aiType }: StatusOptions,
): (report: StatusReport, care: AlertCare | null) => string {
  if (format !== undefined && aiType !== undefined) {
    throw invalidInput(
      '--ai-type',
      'has no sense with --format, which is of the whole budget',
      "a placeholder has an AI type's share: {ai:TYPE.used}, {ai:TYPE.percent}",
    );
  }
  if (format === undefined) {
    return (report, care) =>
      statusView(report, output.screen, care === null ? [] : careLines(care, output.screen));
  }
  if (output.json) {
    throw invalidInput('--format', 'can not be used with --json', 'leave one of them out');
  }
  return parseStatusLine(format);
}

/** For a plugin's caller every failure is 3, unknown: 1 and 2 would say warning and critical. */
async function nagios(context: CommandContext, options: StatusOptions): Promise<number> {
  const { output } = context;
  try {
    if (options.aiType !== undefined) {
      throw invalidInput('--ai-type', 'has no sense with --nagios, which is of the whole budget');
    }
    const { report } = await reportOf(context, options);
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

interface Reported {
  readonly report: StatusReport;
  /** Null where nobody would see it. */
  readonly care: AlertCare | null;
}

async function reportOf(context: CommandContext, options: StatusOptions): Promise<Reported> {
  const request = requestOf(context, options);
  try {
    return await withApp(context, async (app) => {
      const shown =
        !context.output.json && options.format === undefined && options.month === undefined;
      // Asked for together: the database answers the one while the other is read.
      const [report, care] = await Promise.all([
        reportIn(app, request, context),
        shown ? careOf(app) : null,
      ]);
      return { report, care };
    });
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.code !== 'ledger_unavailable') throw error;
    const { code, message, fix } = error;
    const what = `${message}; until it answers, every request is denied`;
    throw new TokenctlError(code, what, { cause: error, ...(fix === null ? {} : { fix }) });
  }
}

async function reportIn(
  app: App,
  request: StatusRequest,
  { output }: CommandContext,
): Promise<StatusReport> {
  const report = await app.status(request);
  const { aiType, aiTypes, month } = report;
  if (aiType !== null && aiTypes.length === 0) {
    await noteNearAiTypes(output, app, [aiType], month ?? undefined);
  }
  return report;
}

/** A role that may not read alerts sees the status without them. */
async function careOf(app: App): Promise<AlertCare | null> {
  try {
    return await app.alertCare();
  } catch (error) {
    if (error instanceof TokenctlError) return null;
    throw error;
  }
}

function requestOf({ runtime }: CommandContext, { aiType, month }: StatusOptions): StatusRequest {
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
