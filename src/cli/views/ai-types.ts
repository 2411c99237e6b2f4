import type { StatusReport } from '../../ledger/status.ts';
import type { Screen } from '../output.ts';
import { table } from './table.ts';
import { age, count, hang, percentText, shorten } from './text.ts';

/** Who spent it, the most first. */
export function aiTypeTable(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const { aiTypes, aiType } = report;
  if (aiTypes.length === 0) {
    const month = report.month ?? report.time.slice(0, 7);
    const text =
      aiType === null
        ? `No AI type has used anything in ${month}.`
        : `${aiType} has used nothing in ${month}.`;
    return hang('', text, screen.width);
  }
  const { colors } = screen;
  const plain = (text: string): string => text;
  const statusPaint = {
    active: plain,
    warning: colors.yellow,
    critical: colors.red,
    limit_reached: colors.red,
  };
  const alarming = (amount: number) => ({
    text: count(amount),
    paint: amount === 0 ? plain : colors.yellow,
  });
  const past = report.month !== null;
  return table(
    [
      { title: 'AI type' },
      { title: 'Used', align: 'right' },
      { title: 'Share', align: 'right', expendable: 1 },
      { title: 'Held', align: 'right', expendable: 6 },
      ...(past ? [] : [{ title: 'Today', align: 'right' as const, expendable: 4 }]),
      { title: 'Requests', align: 'right', expendable: 5 },
      { title: 'Failed', align: 'right', expendable: 3 },
      { title: 'Denied', align: 'right', expendable: 2 },
      { title: 'Last', align: 'right', expendable: 7 },
      { title: 'Status', expendable: 8 },
      { title: 'In', align: 'right', expendable: 9 },
      { title: 'Out', align: 'right', expendable: 9 },
    ],
    aiTypes.map((row) => {
      const paint = statusPaint[row.status];
      return [
        // The status column goes where there is no room; its colour stays.
        { text: shorten(row.aiType, Math.max(8, Math.floor(screen.width / 3))), paint },
        count(row.used),
        percentText(row.percentOfGlobal),
        count(row.held),
        ...(past ? [] : [count(row.today ?? 0)]),
        count(row.requests),
        alarming(row.failed),
        alarming(row.denied),
        row.lastRequestAt === null ? '-' : `${age(nowMs - Date.parse(row.lastRequestAt))} ago`,
        { text: row.status.replace('_', ' '), paint },
        count(row.inputTokens),
        count(row.outputTokens),
      ];
    }),
    screen,
  );
}
