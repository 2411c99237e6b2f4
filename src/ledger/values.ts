import { isoTime } from '../budget/windows.ts';

/** How scopes, times and sums stand in the tables, on both databases. */

/** Sums are read up to 2^53 - 1, which lies above every limit. */
export const SATURATED = '9007199254740991';

/** A scope as kind and name; the global scope is the AI type null. */
export function scopeOf(aiType: string | null): ['global' | 'ai_type', string] {
  return aiType === null ? ['global', ''] : ['ai_type', aiType];
}

export function fromScope(kind: string, name: string): string | null {
  return kind === 'global' ? null : name;
}

/** 'YYYY-MM-DD HH:MM:SS.ffffff' in UTC: the form in which SQLAlchemy and CURRENT_TIMESTAMP write, so that all compare as text. */
export function writtenTime(atMs: number): string {
  const iso = isoTime(atMs);
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}000`;
}
