import type { UsageGroup } from '../../budget/usage-query.ts';
import { windowAt } from '../../budget/windows.ts';
import { isAny, type UsageAmounts } from '../../ledger/usage-amounts.ts';
import { keyIn, type UsageReport, type UsageRow } from '../../ledger/usage.ts';
import type { Screen } from '../output.ts';
import { table, type Cell, type Column } from './table.ts';
import { count, hang, oneLine, percentText, shorten, timeText } from './text.ts';

/** What stands over a group's column. */
const TITLES: Readonly<Record<UsageGroup, string>> = {
  'ai-type': 'AI type',
  model: 'Model',
  'request-type': 'Request type',
  hour: 'Hour (UTC)',
  day: 'Day (UTC)',
  month: 'Month (UTC)',
};

const BAR = { least: 6, most: 30 };

/** What was used: a row a group, and below them what makes their sum the one that `status` shows. */
export function usageView(report: UsageReport, screen: Screen): string {
  const { rows, other, usage, adjustments, total } = report;
  const lead = hang('', headline(report), screen.width);
  const adjusted = adjustments !== null && isAny(adjustments);
  if (rows.length === 0 && !adjusted) return [...lead, '', 'Nothing was counted.'].join('\n');
  const most = Math.max(...rows.map(({ used }) => used), other?.used ?? 0);
  const body = [
    ...rows.map((row) => [
      ...report.by.map((group) => nameCell(row, group, report, screen)),
      ...figures(row, screen, percentText(row.percent), bar(row.used, most, screen)),
    ]),
    ...(other === null
      ? []
      : [
          line(report, `${count(other.rows)} others`, other, screen, {
            percent: percentText(other.percent),
            share: bar(other.used, most, screen),
          }),
        ]),
  ];
  const sums = [
    ...(adjusted ? [line(report, 'usage', usage, screen)] : []),
    ...(adjusted ? [line(report, 'adjustments', adjustments, screen)] : []),
    ...(adjusted ? report.adjustmentsByAiType : []).map((row) =>
      line(report, `  ${shorten(row.aiType, nameWidth(report, screen) - 2)}`, row, screen),
    ),
    line(report, 'total', total, screen),
  ];
  const lines = table(columnsOf(report), [...body, ...sums], screen);
  const end = body.length + 1;
  return [...lead, '', ...lines.slice(0, end), '', ...lines.slice(end)].join('\n');
}

function headline({ since, until, filter }: UsageReport): string {
  const startMs = Date.parse(since);
  const { start, startsAtMs, resetsAtMs } = windowAt('month', startMs);
  const isMonth = startsAtMs === startMs && resetsAtMs === Date.parse(until);
  const period = isMonth
    ? `Usage of ${start} (UTC)`
    : `Usage from ${timeText(since)} to ${timeText(until)}, in whole hours`;
  const only = [
    ...(filter.aiType === null ? [] : [`AI type ${filter.aiType}`]),
    ...(filter.model === null ? [] : [`model ${oneLine(filter.model)}`]),
    ...(filter.requestType === null ? [] : [`request type ${oneLine(filter.requestType)}`]),
  ];
  return [period, ...only].join(', ');
}

function columnsOf({ by }: UsageReport): Column[] {
  const right = { align: 'right' } as const;
  return [
    ...by.map((group) => ({ title: TITLES[group] })),
    { title: 'Used', ...right },
    { title: 'Share', ...right, expendable: 1 },
    { title: '', wideTitle: 'beside the most', growsTo: BAR.most, expendable: 4 },
    { title: 'Requests', ...right, expendable: 2 },
    { title: 'Failed', ...right, expendable: 3 },
    { title: 'Denied', ...right, expendable: 3 },
    { title: 'In', ...right, expendable: 5 },
    { title: 'Out', ...right, expendable: 5 },
  ];
}

/** Names take a part of the screen only, so that the figures have room. */
function nameWidth({ by }: UsageReport, { width }: Screen): number {
  return Math.max(12, Math.floor(width / (by.length === 1 ? 3 : 4)));
}

function nameCell(row: UsageRow, group: UsageGroup, report: UsageReport, screen: Screen): string {
  const name = keyIn(row, group);
  if (name === null) return '-';
  if (group === 'hour') return `${name.replace('T', ' ')}:00`;
  return shorten(oneLine(name), nameWidth(report, screen));
}

/** A row that is no group's. */
function line(
  { by }: UsageReport,
  label: string,
  amounts: UsageAmounts,
  screen: Screen,
  { percent = '', share = { text: '' } }: { percent?: string; share?: Cell } = {},
): (string | Cell)[] {
  return [label, ...by.slice(1).map(() => ''), ...figures(amounts, screen, percent, share)];
}

function figures(
  row: UsageAmounts,
  { colors }: Screen,
  percent: string,
  share: Cell,
): (string | Cell)[] {
  const alarming = (amount: number): Cell =>
    amount > 0 ? { text: count(amount), paint: colors.yellow } : { text: count(amount) };
  return [
    count(row.used),
    percent,
    share,
    count(row.requests),
    alarming(row.failed),
    alarming(row.denied),
    count(row.inputTokens),
    count(row.outputTokens),
  ];
}

/** As long as its part of the greatest; what is more than nothing is seen. */
function bar(used: number, most: number, screen: Screen, width = BAR.least): Cell {
  const { symbols, colors } = screen;
  const cells = used <= 0 ? 0 : Math.max(1, Math.round((used * width) / most));
  return {
    text: symbols.full.repeat(cells),
    paint: colors.green,
    grown: (whole) => bar(used, most, screen, whole),
  };
}
