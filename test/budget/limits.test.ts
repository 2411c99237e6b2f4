import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LIMIT_KEYS,
  NO_SETTINGS,
  ownLimits,
  resolveLimits,
  shareOf,
  type Limits,
  type Settings,
} from '../../src/budget/limits.ts';

type Global = Settings['global'];
const resolve = (global: Global): Limits => resolveLimits({ global, aiTypes: {} }).limits;

describe('the defaults', () => {
  it.each<[keyof Limits, unknown]>([
    ['monthly', 200_000],
    ['enforcedShare', 70],
    ['enforcedMonthly', 140_000],
    ['daily', 4_667],
    ['hourly', 194],
    ['request', 1_000],
    ['requestsPerMinute', 42],
    ['requestsPerDay', 3_400],
    ['tokensPerRequest', 17_000],
    ['warning', 80],
    ['critical', 95],
    ['emergency', 98],
    ['warningAt', 112_000],
    ['criticalAt', 133_000],
    ['emergencyAt', 137_200],
    ['criticalRequest', 250],
    ['reservationTtl', 600],
    ['aiTypes', {}],
  ])('%s is %j', (key, value) => {
    expect(resolveLimits(NO_SETTINGS).limits[key]).toEqual(value);
  });
});

describe('what derives from what', () => {
  it.each<[string, Global, Partial<Limits>]>([
    [
      'a month of 300,000',
      { monthly: 300_000 },
      { enforcedMonthly: 210_000, daily: 7_000, hourly: 292, warningAt: 168_000 },
    ],
    [
      'a share of 50 %',
      { enforcedShare: 50 },
      { enforcedMonthly: 100_000, daily: 3_333, hourly: 139 },
    ],
    [
      'a pinned enforced limit',
      { enforcedMonthly: 90_000 },
      { monthly: 200_000, enforcedMonthly: 90_000, daily: 3_000, hourly: 125, emergencyAt: 88_200 },
    ],
    [
      'a pinned enforced limit stays when the month changes',
      { enforcedMonthly: 90_000, monthly: 900_000 },
      { monthly: 900_000, enforcedMonthly: 90_000, daily: 3_000 },
    ],
    [
      'a pinned enforced limit stays when the month is off',
      { enforcedMonthly: 90_000, monthly: 'off' },
      { monthly: null, enforcedMonthly: 90_000 },
    ],
    ['a day that is set', { daily: 24_000 }, { daily: 24_000, hourly: 1_000 }],
    ['an hour that is set', { hourly: 2_800 }, { daily: 4_667, hourly: 2_800 }],
    [
      'shares of the enforced month',
      { daily: '15%', hourly: '2%' },
      { daily: 21_000, hourly: 2_800 },
    ],
    ['a share of 0', { hourly: '0%' }, { hourly: 0 }],
    ['a request of 2,000', { request: 2_000 }, { request: 2_000, criticalRequest: 500 }],
    ['a share of the request', { criticalRequest: '50%' }, { criticalRequest: 500 }],
    ['an amount at critical', { criticalRequest: 77 }, { criticalRequest: 77 }],
    [
      'thresholds in percent',
      { warning: 50, emergency: 100 },
      { warningAt: 70_000, emergencyAt: 140_000 },
    ],
    [
      'a month of nothing',
      { monthly: 0 },
      { enforcedMonthly: 0, daily: 0, hourly: 0, warningAt: 0, emergencyAt: 0 },
    ],
  ])('%s', (_, global, expected) => {
    expect(resolve(global)).toMatchObject(expected);
  });
});

describe('off', () => {
  it.each<[string, Global, Partial<Limits>]>([
    [
      'month: enforced, day, hour and levels go with it',
      { monthly: 'off' },
      {
        monthly: null,
        enforcedMonthly: null,
        daily: null,
        hourly: null,
        warningAt: null,
        criticalAt: null,
        emergencyAt: null,
        warning: 80,
        request: 1_000,
      },
    ],
    ['enforced month: the same', { enforcedMonthly: 'off' }, { monthly: 200_000, daily: null }],
    ['month, with a day of its own', { monthly: 'off', daily: 240 }, { daily: 240, hourly: 10 }],
    ['a share of a month that is off', { monthly: 'off', daily: '15%' }, { daily: null }],
    ['day: the hour goes with it', { daily: 'off' }, { daily: null, hourly: null }],
    ['hour', { hourly: 'off' }, { daily: 4_667, hourly: null }],
    [
      'request: critical takes its share of the provider ceiling',
      { request: 'off' },
      { request: null, criticalRequest: 4_250 },
    ],
    [
      'request and provider ceiling: critical restricts nothing',
      { request: 'off', tokensPerRequest: 'off' },
      { tokensPerRequest: null, criticalRequest: null },
    ],
    ['critical request', { criticalRequest: 'off' }, { criticalRequest: null }],
    [
      'rates',
      { requestsPerMinute: 'off', requestsPerDay: 'off' },
      { requestsPerMinute: null, requestsPerDay: null },
    ],
    ['a level', { critical: 'off' }, { critical: null, criticalAt: null, warningAt: 112_000 }],
  ])('%s', (_, global, expected) => {
    expect(resolve(global)).toMatchObject(expected);
  });
});

describe('rounding', () => {
  it.each<[string, Global, Partial<Limits>]>([
    ['a derived half up', { enforcedMonthly: 45 }, { daily: 2 }],
    ['a derived third down', { enforcedMonthly: 40 }, { daily: 1 }],
    ['an enforced half up', { monthly: 5, enforcedShare: 50 }, { enforcedMonthly: 3 }],
    ['a share to the nearest', { enforcedMonthly: 149, hourly: '1%' }, { hourly: 1 }],
    ['a share of a half up', { enforcedMonthly: 150, hourly: '1%' }, { hourly: 2 }],
    ['the hour from the rounded day', {}, { daily: 4_667, hourly: 194 }],
    ['thresholds up', { enforcedMonthly: 101 }, { warningAt: 81, criticalAt: 96, emergencyAt: 99 }],
    ['a threshold that is whole as it is', { enforcedMonthly: 100 }, { warningAt: 80 }],
    ['the smallest month', { enforcedMonthly: 1 }, { warningAt: 1, criticalAt: 1, emergencyAt: 1 }],
  ])('%s', (_, global, expected) => {
    expect(resolve(global)).toMatchObject(expected);
  });

  it('a threshold is the least amount that reaches its percentage, up to the greatest limits', () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000_000_000),
        fc.integer({ min: 1, max: 100 }),
        (enforcedMonthly, warning) => {
          const at = BigInt(resolve({ monthly: 'off', enforcedMonthly, warning }).warningAt ?? -1);
          const needed = BigInt(enforcedMonthly) * BigInt(warning);
          expect(at * 100n >= needed && (at - 1n) * 100n < needed).toBe(true);
        },
      ),
    );
  });
});

describe('where a limit comes from', () => {
  it.each<[string, Global, string, string, string]>([
    ['a default', {}, 'monthly', 'default', 'default'],
    ['a share of the provider', {}, 'requestsPerMinute', 'default', "85 % of the provider's 50"],
    ['a derived day', {}, 'daily', 'derived', 'enforcedMonthly / 30'],
    ['a derived hour', {}, 'hourly', 'derived', 'daily / 24'],
    ['the enforced month', { enforcedShare: 60 }, 'enforcedMonthly', 'derived', '60 % of monthly'],
    ['critical', {}, 'criticalRequest', 'derived', '25 % of request'],
    [
      'critical without a request limit',
      { request: 'off' },
      'criticalRequest',
      'derived',
      '25 % of tokensPerRequest',
    ],
    ['an amount', { daily: 9 }, 'daily', 'set', '9'],
    ['off', { daily: 'off' }, 'daily', 'set', 'off'],
    ['a share', { daily: '15%' }, 'daily', 'set', '15 % of enforcedMonthly'],
    ['a threshold', {}, 'warningAt', 'derived', '80 % of enforcedMonthly'],
    ['a threshold that is off', { warning: 'off' }, 'warningAt', 'derived', 'warning is off'],
  ])('%s', (_, global, key, source, formula) => {
    const { derivations } = resolveLimits({ global, aiTypes: {} });
    expect(derivations[key]).toEqual({ source, formula });
  });

  it('is told of every key', () => {
    const { derivations } = resolveLimits(NO_SETTINGS);
    expect(Object.keys(derivations)).toEqual(expect.arrayContaining(Object.keys(LIMIT_KEYS)));
  });
});

describe("an AI type's own limits", () => {
  const { limits } = resolveLimits({ global: {}, aiTypes: { imperium: { hourly: 50 } } });

  it('are absolute, and off where they are not set', () => {
    const own = { monthly: null, daily: null, hourly: 50, request: null };
    expect(ownLimits(limits, 'imperium')).toEqual(own);
  });

  it.each(['guardian', 'constructor', 'valueof'])('%s has none', (aiType) => {
    expect(ownLimits(limits, aiType)).toBeNull();
  });
});

it.each([
  ['15%', 15],
  ['0%', 0],
  ['off', null],
  [15, null],
] as const)('the share of %j is %j', (value, share) => {
  expect(shareOf(value)).toBe(share);
});
