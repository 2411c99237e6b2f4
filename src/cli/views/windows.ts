import type { StatusReport } from '../../ledger/status.ts';
import type { WindowStatus } from '../../ledger/window-status.ts';
import type { Screen } from '../output.ts';
import { table, type Cell } from './table.ts';
import { count, duration, limitText, percentText, shorten } from './text.ts';

/** A bar is shown from this many characters on, and grows where there is room. */
const BAR = { least: 6, most: 30 };

/** Month, day and hour, global and of the AI types that have limits of their own, with bars. */
export function windowTable(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const rows = report.windows.filter((row) => row.scope === 'global' || row.limit !== null);
  // Beside one AI type's, the global windows could be taken for its own.
  const global = report.aiType === null ? '' : 'global ';
  const name = (row: WindowStatus): string =>
    row.scope === 'global'
      ? `${global}${row.window}`
      : `${shorten(row.scope, Math.max(4, Math.floor(screen.width / 6)))} ${row.window}`;
  const past = report.month !== null;
  const { full, held } = screen.symbols;
  return table(
    [
      { title: 'Window' },
      { title: 'Used', align: 'right', expendable: 2 },
      { title: 'Held', align: 'right', expendable: 5 },
      { title: 'Limit', align: 'right', expendable: 6 },
      { title: 'Left', align: 'right', expendable: 1 },
      { title: 'Percent', align: 'right' },
      {
        title: '',
        wideTitle: `${full} used ${held} held`,
        growsTo: BAR.most,
        expendable: 4,
      },
      ...(past ? [] : [{ title: 'Resets in', expendable: 3 }]),
    ],
    rows.map((row) => [
      name(row),
      count(row.used),
      count(row.held),
      limitText(row.limit),
      row.remaining === null ? '-' : count(row.remaining),
      percentText(row.percent),
      bar(row, BAR.least, screen),
      ...(past ? [] : [duration(Date.parse(row.resetsAt) - nowMs)]),
    ]),
    screen,
  );
}

/** Used, held and free apart. A bar is full only when nothing is left. */
function bar(row: WindowStatus, width: number, screen: Screen): Cell {
  const { used, held, percent } = row;
  if (percent === null) return { text: '' };
  const { symbols, colors } = screen;
  const taken = Math.min(width, Math.floor((percent * width) / 100));
  const ofHeld = held === 0 ? 0 : Math.max(1, Math.round((taken * held) / (used + held)));
  const heldCells = Math.min(taken, ofHeld);
  const usedCells = taken - heldCells;
  const paint = percent >= 95 ? colors.red : percent >= 80 ? colors.yellow : colors.green;
  return {
    text:
      symbols.full.repeat(usedCells) +
      symbols.held.repeat(heldCells) +
      symbols.empty.repeat(width - taken),
    paint: (text) =>
      [
        [paint, text.slice(0, usedCells)] as const,
        [colors.cyan, text.slice(usedCells, taken)] as const,
        [colors.dim, text.slice(taken)] as const,
      ]
        .map(([color, part]) => (part === '' ? '' : color(part)))
        .join(''),
    grown: (whole) => bar(row, whole, screen),
  };
}
