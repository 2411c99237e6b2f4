import {
  AI_TYPE_LIMIT_KEYS,
  LIMIT_KEYS,
  NO_SETTINGS,
  resolveLimits,
  type LimitKey,
  type LimitKeyRule,
} from '../../budget/limits.ts';
import { PROFILES } from '../../budget/settings.ts';
import { count } from '../views/text.ts';
import type { TopicPart } from '../views/topic.ts';

const DENIES: Readonly<Record<LimitKey, string>> = {
  monthly: 'denies nothing itself: enforcedMonthly is enforced',
  enforcedShare: 'denies nothing itself: it gives enforcedMonthly',
  enforcedMonthly: 'denies what the month (UTC) has no room for: window_exceeded',
  daily: 'denies what the day (UTC) has no room for: window_exceeded',
  hourly: 'denies what the hour has no room for: window_exceeded',
  request: 'denies a larger request, always: request_too_large',
  requestsPerMinute: 'denies one more in any 60 seconds: rate_exceeded',
  requestsPerDay: 'denies one more in the day (UTC): rate_exceeded',
  tokensPerRequest: 'denies a larger request, always: provider_request_too_large',
  warning: 'denies nothing: it is a level that is shown',
  critical: 'from there on criticalRequest holds',
  emergency: 'denies everything until the month resets: emergency_shutdown',
  criticalRequest: 'at level critical denies a larger request: critical_restricts_large',
  reservationTtl: 'denies nothing: an older reservation is charged in full',
};

const { limits: defaults, derivations } = resolveLimits(NO_SETTINGS);

const rules = Object.entries(LIMIT_KEYS) as [LimitKey, LimitKeyRule][];

function about([key, { unit, share, off, about: what }]: [LimitKey, LimitKeyRule]): string {
  const value = defaults[key];
  const { source, formula } = derivations[key] ?? { source: 'default', formula: 'default' };
  const from = formula === 'default' ? '' : `, ${formula}`;
  const amount = `${value === null ? 'off' : count(value)}${unit === 'percent' ? ' %' : ''}`;
  const takes = [
    unit === 'percent' ? '1 to 100 %' : unit,
    ...(share === undefined ? [] : [`N% of ${share}`]),
    ...(off ? ['off'] : []),
  ];
  return `${what}. ${source === 'derived' ? 'Derived' : 'Default'}: ${amount}${from}. Takes ${takes.join(', ')}. It ${DENIES[key]}.`;
}

export const limits: readonly TopicPart[] = [
  {
    title: 'Limits',
    text: 'tokenctl limits shows those in force, tokenctl limits set KEY=VALUE changes them. A change holds from the next decision on, everywhere.',
    rows: rules.map((rule) => [rule[0], about(rule)]),
  },
  {
    title: 'How a request is judged',
    text: 'Used + held + the estimate must fit in each window, and every rule must pass. What is off judges nothing. A denial names every rule that it broke: tokenctl check shows the arithmetic. The level is judged by used + held tokens of the month before the request.',
  },
  {
    title: 'AI types',
    text: `One may have its own ${AI_TYPE_LIMIT_KEYS.join(', ')} as amounts (--ai-type). They bind beside the global ones, are not derived, and are taken back with tokenctl limits unset KEY --ai-type TYPE.`,
  },
  {
    title: 'Profiles (tokenctl limits apply --profile NAME)',
    rows: Object.entries(PROFILES).map(([name, settings]) => [
      name,
      Object.entries(settings)
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(', ') || 'takes every global setting back',
    ]),
  },
];
