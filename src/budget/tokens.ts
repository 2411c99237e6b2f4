import { invalidInput } from './errors.ts';

/** The most tokens that one input may name: 10^12. Keeps every sum exact, and nonsense out. */
export const MAX_TOKENS = 1_000_000_000_000;

/** 18059974 → '18,059,974'. Not Intl: building a formatter costs more than a whole screen. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** A limit, or 'off'. */
export function limitText(limit: number | null): string {
  return limit === null ? 'off' : count(limit);
}

/** a / b rounded to the nearest integer, halves up; for a ≥ 0, b > 0. */
export function divideRounded(a: number, b: number): number {
  return Math.floor((2 * a + b) / (2 * b));
}

/**
 * Checks a count given by a caller.
 * @param field the caller's own spelling of it, for the message
 * @param fix where the right ones are found; without it, from where to where they go
 * @throws invalid_input unless it is a whole number from `min` to `max`
 */
export function requireCount(
  field: string,
  value: unknown,
  min = 0,
  max = MAX_TOKENS,
  fix = `a whole number from ${count(min)} to ${count(max)}`,
): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw invalidInput(field, `must be a whole number, not ${describe(value)}`, fix);
  }
  if (value < min) {
    throw invalidInput(field, `must be at least ${String(min)}, not ${String(value)}`, fix);
  }
  if (!Number.isInteger(value)) {
    throw invalidInput(field, `must be a whole number, not ${String(value)}`, fix);
  }
  if (value > max) {
    throw invalidInput(field, `must be at most ${String(max)}, not ${String(value)}`, fix);
  }
  return value;
}

/** Reads `1000`, `200_000` or `200,000`. @throws invalid_input for anything else */
export function parseCount(
  field: string,
  text: string,
  min = 0,
  max = MAX_TOKENS,
  fix = `a whole number from ${count(min)} to ${count(max)}`,
): number {
  const trimmed = text.trim();
  if (/^-?\d+\.\d+$/.test(trimmed)) {
    throw invalidInput(field, `must be a whole number, not ${trimmed}`, fix);
  }
  if (!/^-?\d+([_,]\d{3})*$|^-?\d+(_\d+)*$/.test(trimmed)) {
    throw invalidInput(field, `must be a whole number, not ${describe(text)}`, fix);
  }
  return requireCount(field, Number(trimmed.replaceAll(/[_,]/g, '')), min, max, fix);
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `"${value.length > 60 ? `${value.slice(0, 60)}…` : value}"`;
  if (typeof value === 'number' || value === null || value === undefined) return String(value);
  return `a ${typeof value}`;
}
