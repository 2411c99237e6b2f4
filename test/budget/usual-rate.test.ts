import { describe, expect, it } from 'vitest';
import { mostDeniedBy } from '../../src/budget/denied-by.ts';
import { openSinceMs, parseQuietHours } from '../../src/budget/quiet-hours.ts';
import { usualMost } from '../../src/budget/usual-rate.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.parse('2025-06-15T12:00:00Z');
/** The last one first. */
const hours = (...used: number[]) =>
  used.map((each, back) => ({ startsAtMs: NOW - (back + 1) * HOUR_MS, used: each }));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('what hours usually use at most', () => {
  it('is the 95th percentile by nearest rank', () => {
    expect(usualMost(hours(...upTo(100)), NOW)).toBe(95);
    expect(usualMost(hours(...upTo(50)), NOW)).toBe(48);
  });

  it('leaves hours without usage out, and the current one', () => {
    const idle = upTo(50).flatMap((used) => [used, 0]);
    expect(usualMost([...hours(...idle), { startsAtMs: NOW, used: 9_999 }], NOW)).toBe(48);
  });

  it('is not known from fewer than 24 hours of usage, nor in less than two days', () => {
    expect(usualMost([], NOW)).toBeNull();
    expect(usualMost(hours(...upTo(47)), NOW)).toBeNull();
    expect(usualMost(hours(...upTo(48)), NOW)).not.toBeNull();
    const days = (count: number): number[] => upTo(count).flatMap((used) => [used, 0, 0]);
    expect(usualMost(hours(...days(23)), NOW)).toBeNull();
    expect(usualMost(hours(...days(24)), NOW)).not.toBeNull();
  });
});

describe('the rule that denied the most', () => {
  const denial = (reason: object, count = 1) => ({
    ...{ items: 1, count },
    verdict: JSON.stringify({
      ...{ aiType: 'imperium', estimate: { total: 5 } },
      reasons: [{ requested: 5, limit: 4, used: 0, held: 0, scope: 'global', ...reason }],
    }),
  });
  const day = { code: 'window_exceeded', window: 'day' };

  it.each<[object, string]>([
    [day, 'the limit of the day'],
    [{ ...day, scope: 'imperium' }, "imperium's limit of the day"],
    [{ code: 'rate_exceeded', window: 'minute' }, 'the limit of requests a minute'],
    [{ code: 'request_too_large', window: null }, 'the limit of a request'],
    [{ code: 'emergency_shutdown', window: 'month' }, 'the emergency stop of the month'],
    [{ ...day, scope: 'a\nb' }, 'the limit of the day'],
    [{ ...day, window: 'x\ny' }, 'the limit of the window'],
  ])('%j', (reason, words) => {
    expect(mostDeniedBy([denial(reason)])).toBe(words);
  });

  it('counts what a summary stands for, and leaves out what can not be read', () => {
    const minute = { code: 'rate_exceeded', window: 'minute' };
    const denials = [denial(day), denial(day), denial(minute, 3)];
    expect(mostDeniedBy(denials)).toBe('the limit of requests a minute');
    const unreadable = { verdict: '{', items: 1, count: 99 };
    expect(mostDeniedBy([unreadable, denial(day), denial({ code: 'magic' }, 9)])).toBe(
      'the limit of the day',
    );
    expect(mostDeniedBy([unreadable])).toBeNull();
  });
});

describe('since when hours of a day have lasted', () => {
  const since = (from: string, to: string, at: string): string | null => {
    const open = parseQuietHours((key) => key, { from, to, tz: 'Europe/Berlin' });
    const ms = openSinceMs(open, Date.parse(at));
    return ms === null ? null : new Date(ms).toISOString();
  };

  it.each<[string, string, string, string | null]>([
    ['08:00', '20:00', '2025-06-15T05:59:59Z', null],
    ['08:00', '20:00', '2025-06-15T06:00:00Z', '2025-06-15T06:00:00.000Z'],
    ['08:00', '20:00', '2025-06-15T17:59:59Z', '2025-06-15T06:00:00.000Z'],
    ['08:00', '20:00', '2025-06-15T18:00:00Z', null],
    ['22:00', '07:00', '2025-06-15T02:30:00Z', '2025-06-14T20:00:00.000Z'],
    // Clocks went from 2:00 to 3:00, and from 3:00 to 2:00.
    ['01:00', '08:00', '2025-03-30T03:30:00Z', '2025-03-30T00:00:00.000Z'],
    ['01:00', '08:00', '2025-10-26T03:30:00Z', '2025-10-25T23:00:00.000Z'],
  ])('%s to %s at %s', (from, to, at, expected) => {
    expect(since(from, to, at)).toBe(expected);
  });
});
