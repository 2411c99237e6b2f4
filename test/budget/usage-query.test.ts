import { describe, expect, it } from 'vitest';
import { usageQuery, windowsOfPeriod, type UsageRequest } from '../../src/budget/usage-query.ts';
import { isoTime } from '../../src/budget/windows.ts';

const NOW = Date.parse('2025-06-15T12:30:00Z');

const period = (request: UsageRequest): string[] => {
  const { sinceMs, untilMs } = usageQuery(request, NOW, '--').period;
  return [sinceMs, untilMs].map((atMs) => isoTime(atMs).slice(0, 16));
};
const at = (time: string): number => Date.parse(time);

describe('a period', () => {
  it.each<[string, UsageRequest, string[]]>([
    ['is the current month', {}, ['2025-06-01T00:00', '2025-07-01T00:00']],
    ['is a month', { month: '2024-02' }, ['2024-02-01T00:00', '2024-03-01T00:00']],
    [
      'is made greater to whole hours, up to now',
      { sinceMs: at('2025-06-15T10:59:59.999Z') },
      ['2025-06-15T10:00', '2025-06-15T13:00'],
    ],
    [
      'is made greater at its end',
      { sinceMs: at('2025-06-14T00:00Z'), untilMs: at('2025-06-15T00:00:00.001Z') },
      ['2025-06-14T00:00', '2025-06-15T01:00'],
    ],
    [
      'of whole hours stays as it is',
      { sinceMs: at('2025-06-14T00:00Z'), untilMs: at('2025-06-15T00:00Z') },
      ['2025-06-14T00:00', '2025-06-15T00:00'],
    ],
  ])('%s', (_, request, expected) => {
    expect(period(request)).toEqual(expected);
  });

  const windows = (since: string, until: string): string[] =>
    windowsOfPeriod({ sinceMs: at(since), untilMs: at(until) }, NOW);

  it('is made of months, else days, else hours', () => {
    expect(windows('2025-02-27T22:00Z', '2025-05-02T01:00Z')).toEqual([
      ...['2025-02-27T22', '2025-02-27T23', '2025-02-28', '2025-03', '2025-04', '2025-05-01'],
      '2025-05-02T00',
    ]);
  });

  it('that reaches to the current hour has the current month and day whole', () => {
    expect(windows('2025-06-01T00:00Z', '2025-06-15T13:00Z')).toEqual(['2025-06']);
    expect(windows('2025-06-15T00:00Z', '2025-06-15T13:00Z')[0]).toBe('2025-06-15');
    expect(windows('2025-06-15T00:00Z', '2025-06-15T02:00Z')).toEqual([
      '2025-06-15T00',
      '2025-06-15T01',
    ]);
  });
});

describe('a question', () => {
  it('is by AI type, the most tokens first, and by time in its order', () => {
    expect(usageQuery({}, NOW, '')).toMatchObject({ by: ['ai-type'], sort: 'used', limit: null });
    expect(usageQuery({ by: ['model', 'Day'] }, NOW, '')).toMatchObject({
      by: ['model', 'day'],
      sort: 'key',
    });
    expect(usageQuery({ by: ['hour'], sort: 'used' }, NOW, '').sort).toBe('used');
  });

  it.each<[UsageRequest, RegExp]>([
    [{ by: ['year'] }, /^--by: "year" is none of its values/],
    [{ by: ['y\u001b[2J'] }, /^--by: "y\?\[2J"/],
    [{ by: [] }, /^--by: takes one or two/],
    [{ by: ['model', 'day', 'ai-type'] }, /^--by: takes one or two/],
    [{ by: ['model', 'model'] }, /^--by: takes one or two different ones/],
    [{ by: ['day', 'hour'] }, /^--by: day and hour are both times/],
    [{ sort: 'size' }, /^--sort: "size"/],
    [{ limit: 0 }, /^--limit: must be at least 1/],
    [{ limit: 10_001 }, /^--limit: must be at most 10000/],
    [{ month: '2025-13' }, /^--month: "2025-13" is no month/],
    [{ month: '2025-07' }, /^--month: 2025-07 has not begun/],
    [{ month: '2025-05', sinceMs: 0 }, /^--month: does not go with --since/],
    [{ untilMs: NOW }, /^--until: needs --since/],
    [{ sinceMs: NOW + 1 }, /^--since: lies in the future/],
    [{ sinceMs: NOW, untilMs: NOW }, /^--until: must be later than --since/],
    [{ sinceMs: -1 }, /^--since: must be a time from 1970/],
    [{ sinceMs: 0, untilMs: 8.64e15 }, /^--until: must be a time from 1970 to 9998/],
    [
      { by: ['hour'], sinceMs: NOW - 10_001 * 3_600_000 },
      /^--by: the period has 10002 hours, and an answer at most 10000 rows/,
    ],
  ])('is not %j', (request, problem) => {
    expect(() => usageQuery(request, NOW, '--')).toThrow(problem);
  });

  it('names options as its asker spells them', () => {
    expect(() => usageQuery({ by: ['year'] }, NOW, '')).toThrow(/^by: /);
  });
});
