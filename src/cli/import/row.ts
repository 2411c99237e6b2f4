import { parseAiType } from '../../budget/ai-type.ts';
import { TokenctlError } from '../../budget/errors.ts';
import { storageProblem } from '../../budget/storable.ts';
import { parseCount } from '../../budget/tokens.ts';
import { parseTime } from '../../budget/written-time.ts';
import type { ImportRow } from '../../ledger/import.ts';
import type { Columns, Field } from './columns.ts';

export interface RowDefaults {
  /** The AI type of rows that name none; null where each must. */
  readonly aiType: string | null;
  /** Later times are refused: they would count now. */
  readonly nowMs: number;
}

const TRUE = ['', 'true', 't', '1', 'yes'];
const FALSE = ['false', 'f', '0', 'no'];

/**
 * One row of a usage log, from text by field.
 * @returns the row, or every problem that it has
 */
export function readRow(
  cell: (field: Field) => string | null,
  columns: Columns,
  { aiType: defaultAiType, nowMs }: RowDefaults,
): ImportRow | string[] {
  const problems: string[] = [];
  const attempt = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof TokenctlError)) throw error;
      problems.push(error.message);
      return otherwise;
    }
  };
  const name = (field: Field): string => columns[field] ?? field;
  const written = cell('timestamp') ?? '';
  const atMs = parseTime(written);
  if (atMs === null) problems.push(`${name('timestamp')}: ${quoted(written)} is no time`);
  else if (atMs > nowMs) problems.push(`${name('timestamp')}: ${written} lies in the future`);
  const tokens = (field: 'input' | 'output'): number =>
    attempt(() => parseCount(name(field), cell(field) ?? ''), 0);
  const inputTokens = tokens('input');
  const outputTokens = tokens('output');
  const ownType = cell('aiType') ?? '';
  let aiType = defaultAiType ?? '';
  if (ownType !== '') aiType = attempt(() => parseAiType(ownType, name('aiType')), aiType);
  else if (aiType === '') problems.push('names no AI type (give one with --ai-type)');
  const success = (cell('success') ?? '').trim().toLowerCase();
  if (!TRUE.includes(success) && !FALSE.includes(success)) {
    problems.push(`${name('success')}: ${quoted(success)} is neither true nor false`);
  }
  const text = (field: 'model' | 'requestId'): string | null => {
    const given = textOrNull(cell(field));
    const problem = given === null ? null : storageProblem(given);
    if (problem !== null) problems.push(`${name(field)}: ${problem}`);
    return given;
  };
  const model = text('model');
  const requestId = text('requestId');
  if (problems.length > 0 || atMs === null) return problems;
  return {
    aiType,
    atMs,
    inputTokens,
    outputTokens,
    model,
    requestId,
    success: !FALSE.includes(success),
  };
}

function textOrNull(text: string | null): string | null {
  return text === null || text.trim() === '' ? null : text.trim();
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
