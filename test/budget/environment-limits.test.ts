import { describe, expect, it } from 'vitest';
import {
  environmentDrift,
  LIMIT_ENVIRONMENT_NAMES,
  settingsFromEnvironment,
} from '../../src/budget/environment-limits.ts';
import { NO_SETTINGS, type Settings } from '../../src/budget/limits.ts';

const global = (settings: Settings['global']): Settings => ({ global: settings, aiTypes: {} });
const refused = (field: string, problem: string): Error =>
  expect.objectContaining({
    code: 'invalid_input',
    field,
    message: expect.stringContaining(problem) as string,
  }) as Error;

describe('limits in the environment', () => {
  it('are the five names of the specification', () => {
    expect(LIMIT_ENVIRONMENT_NAMES).toEqual([
      'GLOBAL_MONTHLY_LIMIT',
      'ENFORCED_GLOBAL_LIMIT',
      'WARNING_THRESHOLD',
      'CRITICAL_THRESHOLD',
      'EMERGENCY_SHUTDOWN_THRESHOLD',
    ]);
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['nothing', {}],
    ['other names', { PATH: '/bin', WARNING: '5' }],
    ['empty values', { GLOBAL_MONTHLY_LIMIT: '', WARNING_THRESHOLD: '  ' }],
    ['undefined', { GLOBAL_MONTHLY_LIMIT: undefined }],
  ])('%s asks for nothing', (_, environment) => {
    expect(settingsFromEnvironment(environment)).toBeNull();
  });

  it.each<[Record<string, string>, Settings['global']]>([
    [{ GLOBAL_MONTHLY_LIMIT: '300000' }, { monthly: 300_000 }],
    [{ GLOBAL_MONTHLY_LIMIT: '200_000' }, { monthly: 200_000 }],
    [{ GLOBAL_MONTHLY_LIMIT: ' 200,000 ' }, { monthly: 200_000 }],
    [{ ENFORCED_GLOBAL_LIMIT: '140_000' }, { enforcedMonthly: 140_000 }],
    [{ WARNING_THRESHOLD: '70' }, { warning: 70 }],
    [{ WARNING_THRESHOLD: '70%' }, { warning: 70 }],
    [{ WARNING_THRESHOLD: '0.7' }, { warning: 70 }],
    [{ WARNING_THRESHOLD: '0.05' }, { warning: 5 }],
    [{ WARNING_THRESHOLD: '.75' }, { warning: 75 }],
    [{ WARNING_THRESHOLD: '112_000' }, { warning: 80 }],
    [{ CRITICAL_THRESHOLD: '133_000' }, { critical: 95 }],
    [{ EMERGENCY_SHUTDOWN_THRESHOLD: '137_200' }, { emergency: 98 }],
    [{ EMERGENCY_SHUTDOWN_THRESHOLD: '1.0' }, { emergency: 100 }],
    [{ EMERGENCY_SHUTDOWN_THRESHOLD: '140000' }, { emergency: 100 }],
    [
      { ENFORCED_GLOBAL_LIMIT: '100_000', WARNING_THRESHOLD: '75_000' },
      { enforcedMonthly: 100_000, warning: 75 },
    ],
    [
      { GLOBAL_MONTHLY_LIMIT: '100_000', WARNING_THRESHOLD: '35000' },
      { monthly: 100_000, warning: 50 },
    ],
  ])('%j asks for %j', (environment, settings) => {
    expect(settingsFromEnvironment(environment)).toEqual(global(settings));
  });

  it.each<[string, string, string]>([
    ['GLOBAL_MONTHLY_LIMIT', 'lots', 'must be a whole number, not "lots"'],
    ['GLOBAL_MONTHLY_LIMIT', '-1', 'must be at least 0, not -1'],
    ['GLOBAL_MONTHLY_LIMIT', '1.5', 'must be a whole number, not 1.5'],
    ['GLOBAL_MONTHLY_LIMIT', '1000000000001', 'must be at most 1000000000000'],
    ['ENFORCED_GLOBAL_LIMIT', '70%', 'must be a whole number, not "70%"'],
    ['ENFORCED_GLOBAL_LIMIT', '200001', 'enforcedMonthly: 200001 is above monthly (200000)'],
    ['WARNING_THRESHOLD', '101%', 'must be at most 100, not 101'],
    ['WARNING_THRESHOLD', '0', 'must be at least 1, not 0'],
    ['WARNING_THRESHOLD', '0.805', 'must be a whole number, not 0.805'],
    ['WARNING_THRESHOLD', '140001', 'is above 100 % of the enforced monthly limit'],
    [
      'WARNING_THRESHOLD',
      '112001',
      'is no whole percentage of the enforced monthly limit (140000)',
    ],
    ['WARNING_THRESHOLD', '95', 'critical: 95 % is not above warning (95 %)'],
  ])('%s=%s is refused, naming the variable', (name, value, problem) => {
    expect(() => settingsFromEnvironment({ [name]: value })).toThrow(refused(name, problem));
  });

  it('variables that contradict each other are all named', () => {
    const environment = { GLOBAL_MONTHLY_LIMIT: '100', ENFORCED_GLOBAL_LIMIT: '101' };
    expect(() => settingsFromEnvironment(environment)).toThrow(
      refused('GLOBAL_MONTHLY_LIMIT, ENFORCED_GLOBAL_LIMIT', '101 is above monthly (100)'),
    );
  });
});

describe('how the environment differs from the limits in force', () => {
  it.each<[string, Settings['global'], Settings['global'], string[]]>([
    ['nothing asked', {}, { monthly: 5 }, []],
    ['the default, asked for', { monthly: 200_000, enforcedMonthly: 140_000 }, {}, []],
    [
      'another month',
      { monthly: 200_000 },
      { monthly: 300_000 },
      ['GLOBAL_MONTHLY_LIMIT asks for 200000, in force is 300000'],
    ],
    [
      'an enforced limit that moved with the month',
      { enforcedMonthly: 140_000 },
      { monthly: 300_000 },
      ['ENFORCED_GLOBAL_LIMIT asks for 140000, in force is 210000'],
    ],
    [
      'a level that is off',
      { warning: 80 },
      { warning: 'off' },
      ['WARNING_THRESHOLD asks for 80, in force is off'],
    ],
    [
      'two of them',
      { critical: 90, emergency: 99 },
      {},
      [
        'CRITICAL_THRESHOLD asks for 90, in force is 95',
        'EMERGENCY_SHUTDOWN_THRESHOLD asks for 99, in force is 98',
      ],
    ],
  ])('%s', (_, wanted, inForce, lines) => {
    expect(environmentDrift(global(wanted), global(inForce))).toEqual(lines);
  });

  it('limits that the environment has no name for are never a difference', () => {
    expect(environmentDrift(NO_SETTINGS, global({ hourly: 5, request: 9 }))).toEqual([]);
  });
});
