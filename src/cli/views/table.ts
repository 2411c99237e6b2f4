import type { Screen } from '../output.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Left out first where the screen is too narrow: the highest first, equal ones together; without one, never. */
  readonly expendable?: number;
  /** Text that may take several lines when there is no room for it in one (grid.ts). */
  readonly flexible?: boolean;
  /** The cells take the room that is left, up to this width (table.ts). */
  readonly growsTo?: number;
  /** The title where the column has grown wide enough for it. */
  readonly wideTitle?: string;
}

/** A cell's plain text; `paint` colours it after the widths are known. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
  /** The same for the width of a column that has grown. */
  readonly grown?: (width: number) => Cell;
}

const GAP = 2;
const NARROWEST_FLEXIBLE = 18;

/**
 * Which columns fit, and how wide each is: numbers are never cut, expendable columns go first. Not even
 * those that always stay fit where the screen is very narrow.
 */
export function fitColumns(
  columns: readonly Column[],
  cells: readonly (readonly Cell[])[],
  width: number,
): {
  readonly fits: boolean;
  readonly shown: readonly number[];
  readonly widths: readonly number[];
} {
  const natural = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => row[index]?.text.length ?? 0)),
  );
  const narrowest = (index: number): number => {
    const whole = natural[index] ?? 0;
    return columns[index]?.flexible === true ? Math.min(whole, NARROWEST_FLEXIBLE) : whole;
  };
  let shown = columns.map((_, index) => index);
  const widthOf = (indexes: readonly number[], size: (index: number) => number): number =>
    indexes.reduce((sum, index) => sum + size(index) + GAP, -GAP);
  while (widthOf(shown, narrowest) > width) {
    const candidates = shown.filter((index) => columns[index]?.expendable !== undefined);
    if (candidates.length === 0) break;
    const least = Math.max(...candidates.map((index) => columns[index]?.expendable ?? 0));
    shown = shown.filter((index) => columns[index]?.expendable !== least);
  }
  // What is missing is taken from the last flexible column first.
  let missing = widthOf(shown, (index) => natural[index] ?? 0) - width;
  const widths = shown.map((index) => natural[index] ?? 0);
  for (const [place, index] of [...shown.entries()].toReversed()) {
    if (missing <= 0 || columns[index]?.flexible !== true) continue;
    const whole = natural[index] ?? 0;
    const narrowed = Math.max(Math.min(whole, NARROWEST_FLEXIBLE), whole - missing);
    missing -= whole - narrowed;
    widths[place] = narrowed;
  }
  return { fits: missing <= 0, shown, widths };
}

/** A table without lines, as wide as its data. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
  { width, colors }: Screen,
): string[] {
  const cells = rows.map((row) =>
    row.map((cell): Cell => (typeof cell === 'string' ? { text: cell } : cell)),
  );
  const { shown, widths: fitted } = fitColumns(columns, cells, width);
  const room = width - fitted.reduce((sum, size) => sum + size + GAP, -GAP);
  const widths = fitted.map((size, place) => {
    const { growsTo = size } = columns[shown[place] ?? -1] ?? {};
    return Math.max(size, Math.min(growsTo, size + room));
  });
  /** Padding goes outside the colour, and none ends a line. */
  const line = (parts: readonly Cell[]): string =>
    parts
      .map(({ text, paint = plain }, place) => {
        const pad = ' '.repeat(Math.max(0, (widths[place] ?? 0) - text.length));
        const painted = text === '' ? '' : paint(text);
        const column = columns[shown[place] ?? -1];
        return column?.align === 'right' ? pad + painted : painted + pad;
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  const title = (index: number, place: number): Cell => {
    const { title: text = '', wideTitle = '' } = columns[index] ?? {};
    const wide = wideTitle !== '' && wideTitle.length <= (widths[place] ?? 0);
    return { text: wide ? wideTitle : text, paint: colors.dim };
  };
  const cell = (row: readonly Cell[], index: number, place: number): Cell => {
    const found = row[index] ?? { text: '' };
    return found.grown?.(widths[place] ?? 0) ?? found;
  };
  return [
    line(shown.map(title)),
    ...cells.map((row) => line(shown.map((index, place) => cell(row, index, place)))),
  ];
}

type Paint = (text: string) => string;
const plain: Paint = (text) => text;
