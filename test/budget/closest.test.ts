import { expect, it } from 'vitest';
import { closest } from '../../src/budget/closest.ts';
import { LIMIT_KEYS } from '../../src/budget/limits.ts';

it.each<[string, string | null]>([
  ['hourlly', 'hourly'],
  ['HOURLLY', 'hourly'],
  ['montly', 'monthly'],
  ['dayly', 'daily'],
  ['requestPerMinute', 'requestsPerMinute'],
  ['tokensPerRequests', 'tokensPerRequest'],
  ['emergncy', 'emergency'],
  ['', null],
  ['x', null],
  ['budget', null],
  ['constructor', null],
  ['a'.repeat(1_000), null],
])('%j is meant as %j', (word, meant) => {
  expect(closest(word, Object.keys(LIMIT_KEYS))).toBe(meant);
});
