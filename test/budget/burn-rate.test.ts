import { describe, expect, it } from 'vitest';
import { burnRate, reachedAt } from '../../src/budget/burn-rate.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-24T05:30:00Z');
const hour = (ago: number, used: number): { startsAtMs: number; used: number } => ({
  startsAtMs: Date.parse('2026-11-24T05:00:00Z') - ago * HOUR,
  used,
});

describe('the rate over the last hour and the last day', () => {
  it.each<[string, { startsAtMs: number; used: number }[], number, number]>([
    ['nothing', [], 0, 0],
    ['all of this hour', [hour(0, 240)], 240, 10],
    ['half of the hour before', [hour(1, 480)], 240, 20],
    ['both', [hour(1, 480), hour(0, 240)], 480, 30],
    ['half of the oldest hour', [hour(24, 480)], 0, 10],
    ['nothing older', [hour(25, 480)], 0, 0],
  ])('%s', (_, hours, lastHour, lastDay) => {
    expect(burnRate(hours, NOW - 100 * HOUR, NOW)).toEqual({ lastHour, lastDay });
  });

  it.each<[string, number | null, number | null, number | null]>([
    ['nothing was ever counted', null, null, null],
    ['the count is younger than an hour', NOW - HOUR + 1, null, null],
    ['the count is an hour old', NOW - HOUR, 24, null],
    ['the count is younger than a day', NOW - 24 * HOUR + 1, 24, null],
    ['the count is a day old', NOW - 24 * HOUR, 24, 1],
  ])('is unknown where %s', (_, sinceMs, lastHour, lastDay) => {
    expect(burnRate([hour(0, 24)], sinceMs, NOW)).toEqual({ lastHour, lastDay });
  });
});

describe('when a limit is reached', () => {
  it.each<[string, number | null, number | null, number, number | null]>([
    ['in two hours', 200, 100, 3, NOW + 2 * HOUR],
    ['a part of an hour, rounded up to the millisecond', 1, 3, 3, NOW + HOUR / 3],
    ['now, where nothing remains', 0, 100, 3, NOW],
    ['not before the reset', 200, 100, 2, null],
    ['never, at no pace', 200, 0, 3, null],
    ['unknown, without a pace', 200, null, 3, null],
    ['never, without a limit', null, 100, 3, null],
  ])('%s', (_, remaining, rate, hours, atMs) => {
    expect(reachedAt(remaining, rate, NOW, NOW + hours * HOUR)).toBe(atMs);
  });
});
