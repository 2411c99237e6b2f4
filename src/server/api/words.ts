import type { z } from 'zod';

/** What is wrong with a value, in the words that all of tokenctl uses. */
export function wordsOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is needed';
      // JSON has numbers that no computer's number holds: 1e999.
      if (issue.input === Infinity || issue.input === -Infinity) return 'is too large a number';
      return `must be ${TYPES[issue.expected] ?? issue.expected}, not ${described(issue.input)}`;
    case 'too_small':
      return `must ${isText(issue) ? 'have' : 'be'} at least ${String(issue.minimum)}${unit(issue, issue.minimum)}`;
    case 'too_big':
      return `must ${isText(issue) ? 'have' : 'be'} at most ${String(issue.maximum)}${unit(issue, issue.maximum)}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'invalid_union':
      return 'has none of the forms that it may have';
    default:
      return undefined;
  }
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
