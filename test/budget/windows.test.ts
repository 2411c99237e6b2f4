import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isoTime, WINDOW_KINDS, windowAt, windowsAt } from '../../src/budget/windows.ts';

// instant, then the name, first instant and reset of its month, day and hour
const ROWS: [
  at: string,
  kind: (typeof WINDOW_KINDS)[number],
  name: string,
  from: string,
  to: string,
][] = [
  ['2026-11-24T05:59:59.999Z', 'hour', '2026-11-24T05', '2026-11-24T05:00', '2026-11-24T06:00'],
  ['2026-11-24T06:00:00.000Z', 'hour', '2026-11-24T06', '2026-11-24T06:00', '2026-11-24T07:00'],
  ['2026-11-24T06:00:00.000Z', 'day', '2026-11-24', '2026-11-24T00:00', '2026-11-25T00:00'],
  ['2026-11-24T06:00:00.000Z', 'month', '2026-11', '2026-11-01T00:00', '2026-12-01T00:00'],
  ['2026-12-31T23:59:59.999Z', 'hour', '2026-12-31T23', '2026-12-31T23:00', '2027-01-01T00:00'],
  ['2026-12-31T23:59:59.999Z', 'day', '2026-12-31', '2026-12-31T00:00', '2027-01-01T00:00'],
  ['2026-12-31T23:59:59.999Z', 'month', '2026-12', '2026-12-01T00:00', '2027-01-01T00:00'],
  ['2027-01-01T00:00:00.000Z', 'month', '2027-01', '2027-01-01T00:00', '2027-02-01T00:00'],
  ['2027-01-01T00:00:00.000Z', 'day', '2027-01-01', '2027-01-01T00:00', '2027-01-02T00:00'],
  ['2028-02-29T12:00:00.000Z', 'day', '2028-02-29', '2028-02-29T00:00', '2028-03-01T00:00'],
  ['2028-02-29T23:59:59.999Z', 'month', '2028-02', '2028-02-01T00:00', '2028-03-01T00:00'],
  ['2027-02-28T23:59:59.999Z', 'day', '2027-02-28', '2027-02-28T00:00', '2027-03-01T00:00'],
  ['2100-02-28T23:00:00.000Z', 'day', '2100-02-28', '2100-02-28T00:00', '2100-03-01T00:00'],
  ['2026-04-30T23:30:00.000Z', 'month', '2026-04', '2026-04-01T00:00', '2026-05-01T00:00'],
  // Europe springs forward and falls back in these hours; UTC does not.
  ['2026-03-29T01:30:00.000Z', 'hour', '2026-03-29T01', '2026-03-29T01:00', '2026-03-29T02:00'],
  ['2026-03-29T12:00:00.000Z', 'day', '2026-03-29', '2026-03-29T00:00', '2026-03-30T00:00'],
  ['2026-10-25T00:30:00.000Z', 'hour', '2026-10-25T00', '2026-10-25T00:00', '2026-10-25T01:00'],
  ['2026-10-25T12:00:00.000Z', 'day', '2026-10-25', '2026-10-25T00:00', '2026-10-26T00:00'],
];

describe('the window that holds an instant', () => {
  it.each(ROWS)('%s is in the %s %s', (at, kind, name, from, to) => {
    expect(windowAt(kind, Date.parse(at))).toEqual({
      kind,
      start: name,
      startsAtMs: Date.parse(`${from}:00.000Z`),
      resetsAtMs: Date.parse(`${to}:00.000Z`),
    });
  });

  const anyTime = fc.integer({ min: 0, max: Date.parse('2200-01-01') });

  it('holds it, and ends where the next window of its kind begins', () => {
    fc.assert(
      fc.property(anyTime, fc.constantFrom(...WINDOW_KINDS), (atMs, kind) => {
        const { startsAtMs, resetsAtMs, start } = windowAt(kind, atMs);
        expect(startsAtMs <= atMs && atMs < resetsAtMs).toBe(true);
        expect(windowAt(kind, startsAtMs).start).toBe(start);
        expect(windowAt(kind, resetsAtMs - 1).start).toBe(start);
        expect(windowAt(kind, resetsAtMs).startsAtMs).toBe(resetsAtMs);
      }),
    );
  });

  it('nests: an hour in its day, a day in its month', () => {
    fc.assert(
      fc.property(anyTime, (atMs) => {
        const { month, day, hour } = windowsAt(atMs);
        expect(hour.start.startsWith(day.start) && day.start.startsWith(month.start)).toBe(true);
        expect(month.startsAtMs <= day.startsAtMs && day.startsAtMs <= hour.startsAtMs).toBe(true);
        expect(hour.resetsAtMs <= day.resetsAtMs && day.resetsAtMs <= month.resetsAtMs).toBe(true);
      }),
    );
  });
});

describe.each(['America/New_York', 'Asia/Kolkata', 'Pacific/Kiritimati'])(
  'on a host in %s',
  (zone) => {
    afterEach(() => {
      vi.unstubAllEnvs();
    });

    it('windows are the same', () => {
      const times = ROWS.map(([at]) => Date.parse(at));
      const inUtc = times.map((time) => windowsAt(time));
      vi.stubEnv('TZ', zone);
      expect(new Date(0).getTimezoneOffset()).not.toBe(0);
      expect(times.map((time) => windowsAt(time))).toEqual(inUtc);
    });
  },
);

it('times are written in ISO 8601, UTC, with Z', () => {
  expect(isoTime(0)).toBe('1970-01-01T00:00:00.000Z');
});
