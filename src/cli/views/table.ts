import type { Screen } from '../output.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Left out first where the screen is too narrow: the highest first; without one, never. */
  readonly expendable?: number;
  /** Text that may take several lines when there is no room for it in one (grid.ts). */
  readonly flexible?: boolean;
}

/** A cell's plain text; `paint` colours it after the widths are known. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

const GAP = 2;
const NARROWEST_FLEXIBLE = 18;

/** Which columns fit, and how wide each is: numbers are never cut, expendable columns go first. */
export function fitColumns(
  columns: readonly Column[],
  cells: readonly (readonly Cell[])[],
  width: number,
): { readonly shown: readonly number[]; readonly widths: readonly number[] } {
  const natural = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => row[index]?.text.length ?? 0)),
  );
  const least = (index: number): number => {
    const whole = natural[index] ?? 0;
    return columns[index]?.flexible === true ? Math.min(whole, NARROWEST_FLEXIBLE) : whole;
  };
  let shown = columns.map((_, index) => index);
  const widthOf = (indexes: readonly number[], size: (index: number) => number): number =>
    indexes.reduce((sum, index) => sum + size(index) + GAP, -GAP);
  while (widthOf(shown, least) > width) {
    const candidates = shown.filter((index) => columns[index]?.expendable !== undefined);
    if (candidates.length === 0) break;
    const [goes] = candidates.toSorted(
      (a, b) => (columns[b]?.expendable ?? 0) - (columns[a]?.expendable ?? 0),
    );
    shown = shown.filter((index) => index !== goes);
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
  return { shown, widths };
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
  const { shown, widths } = fitColumns(columns, cells, width);
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
  return [
    line(shown.map((index) => ({ text: columns[index]?.title ?? '', paint: colors.dim }))),
    ...cells.map((row) => line(shown.map((index) => row[index] ?? { text: '' }))),
  ];
}

type Paint = (text: string) => string;
const plain: Paint = (text) => text;
