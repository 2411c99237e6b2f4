import type { UsageGroup } from '../../budget/usage-query.ts';
import { isAny, type UsageAmounts } from '../../ledger/usage-amounts.ts';
import { keyIn, type UsageKey, type UsageReport } from '../../ledger/usage.ts';
import { oneLine } from './text.ts';

/** Usage for spreadsheets and scripts, by RFC 4180. */

const COLUMNS: Readonly<Record<UsageGroup, string>> = {
  'ai-type': 'ai_type',
  model: 'model',
  'request-type': 'request_type',
  hour: 'hour',
  day: 'day',
  month: 'month',
};

/**
 * A record a row, then what a limit left out (`other`) and the adjustments: each token is in one record,
 * so that a column's sum is the total. The last line's end is the caller's.
 */
export function usageCsv(report: UsageReport): string {
  const { by, rows, other, adjustments, adjustmentsByAiType } = report;
  const record = (kind: string, key: UsageKey, amounts: UsageAmounts): string =>
    [
      kind,
      ...by.map((group) => field(keyIn(key, group) ?? '')),
      ...figures(amounts).map(String),
    ].join(',');
  const head = ['record', ...by.map((group) => COLUMNS[group]), ...FIGURES];
  const named = adjustmentsByAiType.map((row) => record('adjustments', row, row));
  const any = adjustments !== null && isAny(adjustments);
  return [
    head.join(','),
    ...rows.map((row) => record('usage', row, row)),
    ...(other === null ? [] : [record('other', {}, other)]),
    ...(named.length === 0 && any ? [record('adjustments', {}, adjustments)] : named),
  ]
    .map((each) => `${each}\r`)
    .join('\n');
}

const FIGURES = ['input_tokens', 'output_tokens', 'used', 'requests', 'failed', 'denied'] as const;

function figures(row: UsageAmounts): readonly number[] {
  return [row.inputTokens, row.outputTokens, row.used, row.requests, row.failed, row.denied];
}

/** Another program's text. An apostrophe goes before what a spreadsheet would take for a formula. */
function field(text: string): string {
  const line = oneLine(text);
  const safe = /^[=+\-@＝＋－＠]/.test(line) ? `'${line}` : line;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
