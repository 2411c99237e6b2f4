import { TokenctlError, invalidInput } from '../../budget/errors.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { isoTime } from '../../budget/windows.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT, EXIT_OF_LEVEL, NAGIOS_OF_LEVEL, NAGIOS_UNKNOWN } from '../exit-codes.ts';
import { nagiosLine, nagiosUnknown } from '../views/nagios.ts';
import { statusView } from '../views/status.ts';

export interface StatusOptions {
  readonly aiType?: string;
  readonly month?: string;
  readonly exitCode?: boolean;
  readonly nagios?: boolean;
}

export async function status(context: CommandContext, options: StatusOptions): Promise<number> {
  if (options.nagios !== true) return show(context, options);
  try {
    return await nagios(context, options);
  } catch (error) {
    if (!(error instanceof TokenctlError)) throw error;
    context.output.result(nagiosUnknown(error.message));
    return NAGIOS_UNKNOWN;
  }
}

async function show(context: CommandContext, options: StatusOptions): Promise<number> {
  const { output } = context;
  const request = requestOf(context, options);
  const report = await withApp(context, (app) => app.status(request));
  if (output.json) output.document(report);
  else output.result(statusView(report, output.screen));
  return options.exitCode === true ? EXIT_OF_LEVEL[report.level] : EXIT.done;
}

function nagios(context: CommandContext, options: StatusOptions): Promise<number> {
  const { output } = context;
  const request = requestOf(context, options);
  return withApp(context, async (app) => {
    const [report, { limits }] = [await app.status(request), await app.limits()];
    if (output.json) output.document(report);
    else output.result(nagiosLine(report, limits));
    return NAGIOS_OF_LEVEL[report.level];
  });
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
