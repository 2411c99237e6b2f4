import {
  AI_TYPE_LIMIT_KEYS,
  LIMIT_KEYS,
  NO_SETTINGS,
  resolveLimits,
  type LimitKey,
  type LimitKeyRule,
} from '../../budget/limits.ts';
import { PROFILES } from '../../budget/settings.ts';
import { count, grouped } from '../views/text.ts';
import type { TopicPart } from '../views/topic.ts';

const DENIES: Readonly<Record<LimitKey, string>> = {
  monthly: 'Denies nothing by itself: enforcedMonthly does.',
  enforcedShare: 'Denies nothing by itself: it gives enforcedMonthly.',
  enforcedMonthly: 'Denies what the UTC month has no room for (window_exceeded).',
  daily: 'Denies what the UTC day has no room for (window_exceeded).',
  hourly: 'Denies what the hour has no room for (window_exceeded).',
  request: 'Denies a larger request; waiting does not help (request_too_large).',
  requestsPerMinute: 'Denies one more (rate_exceeded).',
  requestsPerDay: 'Denies one more (rate_exceeded).',
  tokensPerRequest: 'Denies a larger request; waiting does not help (provider_request_too_large).',
  warning: 'Denies nothing: it is shown.',
  critical: 'From there on criticalRequest holds.',
  emergency: 'Lasts until the month resets (emergency_shutdown).',
  criticalRequest: 'Denies a larger request at that level (critical_restricts_large).',
  reservationTtl: 'Denies nothing.',
};

const { limits: defaults, derivations } = resolveLimits(NO_SETTINGS);

function about(key: LimitKey, rule: LimitKeyRule): string {
  return `${rule.about}. By default ${defaultOf(key, rule)}. Takes ${takes(rule)}. ${DENIES[key]}`;
}

/** `194 tokens (daily / 24)` */
function defaultOf(key: LimitKey, { unit }: LimitKeyRule): string {
  const value = defaults[key];
  const formula = derivations[key]?.formula ?? 'default';
  const amount = value === null ? 'off' : `${count(value)} ${unit === 'percent' ? '%' : unit}`;
  return formula === 'default' ? amount : `${amount} (${grouped(formula)})`;
}

/** `tokens, N% of enforcedMonthly or off` */
function takes({ unit, share, off, max }: LimitKeyRule): string {
  const amount = unit === 'percent' ? `1 to ${String(max)} %` : unit;
  return `${amount}${share === undefined ? '' : `, N% of ${share}`}${off ? ' or off' : ''}`;
}

export const limits: readonly TopicPart[] = [
  {
    title: 'Limits',
    text: 'tokenctl limits shows those in force, tokenctl limits set KEY=VALUE changes them: from the next decision on, in every process.',
    rows: (Object.entries(LIMIT_KEYS) as [LimitKey, LimitKeyRule][]).map(([key, rule]) => [
      key,
      about(key, rule),
    ]),
  },
  {
    title: 'How a request is judged',
    text: 'Used + held + the estimate must fit in each window, and every rule must pass; what is off judges nothing. The level is that of the used and held tokens of the month before the request. A denial names every rule that it broke: tokenctl check shows the arithmetic.',
  },
  {
    title: 'AI types',
    text: `One may have ${AI_TYPE_LIMIT_KEYS.join(', ')} of its own, as amounts (--ai-type TYPE). They bind beside the global ones, nothing derives from them, and instead of off there is tokenctl limits unset KEY --ai-type TYPE.`,
  },
  {
    title: 'Profiles (tokenctl limits apply --profile NAME)',
    rows: Object.entries(PROFILES).map(([name, settings]) => [name, profileText(settings)]),
  },
];

function profileText(settings: object): string {
  const pairs = Object.entries(settings).map(([key, value]) => `${key}=${String(value)}`);
  return pairs.length === 0 ? 'takes every global setting back' : pairs.join(', ');
}
