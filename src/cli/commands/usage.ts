import type { App } from '../../app.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { invalidInput } from '../../budget/errors.ts';
import { parseInstant } from '../../budget/instant.ts';
import { parseCount } from '../../budget/tokens.ts';
import { MOST_USAGE_ROWS, usageQuery, type UsageQuery } from '../../budget/usage-query.ts';
import type { UsageReport } from '../../ledger/usage.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { noteNearAiTypes } from '../near-ai-type.ts';
import { usageCsv } from '../views/usage-csv.ts';
import { usageView } from '../views/usage.ts';

export interface UsageOptions {
  readonly since?: string;
  readonly until?: string;
  readonly month?: string;
  readonly by?: readonly string[];
  readonly aiType?: string;
  readonly model?: string;
  readonly requestType?: string;
  readonly sort?: string;
  readonly limit?: string;
  readonly csv?: boolean;
}

export async function usage(context: CommandContext, options: UsageOptions): Promise<number> {
  const { output } = context;
  if (options.csv === true && output.json) {
    throw invalidInput('--csv', 'can not be used with --json', 'leave one of them out');
  }
  const query = queryOf(context, options);
  const report = await withApp(context, (app) => reportIn(app, query, context));
  if (output.json) output.document(report);
  else if (options.csv === true) output.result(usageCsv(report));
  else output.result(usageView(report, output.screen));
  return EXIT.done;
}

async function reportIn(
  app: App,
  query: UsageQuery,
  { output }: CommandContext,
): Promise<UsageReport> {
  output.progress('adding up');
  const report = await app.usage(query).finally(() => output.progress(''));
  const { aiType } = query.filter;
  if (report.rows.length === 0 && aiType !== null) await noteNearAiTypes(output, app, [aiType]);
  return report;
}

function queryOf({ runtime }: CommandContext, options: UsageOptions): UsageQuery {
  const nowMs = runtime.nowMs();
  const { since, until, month, by, aiType, model, requestType, sort, limit } = options;
  const request = {
    sinceMs: since === undefined ? null : parseInstant('--since', since, nowMs),
    untilMs: until === undefined ? null : parseInstant('--until', until, nowMs),
    month: month?.trim() ?? null,
    // Two are also written with a comma.
    by: by?.flatMap((text) => text.split(',')).filter((text) => text !== '') ?? null,
    aiType: aiType === undefined ? null : aiTypeOf(aiType),
    model: model ?? null,
    requestType: requestType ?? null,
    sort: sort ?? null,
    limit: limit === undefined ? null : parseCount('--limit', limit, 1, MOST_USAGE_ROWS),
  };
  return usageQuery(request, nowMs, '--');
}

/** Rows of other programs without a valid name count under `unknown`, which may be asked for. */
function aiTypeOf(text: string): string {
  return text.trim().toLowerCase() === 'unknown' ? 'unknown' : parseAiType(text, '--ai-type');
}
