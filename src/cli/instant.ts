import { parseDuration } from '../budget/duration.ts';
import { invalidInput } from '../budget/errors.ts';
import { parseTime } from './import/time.ts';

const LONGEST_AGO = '36500d';
const FIX = 'a length of time ago (90s, 5m, 2h, 1d), or a UTC time: YYYY-MM-DD[THH:MM[:SS][Z]]';

/**
 * Reads `2h` (ago), `2026-11-24`, `2026-11-24T05:30` or any time with an offset, as an instant in ms.
 * Without an offset it is UTC.
 * @throws invalid_input for anything else
 */
export function parseInstant(field: string, text: string, nowMs: number): number {
  const trimmed = text.trim();
  if (/^\d+\s?[smhd]$/i.test(trimmed)) return nowMs - parseDuration(field, trimmed, LONGEST_AGO);
  const isDate = /^\d{4}-\d\d-\d\d$/.test(trimmed);
  const isTime = /^\d{4}-\d\d-\d\d[T ]/i.test(trimmed);
  const atMs = isDate ? parseTime(`${trimmed}T00:00`) : isTime ? parseTime(trimmed) : null;
  if (atMs !== null) return atMs;
  throw invalidInput(field, `"${trimmed.slice(0, 60).replaceAll(/\p{C}/gu, '?')}" is no time`, FIX);
}
