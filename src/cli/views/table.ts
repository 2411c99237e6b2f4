import type { Screen } from '../output.ts';
import { wrap } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Left out first where the screen is too narrow: the highest first; without one, never. */
  readonly expendable?: number;
  /** Text that may take several lines when there is no room for it in one. */
  readonly flexible?: boolean;
}

/** A cell's plain text; `paint` colours it after the widths are known. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

const GAP = 2;
const NARROWEST_FLEXIBLE = 20;

/**
 * A table without lines, as wide as its data: numbers are never cut. Where the screen is too narrow,
 * expendable columns go, then flexible ones wrap.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
  { width, colors }: Screen,
): string[] {
  const cells = rows.map((row) =>
    row.map((cell): Cell => (typeof cell === 'string' ? { text: cell } : cell)),
  );
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
  const spare = width - widthOf(shown, (index) => natural[index] ?? 0);
  const flexible = shown.findLast((index) => columns[index]?.flexible === true);
  const room = (index: number): number =>
    index === flexible && spare < 0
      ? Math.max(NARROWEST_FLEXIBLE, (natural[index] ?? 0) + spare)
      : Infinity;
  const laidOut = cells.map((row) =>
    shown.map((index): { readonly lines: readonly string[]; readonly paint: Paint } => {
      const { text, paint = plain } = row[index] ?? { text: '' };
      return { lines: text.length > room(index) ? wrap(text, room(index)) : [text], paint };
    }),
  );
  const widths = shown.map((index, place) => {
    const lines = laidOut.flatMap((row) => row[place]?.lines ?? []);
    return Math.max(columns[index]?.title.length ?? 0, ...lines.map((line) => line.length));
  });
  const titles = shown.map((index) => columns[index]?.title ?? '');
  /** Padding goes outside the colour, and none ends a line. */
  const line = (texts: readonly string[], paints: readonly Paint[]): string => {
    const parts = texts.map((text, place) => {
      const pad = ' '.repeat(Math.max(0, (widths[place] ?? 0) - text.length));
      const painted = text === '' ? '' : (paints[place] ?? plain)(text);
      const column = columns[shown[place] ?? -1];
      return column?.align === 'right' ? pad + painted : painted + pad;
    });
    return parts.join(' '.repeat(GAP)).trimEnd();
  };
  return [
    line(
      titles,
      titles.map(() => colors.dim),
    ),
    ...laidOut.flatMap((row) => {
      const height = Math.max(...row.map(({ lines }) => lines.length));
      return Array.from({ length: height }, (_, index) =>
        line(
          row.map(({ lines }) => lines[index] ?? ''),
          row.map(({ paint }) => paint),
        ),
      );
    }),
  ];
}

type Paint = (text: string) => string;
const plain: Paint = (text) => text;
