import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decide,
  type AdmissionRequest,
  type Counters,
  type Decision,
} from '../../src/budget/decide.ts';
import type { Limits, Settings } from '../../src/budget/limits.ts';
import { wouldHavePassed, type PastDenial } from '../../src/budget/rejudge.ts';
import { ALL_OFF, ask, countersOf, EMPTY, limitsOf, NOW_MS } from './requests.ts';

const limits = (global: Settings['global'], aiTypes: Settings['aiTypes'] = {}): Limits =>
  limitsOf({ ...ALL_OFF, daily: 'off', hourly: 'off', ...global }, aiTypes);

function logged(decision: Decision, request: AdmissionRequest, count = 1): PastDenial {
  const { aiType, estimate, items } = request;
  const verdict = { ...decision, aiType, estimate, reservation: null };
  return { verdict: JSON.stringify(verdict), items, count };
}

/** A denial as the guard logs it, under the limits of its time. */
function denial(then: Limits, counters: Counters, request: AdmissionRequest): PastDenial {
  const decision = decide(then, counters, request, NOW_MS);
  expect(decision.admitted).toBe(false);
  return logged(decision, request);
}

describe('a past denial', () => {
  const hourFull = countersOf({ global: { hour: [100, 50], day: [100, 50], month: [100, 50] } });
  const own = (hourly: number): Settings['aiTypes'] => ({ imperium: { hourly } });
  const month = (used: number): Counters => countersOf({ global: { month: [used, 0] } });
  const minute = countersOf({ ago: [1, 2, 3] });

  it.each<[string, Limits, Counters, AdmissionRequest, Limits, boolean]>([
    [
      'passes where used + held + requested is just within the new limit',
      limits({ hourly: 200 }),
      hourFull,
      ask(60),
      limits({ hourly: 210 }),
      true,
    ],
    [
      'is denied one token above it',
      limits({ hourly: 200 }),
      hourFull,
      ask(60),
      limits({ hourly: 209 }),
      false,
    ],
    [
      'is denied while another reason stays',
      limits({ hourly: 200, daily: 200 }),
      hourFull,
      ask(60),
      limits({ hourly: 'off', daily: 200 }),
      false,
    ],
    [
      'passes when all its reasons are gone',
      limits({ hourly: 200, daily: 200 }),
      hourFull,
      ask(60),
      limits({ hourly: 210, daily: 210 }),
      true,
    ],
    [
      'by its size, under a larger one',
      limits({ request: 100 }),
      EMPTY,
      ask(101),
      limits({ request: 101 }),
      true,
    ],
    [
      'by its size, under a larger one that is still below it',
      limits({ request: 100 }),
      EMPTY,
      ask(102),
      limits({ request: 101 }),
      false,
    ],
    [
      "by the provider's ceiling",
      limits({ tokensPerRequest: 100 }),
      EMPTY,
      ask(101),
      limits({ tokensPerRequest: 101 }),
      true,
    ],
    [
      "by an AI type's own hour",
      limits({}, own(10)),
      countersOf({ aiType: { hour: [5, 0] } }),
      ask(6),
      limits({}, own(11)),
      true,
    ],
    [
      "by an AI type's own hour, when only the global one is raised",
      limits({}, own(10)),
      countersOf({ aiType: { hour: [5, 0] } }),
      ask(6),
      limits({ hourly: 'off' }, own(10)),
      false,
    ],
    [
      'in an emergency that the new limits end',
      limits({ monthly: 1_000, enforcedMonthly: 1_000 }),
      month(980),
      ask(5),
      limits({ monthly: 2_000, enforcedMonthly: 2_000 }),
      true,
    ],
    [
      'in an emergency that lasts',
      limits({ monthly: 1_000, enforcedMonthly: 1_000 }),
      month(980),
      ask(5),
      limits({ monthly: 1_000, enforcedMonthly: 1_000, hourly: 'off' }),
      false,
    ],
    [
      'in an emergency that becomes a critical level, where large ones stay denied',
      limits({ monthly: 1_000, enforcedMonthly: 1_000, criticalRequest: 4 }),
      month(980),
      ask(5),
      limits({ monthly: 1_000, enforcedMonthly: 1_000, emergency: 99, criticalRequest: 4 }),
      false,
    ],
    [
      'at the level critical, under a larger size',
      limits({ monthly: 1_000, enforcedMonthly: 1_000, criticalRequest: 10 }),
      month(950),
      ask(11),
      limits({ monthly: 1_000, enforcedMonthly: 1_000, criticalRequest: 11 }),
      true,
    ],
    [
      'by the rate of the minute',
      limits({ requestsPerMinute: 3 }),
      minute,
      ask(1),
      limits({ requestsPerMinute: 4 }),
      true,
    ],
    [
      'by the rate of the minute, when the hour is raised',
      limits({ requestsPerMinute: 3 }),
      minute,
      ask(1),
      limits({ requestsPerMinute: 3, hourly: 9 }),
      false,
    ],
    [
      "by the day's rate",
      limits({ requestsPerDay: 7 }),
      countersOf({ requestsToday: 7 }),
      ask(1),
      limits({ requestsPerDay: 8 }),
      true,
    ],
    [
      'that a new rule would deny by its size alone',
      limits({ hourly: 200 }),
      hourFull,
      ask(60),
      limits({ hourly: 210, request: 59 }),
      false,
    ],
    [
      'of a batch, by its largest item',
      limits({ request: 100 }),
      EMPTY,
      ask(300, { items: 4, largestItem: 150 }),
      limits({ request: 150 }),
      true,
    ],
    [
      'of a batch, which no size denied',
      limits({ hourly: 200, request: 100 }),
      EMPTY,
      ask(300, { items: 4, largestItem: 100 }),
      limits({ hourly: 300, request: 100 }),
      true,
    ],
  ])('%s', (_, then, counters, request, now, passes) => {
    expect(wouldHavePassed([denial(then, counters, request)], now)).toBe(passes ? 1 : 0);
  });

  it('counts as often as its row stands for', () => {
    const request = ask(60);
    const decision = decide(limits({ hourly: 10 }), EMPTY, request, NOW_MS);
    const rows = [logged(decision, request, 15), logged(decision, request)];
    expect(wouldHavePassed(rows, limits({ hourly: 60 }))).toBe(16);
  });

  it.each([
    null,
    '',
    'null',
    '[]',
    '{}',
    '{"aiType":"x","estimate":{"total":5},"reasons":[]}',
    '{"aiType":"x","estimate":{"total":5},"reasons":[null]}',
    '{"aiType":"x","estimate":{"total":5},"reasons":[{"code":"window_exceeded"}]}',
    '{"aiType":"x","estimate":{"total":5},"reasons":[{"code":"ledger_busy","requested":5,"limit":null,"used":null,"held":null}]}',
    '{"aiType":"x","estimate":{"total":"5"},"reasons":[{"code":"request_too_large","requested":5,"limit":1}]}',
  ])('that says %j would not have passed', (verdict) => {
    expect(wouldHavePassed([{ verdict, items: 1, count: 1 }], limits({}))).toBe(0);
  });

  it('never passes under the limits that denied it', () => {
    const amount = fc.nat(60);
    const counts = fc.record({
      month: fc.tuple(amount, amount),
      day: fc.tuple(amount, amount),
      hour: fc.tuple(amount, amount),
    });
    fc.assert(
      fc.property(
        fc.record({ monthly: amount, daily: amount, hourly: amount, request: amount }),
        fc.record({ hourly: amount, request: amount }),
        fc.record({ global: counts, aiType: counts, requestsToday: fc.nat(5) }),
        fc.integer({ min: 1, max: 80 }),
        (global, imperium, counters, total) => {
          const settings = { ...global, enforcedShare: 100, requestsPerDay: 4 };
          const then = limits(settings, { imperium });
          const request = ask(total);
          const decision = decide(then, countersOf(counters), request, NOW_MS);
          fc.pre(!decision.admitted);
          expect(wouldHavePassed([logged(decision, request)], then)).toBe(0);
          expect(wouldHavePassed([logged(decision, request)], limits({}))).toBe(1);
        },
      ),
    );
  });
});
