import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/budget/finding.ts';
import type { LimitKey, Settings } from '../../src/budget/limits.ts';
import { lintLimits } from '../../src/budget/lint.ts';
import {
  applyChanges,
  applyProfile,
  checkSettings,
  parseAssignment,
  parseKey,
  type SettingChange,
} from '../../src/budget/settings.ts';

const DEFAULT: Settings = { global: {}, aiTypes: {} };

/** Settings by the words of the command line: 'hourly=2800', or 'imperium hourly=100'. */
function settings(...assignments: string[]): Settings {
  const changes = assignments.map((text) => {
    const [first = '', second] = text.split(' ');
    return second === undefined ? parseAssignment(first, null) : parseAssignment(second, first);
  });
  return applyChanges(DEFAULT, changes);
}

/** Does what a fix says, through the same parsing as the command line. */
function run(command: string, before: Settings): Settings {
  const words = command.split(' ');
  const flag = words.indexOf('--ai-type');
  const aiType = flag < 0 ? null : (words[flag + 1] ?? null);
  const [tokenctl, limits, verb, ...rest] = flag < 0 ? words : words.slice(0, flag);
  expect([tokenctl, limits]).toEqual(['tokenctl', 'limits']);
  if (verb === 'apply') return applyProfile(before, rest[1] ?? '');
  const changes = rest.map((word): SettingChange =>
    verb === 'unset'
      ? { aiType, key: parseKey(word, aiType), value: null }
      : parseAssignment(word, aiType),
  );
  expect(changes).not.toEqual([]);
  return applyChanges(before, changes);
}

const codes = (found: Finding[], severity: Finding['severity']): string[] =>
  found.filter((finding) => finding.severity === severity).map(({ code }) => code);
const has = (found: Finding[], { code, scope }: Finding): boolean =>
  found.some((finding) => finding.code === code && finding.scope === scope);

describe('the settings that tokenctl has by itself', () => {
  it('the defaults have one problem, and say what cannot pass and what mends it', () => {
    const found = lintLimits(DEFAULT);
    expect(found.filter(({ severity }) => severity === 'problem')).toEqual([
      {
        code: 'hourly_below_request',
        scope: 'global',
        severity: 'problem',
        message: 'requests of 195 to 1,000 tokens can never pass: an hour holds 194',
        fix: 'tokenctl limits apply --profile paced',
      },
    ]);
    expect(codes(found, 'note')).toEqual(['hours_below_day', 'provider_ceiling_above_request']);
  });

  it('the default notes name their numbers', () => {
    expect(
      lintLimits(DEFAULT)
        .filter(({ severity }) => severity === 'note')
        .map(({ message }) => message),
    ).toEqual([
      'the daily limit of 4,667 can never be reached: 24 hours of 194 hold 4,656, by rounding',
      "the provider's ceiling of 17,000 tokens for one request can never be reached: the request limit is 1,000",
    ]);
  });

  it('the profile paced has no problem', () => {
    const found = lintLimits(applyProfile(DEFAULT, 'paced'));
    expect(codes(found, 'problem')).toEqual([]);
    expect(codes(found, 'note')).toEqual(['provider_ceiling_above_request']);
  });
});

type Row = [code: string, severity: Finding['severity'], broken: string[], whole: string[]];

// Each row: settings that just break the rule, and their neighbours by one that just keep it.
const WIDE = ['monthly=1000000000', 'daily=50000000', 'hourly=5000000'];
const OPEN = ['monthly=off', 'daily=off', 'hourly=off'];
const ROWS: Row[] = [
  ['hourly_below_request', 'problem', [...WIDE, 'hourly=999'], [...WIDE, 'hourly=1000']],
  ['hourly_below_request', 'problem', ['hourly=999'], ['hourly=1000']],
  [
    'hourly_below_request',
    'problem',
    [...WIDE, 'request=off', 'hourly=16999'],
    [...WIDE, 'request=off', 'hourly=17000'],
  ],
  ['daily_below_request', 'problem', ['daily=999'], ['daily=1000']],
  [
    'monthly_below_request',
    'problem',
    ['monthly=1000', 'enforcedMonthly=999'],
    ['monthly=1000', 'enforcedMonthly=1000'],
  ],
  ['request_above_provider_ceiling', 'problem', ['request=17001'], ['request=17000']],
  ['provider_ceiling_above_request', 'note', ['request=16999'], ['request=17000']],
  ['hourly_above_daily', 'problem', ['daily=3000', 'hourly=3001'], ['daily=3000', 'hourly=3000']],
  ['daily_above_monthly', 'problem', ['daily=140001'], ['daily=140000']],
  [
    'hourly_above_monthly',
    'problem',
    ['daily=off', 'hourly=140001'],
    ['daily=off', 'hourly=140000'],
  ],
  ['hours_below_day', 'problem', ['daily=24024', 'hourly=1000'], ['daily=24000', 'hourly=1000']],
  ['hours_below_day', 'note', ['daily=24023', 'hourly=1000'], ['daily=24000', 'hourly=1000']],
  ['days_below_month', 'problem', ['enforcedMonthly=62031', 'daily=2000'], ['daily=4517']],
  ['days_below_month', 'note', ['enforcedMonthly=62030', 'daily=2000'], ['daily=4517']],
  [
    'hours_below_month',
    'problem',
    ['daily=off', 'hourly=100', 'enforcedMonthly=75144'],
    ['daily=off', 'hourly=100', 'enforcedMonthly=74400'],
  ],
  [
    'hours_below_month',
    'note',
    ['daily=off', 'hourly=100', 'enforcedMonthly=75143'],
    ['daily=off', 'hourly=100', 'enforcedMonthly=74400'],
  ],
  ['critical_request_above_request', 'problem', ['criticalRequest=1001'], ['criticalRequest=1000']],
  [
    'critical_request_above_request',
    'problem',
    ['request=off', 'criticalRequest=17001'],
    ['request=off', 'criticalRequest=17000'],
  ],
  [
    'minute_rate_above_daily_rate',
    'problem',
    ['requestsPerMinute=3401'],
    ['requestsPerMinute=3400'],
  ],
  [
    'minute_rate_below_daily_rate',
    'problem',
    ['requestsPerMinute=2', 'requestsPerDay=2881'],
    ['requestsPerMinute=2', 'requestsPerDay=2880'],
  ],
  [
    'enforced_share_ignored',
    'note',
    ['enforcedShare=60', 'enforcedMonthly=9'],
    ['enforcedShare=60'],
  ],
  ['no_ceiling', 'note', OPEN, [...OPEN, 'hourly=1']],
  ['no_ceiling', 'note', ['enforcedMonthly=off'], ['enforcedMonthly=off', 'daily=1']],
  [
    'ai_type_monthly_above_global',
    'problem',
    ['imperium monthly=140001'],
    ['imperium monthly=140000'],
  ],
  ['ai_type_daily_above_global', 'problem', ['imperium daily=4668'], ['imperium daily=4667']],
  ['ai_type_hourly_above_global', 'problem', ['imperium hourly=195'], ['imperium hourly=194']],
  ['ai_type_request_above_global', 'problem', ['imperium request=1001'], ['imperium request=1000']],
  [
    'ai_type_request_above_global',
    'problem',
    ['request=off', 'imperium request=17001'],
    ['request=off', 'imperium request=17000'],
  ],
  ['ai_type_hourly_below_request', 'problem', ['imperium hourly=999'], ['imperium hourly=1000']],
  ['ai_type_daily_below_request', 'problem', ['imperium daily=999'], ['imperium daily=1000']],
  ['ai_type_monthly_below_request', 'problem', ['imperium monthly=999'], ['imperium monthly=1000']],
  [
    'ai_type_hourly_below_request',
    'problem',
    ['imperium request=50', 'imperium hourly=49'],
    ['imperium request=50', 'imperium hourly=50'],
  ],
  [
    'ai_type_hourly_above_daily',
    'problem',
    ['imperium hourly=101', 'imperium daily=100'],
    ['imperium hourly=100', 'imperium daily=100'],
  ],
  [
    'ai_type_hours_below_day',
    'problem',
    ['imperium hourly=100', 'imperium daily=2424'],
    ['imperium hourly=100', 'imperium daily=2400'],
  ],
  [
    'ai_type_days_below_month',
    'note',
    ['imperium daily=1000', 'imperium monthly=31030'],
    ['imperium daily=1000', 'imperium monthly=31000'],
  ],
];

describe.each(ROWS)('%s (%s)', (code, severity, broken, whole) => {
  const found = lintLimits(settings(...broken));
  const finding = found.find((candidate) => candidate.code === code);

  it(`is found in ${broken.join(' ')}`, () => {
    expect(finding?.severity).toBe(severity);
  });

  it(`is not found in ${whole.join(' ')}`, () => {
    expect(codes(lintLimits(settings(...whole)), severity)).not.toContain(code);
  });

  it('says in one line what is wrong, and is mended by its fix', () => {
    expect(finding?.message).toMatch(/^[^\n]{20,160}$/);
    const after = run(finding?.fix ?? '', settings(...broken));
    expect(lintLimits(after).map((left) => left.code)).not.toContain(code);
  });
});

describe('the fix of a window that holds less than a request', () => {
  it.each<[string, string[], string | null]>([
    ['paced while day and hour are derived', [], 'tokenctl limits apply --profile paced'],
    ['paced while it is enough', ['request=2800'], 'tokenctl limits apply --profile paced'],
    [
      'a smaller request where paced is too little',
      ['request=2801'],
      'tokenctl limits set request=194',
    ],
    ['a smaller request where the hour was set', ['hourly=500'], 'tokenctl limits set request=500'],
    ['a smaller request where the day was set', ['daily=12000'], 'tokenctl limits set request=500'],
    ['none where the hour holds nothing', ['hourly=0'], null],
  ])('%s', (_, assignments, fix) => {
    const found = lintLimits(settings(...assignments));
    expect(found.find(({ code }) => code === 'hourly_below_request')?.fix).toBe(fix);
  });

  it('names a single size as one', () => {
    const found = lintLimits(settings('hourly=999'));
    expect(found.map(({ message }) => message)).toContain(
      'requests of 1,000 tokens can never pass: an hour holds 999',
    );
  });

  it('is for the AI type alone, where the limit is its own', () => {
    expect(lintLimits(settings(...WIDE, 'imperium hourly=100'))).toContainEqual({
      code: 'ai_type_hourly_below_request',
      scope: 'imperium',
      severity: 'problem',
      message: "imperium's requests of 101 to 1,000 tokens can never pass: an hour holds 100",
      fix: 'tokenctl limits set request=100 --ai-type imperium',
    });
  });
});

describe('limits that are off', () => {
  it.each<[string, string[], string]>([
    ['hour', ['hourly=off'], 'hourly_below_request'],
    ['hour', ['hourly=off'], 'hours_below_day'],
    ['request and ceiling', ['request=off', 'tokensPerRequest=off'], 'hourly_below_request'],
    [
      'provider ceiling',
      ['tokensPerRequest=off', 'request=99999'],
      'request_above_provider_ceiling',
    ],
    ['request', ['request=off'], 'provider_ceiling_above_request'],
    ['month', ['monthly=off', 'daily=9', 'hourly=9'], 'daily_above_monthly'],
    ['month', ['enforcedMonthly=off', 'daily=9'], 'days_below_month'],
    ['minute rate', ['requestsPerMinute=off', 'requestsPerDay=1'], 'minute_rate_above_daily_rate'],
    ['daily rate', ['requestsPerDay=off', 'requestsPerMinute=1'], 'minute_rate_below_daily_rate'],
    ['critical level', ['critical=off', 'criticalRequest=9999'], 'critical_request_above_request'],
    ['global hour', ['hourly=off', 'imperium hourly=9999'], 'ai_type_hourly_above_global'],
  ])('%s off: no %s of it', (_, assignments, code) => {
    expect(lintLimits(settings(...assignments)).map((finding) => finding.code)).not.toContain(code);
  });

  it('everything off is one note and nothing else', () => {
    const off = ['request', 'tokensPerRequest', 'requestsPerMinute', 'requestsPerDay'];
    const found = lintLimits(settings(...OPEN, ...off.map((key) => `${key}=off`)));
    expect(found.map(({ code }) => code)).toEqual(['no_ceiling']);
  });
});

describe('any settings', () => {
  const amount = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 300_000 }));
  const value = fc.oneof({ weight: 4, arbitrary: amount }, fc.constant('off' as const));
  const keys: LimitKey[] = [
    'monthly',
    'enforcedMonthly',
    'daily',
    'hourly',
    'request',
    'tokensPerRequest',
    'criticalRequest',
    'requestsPerMinute',
    'requestsPerDay',
  ];
  const own = fc.record(
    { monthly: amount, daily: amount, hourly: amount, request: amount },
    { requiredKeys: [] },
  );
  const anySettings = fc
    .record({
      global: fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] }),
      aiTypes: fc.dictionary(fc.constantFrom('imperium', 'constructor'), own, { maxKeys: 2 }),
    })
    .filter((candidate) => {
      try {
        checkSettings(candidate);
        return true;
      } catch {
        return false;
      }
    }) as fc.Arbitrary<Settings>;

  it('every fix is a command that is accepted, and its finding is gone after it', () => {
    fc.assert(
      fc.property(anySettings, (before) => {
        for (const finding of lintLimits(before)) {
          if (finding.fix === null) continue;
          expect(has(lintLimits(run(finding.fix, before)), finding), finding.fix).toBe(false);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('following the fixes ends, with nothing left that has one', () => {
    fc.assert(
      fc.property(anySettings, (before) => {
        let now = before;
        for (let step = 0; step < 60; step += 1) {
          const next = lintLimits(now).find(({ fix }) => fix !== null);
          if (next?.fix === undefined || next.fix === null) return;
          now = run(next.fix, now);
        }
        expect(lintLimits(now)).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});
