import type { Readable } from 'node:stream';
import { invalidInput, TokenctlError } from '../../budget/errors.ts';
import type { ImportRow } from '../../ledger/import.ts';
import { chooseColumns, type Columns, type Field } from './columns.ts';
import { readRow, type RowDefaults } from './row.ts';

/** Reads a whole usage log before anything of it counts: either every row is right, or none is used. */

export interface UsageFileOptions extends RowDefaults {
  /** For messages. */
  readonly file: string;
  readonly format: 'csv' | 'jsonl';
  readonly columns: Columns;
}

interface LineProblem {
  readonly line: number;
  readonly problem: string;
}

const LISTED = 20;

/** @throws invalid_input listing the lines that are wrong, at most 20 */
export async function readUsageFile(
  input: Readable,
  options: UsageFileOptions,
): Promise<ImportRow[]> {
  const rows: ImportRow[] = [];
  const problems: LineProblem[] = [];
  const take = (line: number, cell: (field: Field) => string | null, columns: Columns): void => {
    const row = readRow(cell, columns, options);
    if (!Array.isArray(row)) rows.push(row);
    else problems.push(...row.map((problem) => ({ line, problem })));
  };
  const read = options.format === 'csv' ? readCsv : readJsonLines;
  await read(input, options, take, problems);
  if (problems.length > 0) throw badFile(options.file, problems);
  return rows;
}

type Take = (line: number, cell: (field: Field) => string | null, columns: Columns) => void;

async function readCsv(
  input: Readable,
  { columns: named }: UsageFileOptions,
  take: Take,
  problems: LineProblem[],
): Promise<void> {
  const { parse } = await import('csv-parse');
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true });
  input.on('error', (error) => parser.destroy(error));
  let header: string[] | null = null;
  let columns: Columns = {};
  let places: Partial<Record<Field, number>> = {};
  try {
    for await (const { record, info } of input.pipe(parser) as AsyncIterable<Csv>) {
      if (header === null) {
        header = record.map((title) => title.trim());
        columns = chooseColumns(named, header);
        places = placesOf(columns, header);
      } else if (record.length !== header.length) {
        const problem = `has ${String(record.length)} fields, the header ${String(header.length)}`;
        problems.push({ line: info.lines, problem });
      } else {
        const cell = (field: Field): string | null => record[places[field] ?? -1] ?? null;
        take(info.lines, cell, columns);
      }
    }
  } catch (error) {
    const { code, lines } = error as { code?: unknown; lines?: unknown };
    if (typeof code !== 'string' || !code.startsWith('CSV_')) throw error;
    const line = typeof lines === 'number' ? lines : parser.info.lines;
    problems.push({ line, problem: `is no CSV: ${(error as Error).message}` });
  }
  if (header === null && problems.length === 0) {
    problems.push({ line: 1, problem: 'there is no header: the file is empty' });
  }
}

interface Csv {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function placesOf(columns: Columns, header: readonly string[]): Partial<Record<Field, number>> {
  return Object.fromEntries(
    Object.entries(columns).map(([field, column]) => [field, header.indexOf(column)]),
  );
}

async function readJsonLines(
  input: Readable,
  { columns: named }: UsageFileOptions,
  take: Take,
  problems: LineProblem[],
): Promise<void> {
  const { createInterface } = await import('node:readline');
  let line = 0;
  // readline would swallow what goes wrong with its input.
  const failed = new Promise<never>((_, reject) => input.once('error', reject));
  failed.catch(() => undefined);
  const lines = createInterface({ input, crlfDelay: Infinity })[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done === true) break;
    line += 1;
    const text = next.value.replace(/^\uFEFF/, '').trim();
    if (text === '') continue;
    const record = parseObject(text);
    if (record === null) {
      problems.push({ line, problem: 'is no JSON object' });
      continue;
    }
    try {
      const columns = chooseColumns(named, pathsOf(record));
      take(line, (field) => textAt(record, columns[field]), columns);
    } catch (error) {
      if (!(error instanceof TokenctlError)) throw error;
      problems.push({ line, problem: error.message });
    }
  }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The names of an object's values, those of objects in it joined by dots (`usage.input_tokens`). */
function pathsOf(record: Record<string, unknown>): string[] {
  return Object.entries(record).flatMap(([key, value]) =>
    isObject(value) ? Object.keys(value).map((inner) => `${key}.${inner}`) : [key],
  );
}

function textAt(record: Record<string, unknown>, path: string | undefined): string | null {
  if (path === undefined) return null;
  const dot = path.indexOf('.');
  const inner = dot < 0 ? undefined : record[path.slice(0, dot)];
  const value = isObject(inner) ? inner[path.slice(dot + 1)] : record[path];
  return value === undefined || value === null
    ? null
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function badFile(file: string, problems: readonly LineProblem[]): TokenctlError {
  const lines = new Set(problems.map(({ line }) => line)).size;
  const listed = problems
    .slice(0, LISTED)
    .map(({ line, problem }) => `  line ${String(line)}: ${problem}`);
  const more = problems.length - listed.length;
  const wrong = lines === 1 ? '1 line is' : `${String(lines)} lines are`;
  return invalidInput(
    file,
    [
      `${wrong} wrong, nothing was imported`,
      ...listed,
      ...(more > 0 ? [`  and ${String(more)} more`] : []),
    ].join('\n'),
  );
}
