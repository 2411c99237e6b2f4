import { stripVTControlCharacters } from 'node:util';

/** Fits lines and blocks of lines on a screen that does not scroll. Pure. */

export interface Block {
  readonly lines: readonly string[];
  /** 1 is the most important: the least important blocks are left out where there is no room. */
  readonly rank: number;
  /** How many lines are worth showing; all of them when absent. */
  readonly least?: number;
  /** Stands in place of the lines that were cut off. */
  readonly rest?: (hidden: number) => string;
  /** After a blank line, where there is room for one. */
  readonly apart?: boolean;
}

/** The lines of those blocks that fit the height, in their order. */
export function fitBlocks(blocks: readonly Block[], height: number): string[] {
  let room = height;
  const sizes = blocks.map(() => 0);
  const byRank = [...blocks.entries()].toSorted(([, a], [, b]) => a.rank - b.rank);
  for (const [place, { lines, least = lines.length }] of byRank) {
    const size = Math.min(least, lines.length);
    if (size > room) continue;
    sizes[place] = size;
    room -= size;
  }
  const top = sizes.findIndex((size) => size > 0);
  const apart = new Set<number>();
  for (const [place, block] of blocks.entries()) {
    if (block.apart !== true || sizes[place] === 0 || place === top || room === 0) continue;
    apart.add(place);
    room -= 1;
  }
  for (const [place, { lines }] of byRank) {
    const size = sizes[place] ?? 0;
    if (size === 0) continue;
    const more = Math.min(room, lines.length - size);
    sizes[place] = size + more;
    room -= more;
  }
  return blocks.flatMap((block, place) => [
    ...(apart.has(place) ? [''] : []),
    ...cut(block, sizes[place] ?? 0),
  ]);
}

function cut({ lines, rest }: Block, size: number): string[] {
  if (size === 0 || size >= lines.length || rest === undefined) return lines.slice(0, size);
  return [...lines.slice(0, size - 1), rest(lines.length - size + 1)];
}

/** A line that is too long ends after a whole word, without its colours; so no number is cut. */
export function clip(line: string, width: number): string {
  if (line.length <= width) return line;
  const plain = stripVTControlCharacters(line);
  if (plain.length <= width) return line;
  const end = plain.lastIndexOf(' ', width);
  return end > 0 ? plain.slice(0, end).trimEnd() : '~'.repeat(Math.min(1, width));
}

/** As many of the parts, in their order, as fit. The first is always there. */
export function joinFitting(parts: readonly string[], gap: string, width: number): string {
  const [first = '', ...others] = parts;
  let line = first;
  for (const part of others) {
    const longer = line + gap + part;
    if (stripVTControlCharacters(longer).length > width) break;
    line = longer;
  }
  return line;
}
