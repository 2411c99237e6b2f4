import { isoTime } from '../budget/windows.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** When an AI type's row of token_usage was made and last set, ISO 8601; null where it does not say. */
export interface MonthRow {
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
}

const SQL = {
  name: 'month_row',
  sql: `SELECT CAST(created_at AS TEXT) AS created_at, CAST(updated_at AS TEXT) AS updated_at
    FROM token_usage WHERE ai_type = @aiType AND month_year = @month`,
} satisfies PlainStatement;

/** Null where there is none: on PostgreSQL before the first fold. */
export function* readMonthRow(
  ops: Operations,
  aiType: string,
  month: string,
): Step<MonthRow | null> {
  const [row] = yield* step(
    ops.query<{ created_at: string | null; updated_at: string | null }>(SQL, { aiType, month }),
  );
  if (row === undefined) return null;
  return { createdAt: isoOf(row.created_at), updatedAt: isoOf(row.updated_at) };
}

/** `2026-11-24 08:54:51.295[000]`, which is UTC, as ISO 8601. */
function isoOf(written: string | null): string | null {
  if (written === null) return null;
  const text = written
    .trim()
    .replace(' ', 'T')
    .replace(/(\.\d{3})\d+/, '$1');
  const atMs = Date.parse(/(Z|[+-]\d{2}(:?\d{2})?)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(atMs) ? null : isoTime(atMs);
}
