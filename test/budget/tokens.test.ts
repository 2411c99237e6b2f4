import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideRounded, MAX_TOKENS, parseCount, requireCount } from '../../src/budget/tokens.ts';

const refused = (field: string, problem: string): unknown =>
  expect.objectContaining({ code: 'invalid_input', field, message: `${field}: ${problem}` });

describe('division to the nearest integer', () => {
  it.each([
    [0, 30, 0],
    [140_000, 30, 4_667],
    [4_667, 24, 194],
    [14, 30, 0],
    [15, 30, 1],
    [16, 30, 1],
    [5, 2, 3],
    [7, 3, 2],
    [MAX_TOKENS * 100, 100, MAX_TOKENS],
  ])('%i / %i is %i', (a, b, result) => {
    expect(divideRounded(a, b)).toBe(result);
  });

  it('agrees with exact arithmetic up to the greatest amounts', () => {
    fc.assert(
      fc.property(fc.nat(MAX_TOKENS), fc.integer({ min: 1, max: 100 }), (amount, share) => {
        const exact = (2n * BigInt(amount) * BigInt(share) + 100n) / 200n;
        expect(BigInt(divideRounded(amount * share, 100))).toBe(exact);
      }),
    );
  });
});

describe('a count given by a caller', () => {
  it.each([0, 1, 1_000, MAX_TOKENS])('%d is accepted', (value) => {
    expect(requireCount('--tokens', value)).toBe(value);
  });

  it.each<[unknown, string]>([
    [-1, 'must be at least 0, not -1'],
    [1.5, 'must be a whole number, not 1.5'],
    [-1.5, 'must be at least 0, not -1.5'],
    [MAX_TOKENS + 1, 'must be at most 1000000000000, not 1000000000001'],
    [1e300, 'must be at most 1000000000000, not 1e+300'],
    [NaN, 'must be a whole number, not NaN'],
    [Infinity, 'must be a whole number, not Infinity'],
    ['5', 'must be a whole number, not "5"'],
    [null, 'must be a whole number, not null'],
    [undefined, 'must be a whole number, not undefined'],
    [5n, 'must be a whole number, not a bigint'],
    [[5], 'must be a whole number, not a object'],
    [true, 'must be a whole number, not a boolean'],
  ])('%s is refused', (value, problem) => {
    expect(() => requireCount('--tokens', value)).toThrow(refused('--tokens', problem));
  });

  it('has the bounds that the caller sets', () => {
    expect(requireCount('items', 1, 1, 10)).toBe(1);
    expect(() => requireCount('items', 0, 1, 10)).toThrow('items: must be at least 1, not 0');
    expect(() => requireCount('items', 11, 1, 10)).toThrow('items: must be at most 10, not 11');
  });
});

describe('a count in text', () => {
  it.each([
    ['0', 0],
    ['1000', 1_000],
    [' 1000 ', 1_000],
    ['200_000', 200_000],
    ['200,000', 200_000],
    ['1,000,000', 1_000_000],
    ['2_0', 20],
    ['007', 7],
    ['1000000000000', MAX_TOKENS],
  ])('%j is %i', (text, value) => {
    expect(parseCount('hourly', text)).toBe(value);
  });

  it.each([
    ['', 'must be a whole number, not ""'],
    ['abc', 'must be a whole number, not "abc"'],
    ['1e3', 'must be a whole number, not "1e3"'],
    ['0x10', 'must be a whole number, not "0x10"'],
    ['+5', 'must be a whole number, not "+5"'],
    ['5 000', 'must be a whole number, not "5 000"'],
    ['20,00', 'must be a whole number, not "20,00"'],
    ['_5', 'must be a whole number, not "_5"'],
    ['5_', 'must be a whole number, not "5_"'],
    ['5__0', 'must be a whole number, not "5__0"'],
    ['1.5', 'must be a whole number, not 1.5'],
    ['-1.5', 'must be a whole number, not -1.5'],
    ['-1', 'must be at least 0, not -1'],
    ['1000000000001', 'must be at most 1000000000000, not 1000000000001'],
    ['x'.repeat(100), `must be a whole number, not "${'x'.repeat(60)}…"`],
    ['9'.repeat(400), 'must be a whole number, not Infinity'],
  ])('%j is refused: %s', (text, problem) => {
    expect(() => parseCount('hourly', text)).toThrow(refused('hourly', problem));
  });
});
