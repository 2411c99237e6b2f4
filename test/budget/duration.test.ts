import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/budget/duration.ts';

describe('a length of time', () => {
  it.each([
    ['90s', 90_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    [' 31D ', 31 * 86_400_000],
  ])('%s', (text, ms) => {
    expect(parseDuration('--timeout', text, '31d')).toBe(ms);
  });

  it.each(['', '5', 'm', '1.5h', '-1h', '1h30m', '32d', '0s', '9999999999999s', '1\u001b[2Js'])(
    'is not %j',
    (text) => {
      expect(() => parseDuration('--timeout', text, '31d')).toThrow(/^--timeout: [^\u001b]*$/);
    },
  );
});
