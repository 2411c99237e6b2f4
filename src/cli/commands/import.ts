import { extname, resolve } from 'node:path';
import { parseAiType } from '../../budget/ai-type.ts';
import { invalidInput } from '../../budget/errors.ts';
import { fileProblem, openInput } from '../../platform/files.ts';
import type { ImportRow } from '../../ledger/import.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { parseColumns } from '../import/columns.ts';
import { readUsageFile } from '../import/usage-file.ts';
import { startProgress } from '../progress.ts';
import { importView, type ImportSummary } from '../views/import.ts';

export interface ImportOptions {
  readonly columns?: string;
  readonly aiType?: string;
  readonly format?: string;
}

export async function importFile(
  context: CommandContext,
  file: string,
  options: ImportOptions,
): Promise<number> {
  const { output, runtime } = context;
  const rows = await readRows(context, file, options);
  const summary = await withApp(context, async (app) => {
    const progress = await startProgress(output);
    const startedMs = runtime.monotonicMs();
    try {
      const { added, known } = await app.importRows(rows, (done) =>
        progress.show(`Importing ${String(done)} of ${String(rows.length)} rows`),
      );
      return {
        ...summarize(file, rows),
        added,
        known,
        ms: Math.round(runtime.monotonicMs() - startedMs),
      };
    } finally {
      progress.end();
    }
  });
  if (output.json) output.document(summary);
  else output.result(importView(summary));
  return EXIT.done;
}

async function readRows(
  { host, runtime }: CommandContext,
  file: string,
  { columns, aiType, format }: ImportOptions,
): Promise<ImportRow[]> {
  const path = file === '-' ? file : resolve(host.directory, file);
  const options = {
    file: file === '-' ? 'standard input' : file,
    format: formatOf(file, format),
    columns: columns === undefined ? {} : parseColumns(columns),
    aiType: aiType === undefined ? null : parseAiType(aiType, '--ai-type'),
    nowMs: runtime.nowMs(),
  };
  try {
    return await readUsageFile(openInput(path), options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.syscall === undefined) throw error;
    throw invalidInput(file, `can't be read: ${fileProblem(error)}`);
  }
}

function formatOf(file: string, format: string | undefined): 'csv' | 'jsonl' {
  if (format === undefined) {
    return ['.jsonl', '.ndjson'].includes(extname(file).toLowerCase()) ? 'jsonl' : 'csv';
  }
  if (format !== 'csv' && format !== 'jsonl') {
    throw invalidInput('--format', `"${format}" is no format`, 'the formats are: csv, jsonl');
  }
  return format;
}

function summarize(
  file: string,
  rows: readonly ImportRow[],
): Omit<ImportSummary, 'added' | 'known' | 'ms'> {
  let inputTokens = 0;
  let outputTokens = 0;
  let [first, last] = [Infinity, -Infinity];
  for (const row of rows) {
    inputTokens += row.inputTokens;
    outputTokens += row.outputTokens;
    first = Math.min(first, row.atMs);
    last = Math.max(last, row.atMs);
  }
  const time = (atMs: number): string | null =>
    rows.length === 0 ? null : new Date(atMs).toISOString();
  const aiTypes = [...new Set(rows.map((row) => row.aiType))].toSorted();
  return {
    file,
    rows: rows.length,
    aiTypes,
    inputTokens,
    outputTokens,
    from: time(first),
    to: time(last),
  };
}
