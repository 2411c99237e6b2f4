import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { levelAt, LEVELS, percentUsed } from '../../src/budget/levels.ts';
import { NO_SETTINGS, resolveLimits, type Settings } from '../../src/budget/limits.ts';

const limitsOf = (global: Settings['global']): ReturnType<typeof resolveLimits>['limits'] =>
  resolveLimits({ global, aiTypes: {} }).limits;

describe('the level', () => {
  it.each([
    [0, 'ok'],
    [111_999, 'ok'],
    [112_000, 'warning'],
    [132_999, 'warning'],
    [133_000, 'critical'],
    [137_199, 'critical'],
    [137_200, 'emergency'],
    [140_000, 'emergency'],
    [999_999, 'emergency'],
  ])('at %i of 140,000 tokens is %s', (tokens, level) => {
    expect(levelAt(tokens, resolveLimits(NO_SETTINGS).limits)).toBe(level);
  });

  it.each<[string, Settings['global'], number, string]>([
    ['emergency', { emergency: 'off' }, 999_999, 'critical'],
    ['critical', { critical: 'off' }, 137_199, 'warning'],
    ['critical', { critical: 'off' }, 137_200, 'emergency'],
    ['warning', { warning: 'off' }, 132_999, 'ok'],
    ['the month', { monthly: 'off' }, 999_999_999, 'ok'],
  ])('%s off never applies', (_, global, tokens, level) => {
    expect(levelAt(tokens, limitsOf(global))).toBe(level);
  });

  it('is an emergency at once where nothing may be used', () => {
    expect(levelAt(0, limitsOf({ monthly: 0 }))).toBe('emergency');
  });

  it('never falls while usage grows', () => {
    const limits = resolveLimits(NO_SETTINGS).limits;
    fc.assert(
      fc.property(fc.nat(200_000), fc.nat(200_000), (used, more) => {
        const [before, after] = [levelAt(used, limits), levelAt(used + more, limits)];
        expect(LEVELS.indexOf(after)).toBeGreaterThanOrEqual(LEVELS.indexOf(before));
      }),
    );
  });
});

describe('percent', () => {
  it.each([
    [0, 140_000, 0],
    [1, 140_000, 0],
    [14, 140_000, 0.01],
    [70_000, 140_000, 50],
    [139_999, 140_000, 99.99],
    [140_000, 140_000, 100],
    [154_000, 140_000, 110],
    [1, 3, 33.33],
    [2, 3, 66.66],
    [999_999_999_999, 1_000_000_000_000, 99.99],
    [0, 0, 0],
    [5, 0, 100],
    [5, null, null],
  ])('%i of %s is %s', (amount, limit, percent) => {
    expect(percentUsed(amount, limit)).toBe(percent);
  });

  it('is below 100 exactly while something is left', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), fc.nat(1e12), (limit, amount) => {
        expect((percentUsed(amount, limit) ?? 0) < 100).toBe(amount < limit);
      }),
    );
  });
});
