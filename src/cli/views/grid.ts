import CliTable from 'cli-table3';
import type { Screen } from '../output.ts';
import { fitColumns, type Cell, type Column } from './table.ts';
import { hang } from './text.ts';

/**
 * A table whose flexible columns wrap where the screen is narrow: for the screens of history and
 * limits. The first screens (status, monitor) lay out their own (table.ts), which starts faster.
 */
export function grid(
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
  { width, colors }: Screen,
): string[] {
  const cells = rows.map((row) =>
    row.map((cell): Cell => (typeof cell === 'string' ? { text: cell } : cell)),
  );
  const { fits, shown, widths } = fitColumns(columns, cells, width);
  if (!fits) return stacked(columns, cells, shown, width);
  const layout = new CliTable({
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    head: shown.map((index) => colors.dim(columns[index]?.title ?? '')),
    colWidths: widths.map((size) => size + GAP),
    colAligns: shown.map((index) => columns[index]?.align ?? 'left'),
    wordWrap: true,
  });
  for (const row of cells) {
    layout.push(
      shown.map((index) => {
        const { text, paint } = row[index] ?? { text: '' };
        return text === '' || paint === undefined ? text : paint(text);
      }),
    );
  }
  return layout
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

/** Each row on lines of its own, where the screen is too narrow for columns: the terminal would cut numbers. */
function stacked(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  shown: readonly number[],
  width: number,
): string[] {
  const [name = 0, ...others] = shown;
  return rows.flatMap((row) => {
    const text = (index: number): string => row[index]?.text ?? '';
    const filled = others.filter((index) => text(index) !== '');
    return [
      ...hang('', text(name), width),
      ...filled.flatMap((index) =>
        hang('  ', `${columns[index]?.title ?? ''}: ${text(index)}`, width),
      ),
    ];
  });
}

const GAP = 2;
const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};
