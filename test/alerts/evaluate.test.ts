import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, HELD_MUST_LAST_MS, type MonthState } from '../../src/alerts/evaluate.ts';
import { LEVELS, levelAt } from '../../src/budget/levels.ts';
import { resolveLimits } from '../../src/budget/limits.ts';
import { windowAt } from '../../src/budget/windows.ts';
import type { Alert, AlertLevel } from '../../src/ledger/alerts.ts';

const NOW = Date.parse('2025-06-15T12:30:00Z');
/** Warning at 800, critical at 950, emergency at 980. */
const limitsOf = (enforcedMonthly: number) =>
  resolveLimits({ global: { enforcedMonthly }, aiTypes: {} }).limits;

function month(
  used: number,
  held = 0,
  rest: { nowMs?: number; enforced?: number; newestReset?: number } = {},
): MonthState {
  const { nowMs = NOW, enforced = 1_000, newestReset = 0 } = rest;
  const limits = limitsOf(enforced);
  return { nowMs, month: windowAt('month', nowMs), used, held, limits, newestReset };
}

function alert(level: AlertLevel, state: Alert['state'], rest: Partial<Alert> = {}): Alert {
  const threshold = { warning: 800, critical: 950, emergency: 980 }[level];
  return {
    ...{ id: `${level}-${state}`, kind: 'level', level, state, aiType: null, message: '' },
    ...{ windowKind: 'month', windowStart: '2025-06', seenAtMs: NOW, resolvedAtMs: null },
    raisedAtMs: state === 'raised' ? NOW : null,
    data: {
      ...{
        used: threshold,
        held: 0,
        limit: 1_000,
        percent: threshold / 10,
        threshold,
        newestReset: 0,
      },
      resetsAt: '2025-07-01T00:00:00.000Z',
    },
    ...rest,
  };
}

/** What is done, as words. */
function done(state: MonthState, open: readonly Alert[] = []): string[] {
  const { resolve, drop, raise, wait } = evaluate(state, open);
  return [
    ...resolve.map(({ level }) => `resolve ${level}`),
    ...drop.map(({ level }) => `drop ${level}`),
    ...(raise === null ? [] : [`raise ${level(raise.level, raise.pending)}`]),
    ...wait.map((one) => `wait ${one}`),
  ];
}
const level = (name: string, pending: Alert | null): string =>
  pending === null ? name : `${name}, which was pending`;

describe('a level', () => {
  it.each<[string, MonthState, Alert[], string[]]>([
    ['below warning', month(799), [], []],
    ['at warning', month(800), [], ['raise warning']],
    ['at critical at once: one alert', month(950), [], ['raise critical']],
    ['at emergency at once: one alert', month(990), [], ['raise emergency']],
    ['still at warning', month(900), [alert('warning', 'raised')], []],
    ['from warning to critical', month(960), [alert('warning', 'raised')], ['raise critical']],
    [
      'corrected below the upper of two',
      month(900),
      [alert('warning', 'raised'), alert('critical', 'raised')],
      ['resolve critical'],
    ],
    [
      'reset from an emergency to warning, which was never told',
      month(900, 0, { newestReset: 1 }),
      [alert('emergency', 'raised')],
      ['resolve emergency', 'raise warning'],
    ],
    [
      'reset just below',
      month(799, 0, { newestReset: 1 }),
      [alert('warning', 'raised')],
      ['resolve warning'],
    ],
    [
      'reset, and still reached',
      month(850, 0, { newestReset: 1 }),
      [alert('warning', 'raised')],
      ['resolve warning', 'raise warning'],
    ],
    ['corrected just below: within the hysteresis', month(799), [alert('warning', 'raised')], []],
    [
      'holds that went, just below: within the hysteresis',
      month(790, 5),
      [alert('warning', 'raised')],
      [],
    ],
    [
      'holds that went, 1 % of the limit below',
      month(780, 9),
      [alert('warning', 'raised')],
      ['resolve warning'],
    ],
    [
      'a limit raised just above it',
      month(800, 0, { enforced: 1_001 }),
      [alert('warning', 'raised')],
      ['resolve warning'],
    ],
    [
      'a new month',
      month(0, 0, { nowMs: Date.parse('2025-07-01T00:00:01Z') }),
      [alert('critical', 'raised'), alert('emergency', 'pending')],
      ['resolve critical', 'drop emergency'],
    ],
  ])('%s', (_, state, open, expected) => {
    expect(done(state, open)).toEqual(expected);
  });
});

describe('a level that only holds reach', () => {
  const lasted = { seenAtMs: NOW - HELD_MUST_LAST_MS };

  it.each<[string, MonthState, Alert[], string[]]>([
    ['is waited for', month(100, 700), [], ['wait warning']],
    [
      'with each level below it',
      month(100, 890),
      [],
      ['wait warning', 'wait critical', 'wait emergency'],
    ],
    [
      'is not raised before its time',
      month(100, 700),
      [alert('warning', 'pending', { seenAtMs: NOW - HELD_MUST_LAST_MS + 1 })],
      [],
    ],
    [
      'is raised when it has lasted',
      month(100, 700),
      [alert('warning', 'pending', lasted)],
      ['raise warning, which was pending'],
    ],
    [
      'is dropped when it goes',
      month(100, 600),
      [alert('warning', 'pending', lasted)],
      ['drop warning'],
    ],
    [
      'is raised at once when usage reaches it',
      month(800, 0),
      [alert('warning', 'pending')],
      ['raise warning, which was pending'],
    ],
    [
      'is overtaken by a higher one that has lasted as long',
      month(100, 855),
      [alert('warning', 'pending', lasted), alert('critical', 'pending', lasted)],
      ['drop warning', 'raise critical, which was pending'],
    ],
    [
      'lasts level by level',
      month(100, 855),
      [alert('warning', 'pending', lasted), alert('critical', 'pending')],
      ['raise warning, which was pending'],
    ],
    ['lies above one that usage reaches', month(800, 150), [], ['raise warning', 'wait critical']],
  ])('%s', (_, state, open, expected) => {
    expect(done(state, open)).toEqual(expected);
  });

  it('that was first seen by a clock which has gone back since is seen anew', () => {
    const ahead = alert('warning', 'pending', { seenAtMs: NOW + 3_600_000 });
    expect(done(month(100, 700), [ahead])).toEqual(['drop warning', 'wait warning']);
  });

  it('says when it will have lasted', () => {
    const seenAtMs = NOW - 20_000;
    expect(evaluate(month(100, 700), []).lookAgainAtMs).toBe(NOW + 60_000);
    expect(
      evaluate(month(100, 700), [alert('warning', 'pending', { seenAtMs })]).lookAgainAtMs,
    ).toBe(NOW + 40_000);
    expect(evaluate(month(900), []).lookAgainAtMs).toBeNull();
  });
});

describe('whatever usage does', () => {
  const moves = fc.array(
    fc.record({
      used: fc.integer({ min: 0, max: 1_100 }),
      held: fc.integer({ min: 0, max: 300 }),
      afterMs: fc.integer({ min: 1, max: 90_000 }),
    }),
    { minLength: 1, maxLength: 40 },
  );

  it('no level is raised twice before it was resolved, and what usage reaches has been told', () => {
    fc.assert(
      fc.property(moves, (steps) => {
        let open: Alert[] = [];
        let nowMs = NOW;
        for (const { used, held, afterMs } of steps) {
          nowMs += afterMs;
          const state = month(used, held, { nowMs });
          const { resolve, drop, raise, wait } = evaluate(state, open);
          const gone = [...resolve, ...drop];
          open = open.filter((one) => !gone.includes(one) && one !== raise?.pending);
          if (raise !== null) {
            expect(
              open.filter((one) => one.state === 'raised').map((one) => one.level),
            ).not.toContain(raise.level);
            const data = { ...alert(raise.level, 'raised').data, used, held };
            open.push(alert(raise.level, 'raised', { data }));
          }
          for (const one of wait) open.push(alert(one, 'pending', { seenAtMs: nowMs }));
          const told = open
            .filter((one) => one.state === 'raised')
            .map((one) => LEVELS.indexOf(one.level));
          const reached = LEVELS.indexOf(levelAt(used, state.limits));
          expect(Math.max(0, ...told)).toBeGreaterThanOrEqual(reached);
          // Pending ones are of levels that are not told, one each.
          const pending = open.filter((one) => one.state === 'pending').map((one) => one.level);
          expect(new Set(pending).size).toBe(pending.length);
        }
      }),
    );
  });
});
