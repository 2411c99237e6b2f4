import type { z } from 'zod';

/** What is wrong with a value, in the words that all of tokenctl uses. */
export function wordsOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is needed';
      // JSON has numbers that no computer's number holds: 1e999.
      if (issue.input === Infinity || issue.input === -Infinity) return 'is too large a number';
      return mustBe([issue.expected], issue.input);
    case 'too_small':
      return `must ${isText(issue) ? 'have' : 'be'} at least ${String(issue.minimum)}${unit(issue, issue.minimum)}`;
    case 'too_big':
      return `must ${isText(issue) ? 'have' : 'be'} at most ${String(issue.maximum)}${unit(issue, issue.maximum)}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'invalid_union':
      // What is wrong with the form that fits best is told; a schema's own words for it are the fix.
      return '';
    default:
      return undefined;
  }
}

/** @param types as zod calls them */
export function mustBe(types: readonly string[], given: unknown): string {
  const names = new Set(types.map((type) => TYPES[type] ?? type));
  return `must be ${[...names].join(' or ')}, not ${described(given)}`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  record: 'an object',
};

function isText({ origin }: { readonly origin: string }): boolean {
  return origin === 'string' || origin === 'array';
}

function unit({ origin }: { readonly origin: string }, amount: number | bigint): string {
  const one = Number(amount) === 1;
  if (origin === 'string') return one ? ' character' : ' characters';
  if (origin === 'array') return one ? ' entry' : ' entries';
  return '';
}

function described(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return String(value);
    case 'string':
      return 'text';
    default:
      return 'an object';
  }
}
