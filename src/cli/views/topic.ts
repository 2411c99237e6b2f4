import { hang } from './text.ts';

/** A part of a help topic: a title, then text, then names with what each means. */
export interface TopicPart {
  readonly title: string;
  readonly text?: string;
  readonly rows?: readonly (readonly [name: string, about: string])[];
}

const INDENT = '  ';

/** A help topic, at most `width` wide where its names allow. */
export function topicView(parts: readonly TopicPart[], width: number): string {
  return parts
    .map(({ title, text, rows = [] }) =>
      [
        `${title}:`,
        ...(text === undefined ? [] : hang(INDENT, text, width)),
        ...(text === undefined || rows.length === 0 ? [] : ['']),
        ...rowLines(rows, width),
      ].join('\n'),
    )
    .join('\n\n');
}

/** Names in a column, or each above its text where that would leave it too little room. */
function rowLines(rows: NonNullable<TopicPart['rows']>, width: number): string[] {
  const column = Math.max(0, ...rows.map(([name]) => name.length));
  const beside = column <= width / 2;
  return rows.flatMap(([name, about]) =>
    beside
      ? hang(`${INDENT}${name.padEnd(column)}${INDENT}`, about, width)
      : [`${INDENT}${name}`, ...hang(INDENT + INDENT + INDENT, about, width)],
  );
}
