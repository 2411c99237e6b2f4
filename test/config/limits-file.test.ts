import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_LIMITS_FILE_BYTES,
  limitsFileDocument,
  limitsFileText,
  parseLimitsFile,
} from '../../src/config/limits-file.ts';
import {
  AI_TYPE_LIMIT_KEYS,
  LIMIT_KEYS,
  NO_SETTINGS,
  type LimitKeyRule,
  type Settings,
  type SettingValue,
} from '../../src/budget/limits.ts';
import { applyChanges, checkSettings } from '../../src/budget/settings.ts';

const error = (fields: object): Error => expect.objectContaining(fields) as Error;
const read = (text: string): Settings =>
  applyChanges(NO_SETTINGS, parseLimitsFile(text, 'limits.yaml'));

describe('a limits file', () => {
  it('holds the keys and values of limits set, in YAML', () => {
    const text = `
# a comment
monthly: 500000
ENFORCEDSHARE: 80%
daily: 200_000
hourly: "2%"
request: off
requestsPerDay: "3,400"
warning: 70
aiTypes:
  Sandbox: { monthly: 50_000 }
  "007":
    request: 5
  1e5: {}
`;
    expect(read(text)).toEqual({
      global: {
        monthly: 500_000,
        enforcedShare: 80,
        daily: 200_000,
        hourly: '2%',
        request: 'off',
        requestsPerDay: 3_400,
        warning: 70,
      },
      aiTypes: { sandbox: { monthly: 50_000 }, '007': { request: 5 } },
    });
  });

  it('may be JSON, and may set nothing', () => {
    expect(read('{"hourly": "2%", "aiTypes": {"x": {"daily": 7}}}')).toEqual({
      global: { hourly: '2%' },
      aiTypes: { x: { daily: 7 } },
    });
    expect(read('{}')).toEqual(NO_SETTINGS);
  });

  it.each<[string, string, string]>([
    ['hourlly: 5', 'limits.yaml:1: hourlly', 'is no limit'],
    ['monthly: 5\nhourly: 1.5', 'limits.yaml:2: hourly', 'must be a whole number, not 1.5'],
    ['hourly: 0x10', 'limits.yaml:1: hourly', 'must be a whole number, not "0x10"'],
    ['hourly: 1e3', 'limits.yaml:1: hourly', 'must be a whole number, not "1e3"'],
    ['hourly: -1', 'limits.yaml:1: hourly', 'must be at least 0, not -1'],
    ['hourly: .inf', 'limits.yaml:1: hourly', 'must be a whole number, not ".inf"'],
    ['daily: 101%', 'limits.yaml:1: daily', 'must be at most 100, not 101'],
    ['monthly: 5%', 'limits.yaml:1: monthly', 'must be an amount of tokens, not 5%'],
    ['hourly:', 'limits.yaml:1: hourly', 'not nothing'],
    ['hourly: false', 'limits.yaml:1: hourly', 'not false'],
    ['hourly: [1]', 'limits.yaml:1: hourly', 'not a list or a mapping'],
    ['hourly: {a: 1}', 'limits.yaml:1: hourly', 'not a list or a mapping'],
    ['daily: &x 5\nhourly: *x', 'limits.yaml:2: hourly', 'not an alias'],
    ['hourly: !!binary aGk=', 'limits.yaml:1: hourly', 'must be an amount'],
    ['hourly: 1\n\nhourly: 2', 'limits.yaml:3: hourly', 'is there twice, first at limits.yaml:1'],
    ['hourly: 1\nHOURLY: 2', 'limits.yaml:2: HOURLY', 'is there twice'],
    ['aiTypes: {}\naitypes: {}', 'limits.yaml:2: aitypes', 'is there twice'],
    ['<<: {hourly: 3}', 'limits.yaml:1: <<', 'is no limit'],
    ['__proto__: 1', 'limits.yaml:1: __proto__', 'is no limit'],
    ['"a\\eb": 1', 'limits.yaml:1: a?b', 'is no limit'],
    ['? [a]\n: 1', 'limits.yaml:1', 'a key must be a name'],
    ['[1, 2]', 'limits.yaml:1', 'must be keys with values'],
    ['42', 'limits.yaml:1', 'must be keys with values'],
    ['', 'limits.yaml', 'is empty'],
    ['# nothing', 'limits.yaml', 'is empty'],
    ['aiTypes: 5', 'limits.yaml:1: aiTypes', 'must be keys with values'],
    ['aiTypes:\n  x: 5', 'limits.yaml:2: x', 'must be keys with values'],
    ['aiTypes:\n  Bad Name: {}', 'limits.yaml:2: aiTypes', '"Bad Name" is no AI type'],
    ['aiTypes:\n  global: {}', 'limits.yaml:2: aiTypes', '"global" is reserved'],
    ['aiTypes:\n  x: {}\n  X: {}', 'limits.yaml:3: X', 'is there twice'],
    ['aiTypes:\n  x:\n    monthly: off', 'limits.yaml:3: aiTypes.x.monthly', 'off is for global'],
    ['aiTypes:\n  x:\n    monthly: 5%', 'limits.yaml:3: aiTypes.x.monthly', 'must be an amount of'],
    [
      'aiTypes:\n  x:\n    warning: 5',
      'limits.yaml:3: aiTypes.x.warning',
      'that an AI type can have',
    ],
    ['aiTypes:\n  x:\n    aiTypes: {}', 'limits.yaml:3: aiTypes.x.aiTypes', 'is no limit'],
    ['monthly: 5\nhourly: [1\nb: 2', 'limits.yaml:3', 'is neither YAML nor JSON'],
    ['{"hourly": 5', 'limits.yaml:1', 'is neither YAML nor JSON'],
    ['hourly: 5\n---\ndaily: 5', 'limits.yaml:2', 'a second document begins'],
  ])('%j is refused, with its line and key', (text, field, problem) => {
    expect(() => parseLimitsFile(text, 'limits.yaml')).toThrow(
      error({
        code: 'invalid_input',
        field,
        message: expect.stringContaining(`${field}: `) as string,
      }),
    );
    expect(() => parseLimitsFile(text, 'limits.yaml')).toThrow(problem);
  });

  it('suggests the key that was meant', () => {
    expect(() => parseLimitsFile('hourlly: 5', 'limits.yaml')).toThrow(
      error({ fix: expect.stringMatching(/^did you mean hourly\?/) as string }),
    );
  });

  it.each([
    ['[', /^limits.yaml:1: is nested too deeply/],
    ['{a: ', /^limits.yaml:1: is nested too deeply/],
    ['a: ', /^limits.yaml:1: is neither YAML nor JSON/],
    ['- ', /^limits.yaml:1: is nested too deeply|must be keys/],
  ])('as full of %j as it may be is refused all the same', (part, problem) => {
    const text = part.repeat(MAX_LIMITS_FILE_BYTES / part.length);
    expect(() => parseLimitsFile(text, 'limits.yaml')).toThrow(
      error({ code: 'invalid_input', message: expect.stringMatching(problem) as string }),
    );
  });

  it('never expands aliases', () => {
    const levels = Array.from(
      { length: 30 },
      (_, at) => `a${at + 1}: &a${at + 1} [*a${at}, *a${at}]`,
    );
    const bomb = `a0: &a0 [1]\n${levels.join('\n')}\n`;
    expect(() => parseLimitsFile(bomb, 'limits.yaml')).toThrow(/limits.yaml:1: a0: is no limit/);
  });
});

function anyValue(rule: LimitKeyRule): fc.Arbitrary<SettingValue> {
  const least = rule.unit === 'percent' || rule.unit === 'seconds' ? 1 : 0;
  return fc.oneof(
    fc.integer({ min: least, max: Math.min(rule.max, 1_000) }),
    fc.constant(rule.max),
    ...(rule.off ? [fc.constant('off' as const)] : []),
    ...(rule.share === undefined ? [] : [fc.nat(100).map((share) => `${share}%` as const)]),
  );
}

const anyGlobal = fc.record(
  Object.fromEntries(
    Object.entries(LIMIT_KEYS).map(([key, rule]) => [key, anyValue(rule)] as const),
  ),
  { requiredKeys: [] },
) as fc.Arbitrary<Settings['global']>;

/** Names that YAML would read as something else, too. */
const anyName = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'no',
    'off',
    '1e5',
    '007',
    '0x1f',
    '1_000',
    '1.0',
    '12',
    'constructor',
    'aitypes',
  ),
  fc
    .stringMatching(/^[a-z0-9][a-z0-9_.-]{0,49}$/)
    .filter((name) => !['global', 'all', 'none', 'unknown'].includes(name)),
);

const anyOwn = fc
  .record(Object.fromEntries(AI_TYPE_LIMIT_KEYS.map((key) => [key, fc.nat(1_000_000)] as const)), {
    requiredKeys: [],
  })
  .filter((own) => Object.keys(own).length > 0);

const anySettings = fc
  .record({ global: anyGlobal, aiTypes: fc.dictionary(anyName, anyOwn, { maxKeys: 5 }) })
  .filter((settings) => {
    try {
      checkSettings(settings);
      return true;
    } catch {
      return false;
    }
  });

describe('an exported file', () => {
  it('gives any settings back, as YAML and as JSON', () => {
    fc.assert(
      fc.property(anySettings, (settings) => {
        expect(read(limitsFileText(settings, ['revision 1', 'a comment']))).toEqual(settings);
        expect(read(JSON.stringify(limitsFileDocument(settings)))).toEqual(settings);
      }),
      { numRuns: 500 },
    );
  });
});
