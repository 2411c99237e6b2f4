import type { IsoTime } from '../../budget/windows.ts';
import { count, counted, timeText } from './text.ts';

/** What `import --json` prints. */
export interface ImportSummary {
  readonly file: string;
  readonly rows: number;
  readonly added: number;
  /** Rows that an earlier import had brought already. */
  readonly known: number;
  readonly aiTypes: readonly string[];
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The time of the first and of the last row; null where there is none. */
  readonly from: IsoTime | null;
  readonly to: IsoTime | null;
  /** How long it took. */
  readonly ms: number;
}

/** One line: what was added, what the file holds. */
export function importView(summary: ImportSummary): string {
  const { file, rows, added, known, aiTypes, inputTokens, outputTokens, from, to } = summary;
  if (rows === 0 || from === null || to === null) return `${file}: no rows, 0 added`;
  const tokens = `${count(inputTokens)} tokens in and ${count(outputTokens)} out`;
  return `${file}: ${count(added)} added, ${count(known)} known already; ${counted(rows, 'row')} of ${aiTypes.join(', ')} with ${tokens}, ${timeText(from)} to ${timeText(to)}`;
}
