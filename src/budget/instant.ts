import { parseDuration } from './duration.ts';
import { invalidInput, type TokenctlError } from './errors.ts';
import { parseTime } from './written-time.ts';

const LONGEST_AGO = '36500d';
const FIX = 'a length of time ago (90s, 5m, 2h, 1d), or a UTC time: YYYY-MM-DD[THH:MM[:SS][Z]]';
const LONGEST_AHEAD = '3650d';
const END_FIX =
  'a length of time from now (12h, 90d), a UTC time to come (2027-01-01, 2027-01-01T08:00), or never';

/**
 * Reads `2h` (ago), `2026-11-24`, `2026-11-24T05:30` or any time with an offset, as an instant in ms.
 * Without an offset it is UTC.
 * @throws invalid_input for anything else
 */
export function parseInstant(field: string, text: string, nowMs: number): number {
  if (isLength(text)) return nowMs - parseDuration(field, text, LONGEST_AGO);
  const atMs = calendarTime(text);
  if (atMs === null) throw noTime(field, text, FIX);
  return atMs;
}

/**
 * Reads `90d` (from now), `2027-01-01`, a time as above, or `never`, which is null: an end in ms.
 * @throws invalid_input for anything else, and for a time that is over
 */
export function parseEnd(field: string, text: string, nowMs: number): number | null {
  if (text.trim().toLowerCase() === 'never') return null;
  if (isLength(text)) return nowMs + parseDuration(field, text, LONGEST_AHEAD);
  const atMs = calendarTime(text);
  if (atMs === null) throw noTime(field, text, END_FIX);
  if (atMs <= nowMs) throw invalidInput(field, `${text.trim()} is over already`, END_FIX);
  return atMs;
}

const isLength = (text: string): boolean => /^\d+\s?[smhd]$/i.test(text.trim());

/** A UTC date, or a time of a date; in ms, null when it is neither. */
function calendarTime(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d{4}-\d\d-\d\d$/.test(trimmed)) return parseTime(`${trimmed}T00:00`);
  return /^\d{4}-\d\d-\d\d[T ]/i.test(trimmed) ? parseTime(trimmed) : null;
}

function noTime(field: string, text: string, fix: string): TokenctlError {
  const shown = text.trim().slice(0, 60).replaceAll(/\p{C}/gu, '?');
  return invalidInput(field, `"${shown}" is no time`, fix);
}
