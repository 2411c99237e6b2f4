import { describe, expect, it } from 'vitest';
import { LIMIT_KEYS, NO_SETTINGS, resolveLimits, type Settings } from '../../src/budget/limits.ts';
import {
  applyChanges,
  applyProfile,
  checkSettings,
  parseAssignment,
  parseKey,
  parseSettings,
  PROFILES,
} from '../../src/budget/settings.ts';

const error = (fields: object): Error => expect.objectContaining(fields) as Error;
const invalid = (field: string, problem: string): Error =>
  error({ code: 'invalid_input', field, message: `${field}: ${problem}` });
const global = (settings: Settings['global']): Settings => ({ global: settings, aiTypes: {} });

describe('an assignment', () => {
  it.each<[string, string, unknown]>([
    ['hourly=2800', 'hourly', 2_800],
    ['HOURLY=2800', 'hourly', 2_800],
    [' hourly = 2_800 ', 'hourly', 2_800],
    ['monthly=200,000', 'monthly', 200_000],
    ['hourly=2%', 'hourly', '2%'],
    ['hourly=002%', 'hourly', '2%'],
    ['daily=0%', 'daily', '0%'],
    ['daily=100%', 'daily', '100%'],
    ['criticalRequest=25%', 'criticalRequest', '25%'],
    ['hourly=off', 'hourly', 'off'],
    ['hourly=OFF', 'hourly', 'off'],
    ['hourly=0', 'hourly', 0],
    ['warning=80', 'warning', 80],
    ['warning=80%', 'warning', 80],
    ['warning=off', 'warning', 'off'],
    ['enforcedshare=100', 'enforcedShare', 100],
    ['reservationTtl=1', 'reservationTtl', 1],
    ['monthly=1000000000000', 'monthly', 1_000_000_000_000],
  ])('%j sets %s to %j', (text, key, value) => {
    expect(parseAssignment(text, null)).toEqual({ aiType: null, key, value });
  });

  it.each<[string, string, string]>([
    ['hourly', 'hourly', 'must be KEY=VALUE'],
    ['=5', '=5', 'must be KEY=VALUE'],
    ['nope=5', 'nope', 'is no limit'],
    ['constructor=5', 'constructor', 'is no limit'],
    ['hourly=', 'hourly', 'must be a whole number, not ""'],
    ['hourly=-1', 'hourly', 'must be at least 0, not -1'],
    ['hourly=1.5', 'hourly', 'must be a whole number, not 1.5'],
    ['hourly=1e6', 'hourly', 'must be a whole number, not "1e6"'],
    ['monthly=1000000000001', 'monthly', 'must be at most 1000000000000, not 1000000000001'],
    ['requestsPerMinute=1000001', 'requestsPerMinute', 'must be at most 1000000, not 1000001'],
    ['hourly=101%', 'hourly', 'must be at most 100, not 101'],
    ['hourly=-1%', 'hourly', 'must be at least 0, not -1'],
    ['hourly=2.5%', 'hourly', 'must be a whole number, not 2.5'],
    ['hourly=x%', 'hourly', 'must be N%, not "x%"'],
    ['hourly=%', 'hourly', 'must be N%, not "%"'],
    ['hourly=--5%', 'hourly', 'must be N%, not "--5%"'],
    ['warning=x%', 'warning', 'must be N%, not "x%"'],
    ['monthly=5%', 'monthly', 'must be an amount of tokens, not 5%'],
    ['requestsPerDay=5%', 'requestsPerDay', 'must be an amount of requests, not 5%'],
    ['reservationTtl=5%', 'reservationTtl', 'must be an amount of seconds, not 5%'],
    ['warning=101', 'warning', 'must be at most 100, not 101'],
    ['warning=101%', 'warning', 'must be at most 100, not 101'],
    ['warning=0', 'warning', 'must be at least 1, not 0'],
    ['warning=0%', 'warning', 'must be at least 1, not 0'],
    ['enforcedShare=0', 'enforcedShare', 'must be at least 1, not 0'],
    ['enforcedShare=off', 'enforcedShare', "can't be off"],
    ['reservationTtl=off', 'reservationTtl', "can't be off"],
    ['reservationTtl=0', 'reservationTtl', 'must be at least 1, not 0'],
    ['reservationTtl=2678401', 'reservationTtl', 'must be at most 2678400, not 2678401'],
  ])('%j is refused, naming %s', (text, field, problem) => {
    expect(() => parseAssignment(text, null)).toThrow(invalid(field, problem));
  });

  it.each<[string, string, string]>([
    ['hourly=off', 'hourly', 'off is for global limits'],
    ['hourly=2%', 'hourly', 'must be an amount of tokens, not 2%'],
    ['warning=80', 'warning', 'is no limit that an AI type can have'],
    ['hourly=-1', 'hourly', 'must be at least 0, not -1'],
  ])('%j is refused for an AI type', (text, field, problem) => {
    expect(() => parseAssignment(text, 'imperium')).toThrow(invalid(field, problem));
  });

  it('off for an AI type names the command that has that effect', () => {
    expect(() => parseAssignment('hourly=off', 'imperium')).toThrow(
      error({ fix: 'tokenctl limits unset hourly --ai-type imperium' }),
    );
  });

  it('an unknown key lists the keys there are', () => {
    expect(() => parseKey('nope', null)).toThrow(
      error({ fix: `the keys are: ${Object.keys(LIMIT_KEYS).join(', ')}` }),
    );
    expect(() => parseKey('nope', 'imperium')).toThrow(
      error({ fix: 'the keys are: monthly, daily, hourly, request' }),
    );
  });

  it.each(Object.keys(LIMIT_KEYS))('the key %s is known in any case', (key) => {
    expect(parseKey(key.toUpperCase(), null)).toBe(key);
  });
});

describe('changes', () => {
  const before: Settings = { global: { hourly: 5_000 }, aiTypes: { imperium: { daily: 10 } } };
  const set = (text: string, aiType: string | null = null): Settings =>
    applyChanges(before, [parseAssignment(text, aiType)]);

  it('set a key and leave the others', () => {
    expect(set('daily=6000')).toEqual({
      global: { hourly: 5_000, daily: 6_000 },
      aiTypes: before.aiTypes,
    });
  });

  it("set an AI type's key beside the others of it", () => {
    expect(set('hourly=7', 'imperium').aiTypes).toEqual({ imperium: { daily: 10, hourly: 7 } });
    expect(set('hourly=7', 'guardian').aiTypes).toEqual({
      imperium: { daily: 10 },
      guardian: { hourly: 7 },
    });
  });

  it('take a setting back, and an AI type with its last one', () => {
    const unset = (aiType: string | null, key: 'hourly' | 'daily'): Settings =>
      applyChanges(before, [{ aiType, key, value: null }]);
    expect(unset(null, 'hourly').global).toEqual({});
    expect(unset('imperium', 'daily').aiTypes).toEqual({});
    expect(unset('imperium', 'hourly').aiTypes).toEqual(before.aiTypes);
    expect(unset('guardian', 'hourly').aiTypes).toEqual(before.aiTypes);
  });

  it('do not touch what they start from', () => {
    const copy = structuredClone(before);
    set('hourly=1', 'imperium');
    applyChanges(before, [{ aiType: 'imperium', key: 'daily', value: null }]);
    expect(before).toEqual(copy);
  });

  it('reach an AI type called constructor, and nothing else of that name', () => {
    expect(set('hourly=7', 'constructor').aiTypes).toEqual({
      imperium: { daily: 10 },
      constructor: { hourly: 7 },
    });
    expect(Object).not.toHaveProperty('hourly');
  });

  it('are judged by their result, not one by one', () => {
    const changes = ['warning=97', 'critical=98', 'emergency=99'].map((text) =>
      parseAssignment(text, null),
    );
    expect(applyChanges(NO_SETTINGS, changes).global).toMatchObject({ warning: 97, emergency: 99 });
    expect(() => applyChanges(NO_SETTINGS, changes.slice(0, 1))).toThrow('critical: 95 %');
  });
});

describe('settings that contradict themselves', () => {
  it.each<[string, Settings['global'], string, string]>([
    [
      'enforced above monthly',
      { enforcedMonthly: 200_001 },
      'enforcedMonthly',
      '200001 is above monthly (200000)',
    ],
    [
      'monthly below a pinned enforced limit',
      { enforcedMonthly: 90_000, monthly: 89_999 },
      'enforcedMonthly',
      '90000 is above monthly (89999)',
    ],
    ['critical at warning', { warning: 95 }, 'critical', '95 % is not above warning (95 %)'],
    ['critical below warning', { critical: 79 }, 'critical', '79 % is not above warning (80 %)'],
    ['emergency at critical', { critical: 98 }, 'emergency', '98 % is not above critical (98 %)'],
    [
      'emergency below warning, critical off',
      { critical: 'off', emergency: 80 },
      'emergency',
      '80 % is not above warning (80 %)',
    ],
  ])('%s', (_, settings, field, problem) => {
    expect(() => {
      checkSettings(global(settings));
    }).toThrow(invalid(field, problem));
  });

  it.each<[string, Settings['global']]>([
    ['enforced at monthly', { enforcedMonthly: 200_000 }],
    ['enforced without monthly', { enforcedMonthly: 999_999, monthly: 'off' }],
    ['thresholds one apart', { warning: 97, critical: 98, emergency: 99 }],
    ['emergency at 100 %', { emergency: 100 }],
    ['every level off', { warning: 'off', critical: 'off', emergency: 'off' }],
    ['everything default', {}],
  ])('not: %s', (_, settings) => {
    expect(() => {
      checkSettings(global(settings));
    }).not.toThrow();
  });
});

describe('a profile', () => {
  const own = { imperium: { hourly: 5 } };

  it('paced sets day and hour, and leaves the rest and the AI types', () => {
    const before: Settings = { global: { request: 500, daily: 9 }, aiTypes: own };
    expect(applyProfile(before, 'paced')).toEqual({
      global: { request: 500, daily: '15%', hourly: '2%' },
      aiTypes: own,
    });
  });

  it('paced gives a day of 21,000 and an hour of 2,800', () => {
    const { limits } = resolveLimits(applyProfile(NO_SETTINGS, 'paced'));
    expect(limits).toMatchObject({ daily: 21_000, hourly: 2_800, enforcedMonthly: 140_000 });
  });

  it('default takes every global setting back', () => {
    expect(applyProfile({ global: { request: 5 }, aiTypes: own }, 'default')).toEqual({
      global: {},
      aiTypes: own,
    });
  });

  it.each(['nope', '', 'constructor', 'toString'])('%j is refused with the list', (name) => {
    expect(() => applyProfile(NO_SETTINGS, name)).toThrow(
      error({
        code: 'invalid_input',
        field: '--profile',
        fix: `the profiles are: ${Object.keys(PROFILES).join(', ')}`,
      }),
    );
  });
});

describe('settings read back from JSON', () => {
  it.each<Settings>([
    NO_SETTINGS,
    { global: { daily: '15%', hourly: 'off', request: 0 }, aiTypes: { imperium: { hourly: 5 } } },
    { global: {}, aiTypes: { constructor: { hourly: 5 } } },
  ])('are what was written: %j', (settings) => {
    expect(parseSettings(JSON.stringify(settings))).toEqual(settings);
  });

  it.each([
    ['no JSON', '{', 'not JSON'],
    ['no document', '[]', 'not a settings document'],
    ['null', 'null', 'not a settings document'],
    ['no AI types', '{"global":{}}', 'not a settings document'],
    ['a limit of a newer version', '{"global":{"weekly":5},"aiTypes":{}}', 'weekly: unknown limit'],
    ['an inherited name', '{"global":{"constructor":5},"aiTypes":{}}', 'unknown limit'],
    ['a prototype', '{"global":{"__proto__":5},"aiTypes":{}}', 'unknown limit'],
    ['a negative amount', '{"global":{"hourly":-5},"aiTypes":{}}', 'hourly: must be at least 0'],
    ['a list for an amount', '{"global":{"hourly":[5]},"aiTypes":{}}', 'hourly: no amount'],
    [
      'an unknown limit of an AI type',
      '{"global":{},"aiTypes":{"a":{"warning":5}}}',
      'warning of a',
    ],
    ['a share for an AI type', '{"global":{},"aiTypes":{"a":{"hourly":"5%"}}}', 'hourly: must be'],
    ['no limits of an AI type', '{"global":{},"aiTypes":{"a":5}}', 'a: no limits'],
    ['a reserved AI type', '{"global":{},"aiTypes":{"global":{}}}', 'is reserved'],
  ])('%s is refused: a newer tokenctl wrote it', (_, json, what) => {
    expect(() => parseSettings(json)).toThrow(
      error({
        code: 'database_newer',
        message: expect.stringContaining(what) as string,
        fix: 'use the tokenctl version that wrote them, or a newer one',
      }),
    );
  });
});
