import type { DatabaseName } from '../support/databases.ts';

/** A known defect, as an edit that brings it back, and the tests that must go red for it. */
export interface Mutant {
  /** What `npm run mutants -- NAME` takes. */
  readonly name: string;
  /** What is wrong with it, in one sentence. */
  readonly defect: string;
  readonly file: string;
  /** Each text stands exactly once in the file. */
  readonly edits: readonly Edit[];
  /** Each must fail; one that runs on both databases must fail on both. */
  readonly killers: readonly Killer[];
  /** The one database that it concerns, where a killer runs on both. */
  readonly on?: DatabaseName;
}

type Edit = readonly [find: string, replace: string];

export interface Killer {
  readonly file: string;
  /** A part of the test's name that stands in the file as it is written here. */
  readonly test: string;
}

/** The text with the defect in it. @throws when a text to replace does not stand in it exactly once */
export function mutate({ name, file, edits }: Mutant, text: string): string {
  return edits.reduce((mutated, [find, replace]) => {
    const parts = mutated.split(find);
    if (parts.length === 2) return parts.join(replace);
    throw new Error(`${name}: found ${parts.length - 1} times in ${file}, not once: ${find}`);
  }, text);
}
