import { invalidInput } from './errors.ts';

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Reads `90s`, `5m`, `2h` or `1d`: one whole number and its unit, in ms.
 * @param field the caller's own spelling of it, for the message
 * @param most the longest that it may be, in the same form
 * @throws invalid_input for anything else, for 0, and above `most`
 */
export function parseDuration(field: string, text: string, most: string): number {
  const fix = `a whole number and s, m, h or d, up to ${most}: 90s, 5m, 2h, 1d`;
  const lengthMs = read(text);
  if (lengthMs === null) {
    const shown = text.slice(0, 60).replaceAll(/\p{C}/gu, '?');
    throw invalidInput(field, `"${shown}" is no length of time`, fix);
  }
  if (lengthMs === 0) throw invalidInput(field, 'must be longer than 0', fix);
  if (lengthMs > (read(most) ?? 0)) {
    throw invalidInput(field, `must be at most ${most}, not ${text.trim()}`, fix);
  }
  return lengthMs;
}

/** In ms; null when it is no length of time. */
function read(text: string): number | null {
  const match = /^(\d{1,12})\s?([smhd])$/.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const [, amount, unit] = match as unknown as [string, string, keyof typeof UNIT_MS];
  return Number(amount) * UNIT_MS[unit];
}
