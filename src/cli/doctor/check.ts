import type { Fact } from '../../ledger/health/facts.ts';

/** One thing that doctor looked at. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'problem';
  /** One line. */
  readonly message: string;
  /** The next command, or what to do; null where nothing need be done. */
  readonly fix: string | null;
}

export const ok = (name: string, message: string): Check => ({
  name,
  state: 'ok',
  message,
  fix: null,
});

export const note = (name: string, message: string, fix: string | null = null): Check => ({
  name,
  state: 'note',
  message,
  fix,
});

export const problem = (name: string, message: string, fix: string | null = null): Check => ({
  name,
  state: 'problem',
  message,
  fix,
});

/** Judges what was seen; what could not be looked at is a problem of its own. */
export function judged<T>(name: string, fact: Fact<T>, judge: (value: T) => Check[]): Check[] {
  return 'value' in fact ? judge(fact.value) : [problem(name, fact.failed, fact.fix)];
}
