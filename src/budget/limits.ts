import { divideRounded } from './tokens.ts';

/**
 * The limits, their defaults and how each derives from the others. The defaults are the product's
 * specification; docs/rules.md has them as a table.
 */

/** A limit in force; null where it is off. */
export type Limit = number | null;

/** What an operator may set: an amount, `off`, or a share ('15%') where the key accepts one. */
export type SettingValue = number | 'off' | `${number}%`;

export interface LimitKeyRule {
  readonly unit: 'tokens' | 'requests' | 'percent' | 'seconds';
  /** Accepts `N%`: of the enforced monthly limit, or of `request` for criticalRequest. */
  readonly share?: 'enforcedMonthly' | 'request';
  /** Accepts `off`. */
  readonly off: boolean;
  readonly max: number;
  readonly about: string;
}

const MOST = 1_000_000_000_000;

/** Every key that `limits set` knows, in the order in which it is shown. */
export const LIMIT_KEYS = {
  monthly: { unit: 'tokens', off: true, max: MOST, about: 'tokens a month' },
  enforcedShare: {
    unit: 'percent',
    off: false,
    max: 100,
    about: 'share of monthly that is enforced',
  },
  enforcedMonthly: {
    unit: 'tokens',
    off: true,
    max: MOST,
    about: 'pins the enforced monthly limit instead of the share',
  },
  daily: { unit: 'tokens', share: 'enforcedMonthly', off: true, max: MOST, about: 'tokens a day' },
  hourly: {
    unit: 'tokens',
    share: 'enforcedMonthly',
    off: true,
    max: MOST,
    about: 'tokens an hour',
  },
  request: { unit: 'tokens', off: true, max: MOST, about: 'tokens a request' },
  requestsPerMinute: {
    unit: 'requests',
    off: true,
    max: 1_000_000,
    about: 'requests in any 60 seconds',
  },
  requestsPerDay: { unit: 'requests', off: true, max: MOST, about: 'requests a UTC day' },
  tokensPerRequest: {
    unit: 'tokens',
    off: true,
    max: MOST,
    about: "the provider's ceiling for one request",
  },
  warning: { unit: 'percent', off: true, max: 100, about: 'level warning, of enforced monthly' },
  critical: { unit: 'percent', off: true, max: 100, about: 'level critical, of enforced monthly' },
  emergency: {
    unit: 'percent',
    off: true,
    max: 100,
    about: 'level emergency, of enforced monthly: everything is denied',
  },
  criticalRequest: {
    unit: 'tokens',
    share: 'request',
    off: true,
    max: MOST,
    about: 'tokens a request while the level is critical',
  },
  reservationTtl: {
    unit: 'seconds',
    off: false,
    max: 2_678_400,
    about: 'how long a reservation is held before it is charged in full',
  },
} as const satisfies Record<string, LimitKeyRule>;

export type LimitKey = keyof typeof LIMIT_KEYS;

/** The keys that an AI type may have for itself, beside the global ones. */
export const AI_TYPE_LIMIT_KEYS = ['monthly', 'daily', 'hourly', 'request'] as const;
export type AiTypeLimitKey = (typeof AI_TYPE_LIMIT_KEYS)[number];

/** What operators set: only what differs from the defaults. This is what a revision stores. */
export interface Settings {
  readonly global: Readonly<Partial<Record<LimitKey, SettingValue>>>;
  readonly aiTypes: Readonly<Record<string, Readonly<Partial<Record<AiTypeLimitKey, number>>>>>;
}

export const NO_SETTINGS: Settings = { global: {}, aiTypes: {} };

export interface ScopeLimits {
  readonly monthly: Limit;
  readonly daily: Limit;
  readonly hourly: Limit;
  readonly request: Limit;
}

/** The limits in force, in tokens, requests, percent and seconds. */
export interface Limits {
  readonly monthly: Limit;
  readonly enforcedMonthly: Limit;
  readonly daily: Limit;
  readonly hourly: Limit;
  readonly request: Limit;
  readonly requestsPerMinute: Limit;
  readonly requestsPerDay: Limit;
  readonly tokensPerRequest: Limit;
  readonly criticalRequest: Limit;
  readonly warningAt: Limit;
  readonly criticalAt: Limit;
  readonly emergencyAt: Limit;
  readonly enforcedShare: number;
  readonly warning: Limit;
  readonly critical: Limit;
  readonly emergency: Limit;
  readonly reservationTtl: number;
  readonly aiTypes: Readonly<Record<string, ScopeLimits>>;
}

/** Where a limit comes from, and the arithmetic that gave it. */
export interface Derivation {
  readonly source: 'default' | 'set' | 'derived';
  readonly formula: string;
}

export interface ResolvedLimits {
  readonly limits: Limits;
  readonly derivations: Readonly<Record<string, Derivation>>;
}

/** The specification's defaults for what is not derived. */
const DEFAULTS = {
  monthly: 200_000,
  enforcedShare: 70,
  request: 1_000,
  requestsPerMinute: 42,
  requestsPerDay: 3_400,
  tokensPerRequest: 17_000,
  warning: 80,
  critical: 95,
  emergency: 98,
  criticalRequest: 25,
  reservationTtl: 600,
} as const;

const DEFAULT_NOTES: Partial<Record<LimitKey, string>> = {
  requestsPerMinute: "85 % of the provider's 50",
  requestsPerDay: "85 % of the provider's 4000",
  tokensPerRequest: "85 % of the provider's 20000",
};

/**
 * Puts the operator's settings over the defaults. Derived limits round to the nearest token,
 * threshold amounts up. Expects settings that `checkSettings` accepts.
 */
export function resolveLimits(settings: Settings): ResolvedLimits {
  const set = settings.global;
  const derivations: Record<string, Derivation> = {};

  const plain = (key: keyof typeof DEFAULTS & LimitKey): Limit => {
    const value = set[key];
    if (value === undefined) {
      derivations[key] = { source: 'default', formula: DEFAULT_NOTES[key] ?? 'default' };
      return DEFAULTS[key];
    }
    derivations[key] = { source: 'set', formula: String(value) };
    return value === 'off' ? null : Number.parseInt(String(value), 10);
  };
  const derived = (key: string, value: Limit, formula: string): Limit => {
    derivations[key] = { source: 'derived', formula };
    return value;
  };
  /** What is set (an amount, `off`, or a share of `base`), else `formula`'s value. */
  const amount = (
    key: LimitKey,
    base: Limit,
    baseName: string,
    value: Limit,
    formula: string,
  ): Limit => {
    const given = set[key];
    if (given === undefined) return derived(key, value, formula);
    const share = shareOf(given);
    derivations[key] = {
      source: 'set',
      formula: share === null ? String(given) : `${String(share)} % of ${baseName}`,
    };
    if (share !== null) return base === null ? null : divideRounded(base * share, 100);
    return given === 'off' ? null : Number(given);
  };
  const threshold = (key: 'warning' | 'critical' | 'emergency', enforced: Limit): Limit => {
    const percent = plain(key);
    const amount =
      percent === null || enforced === null ? null : Math.ceil((enforced * percent) / 100);
    derived(
      `${key}At`,
      amount,
      percent === null ? `${key} is off` : `${String(percent)} % of enforcedMonthly`,
    );
    return amount;
  };

  const monthly = plain('monthly');
  const enforcedShare = plain('enforcedShare') ?? DEFAULTS.enforcedShare;
  const enforcedMonthly = amount(
    'enforcedMonthly',
    null,
    '',
    monthly === null ? null : divideRounded(monthly * enforcedShare, 100),
    `${String(enforcedShare)} % of monthly`,
  );
  const daily = amount(
    'daily',
    enforcedMonthly,
    'enforcedMonthly',
    enforcedMonthly === null ? null : divideRounded(enforcedMonthly, 30),
    'enforcedMonthly / 30',
  );
  const hourly = amount(
    'hourly',
    enforcedMonthly,
    'enforcedMonthly',
    daily === null ? null : divideRounded(daily, 24),
    'daily / 24',
  );
  const request = plain('request');
  const tokensPerRequest = plain('tokensPerRequest');
  const largest = request ?? tokensPerRequest;
  const largestName = request === null ? 'tokensPerRequest' : 'request';
  const criticalRequest = amount(
    'criticalRequest',
    largest,
    largestName,
    largest === null ? null : divideRounded(largest * DEFAULTS.criticalRequest, 100),
    `${String(DEFAULTS.criticalRequest)} % of ${largestName}`,
  );

  const limits: Limits = {
    monthly,
    enforcedMonthly,
    daily,
    hourly,
    request,
    requestsPerMinute: plain('requestsPerMinute'),
    requestsPerDay: plain('requestsPerDay'),
    tokensPerRequest,
    criticalRequest,
    warningAt: threshold('warning', enforcedMonthly),
    criticalAt: threshold('critical', enforcedMonthly),
    emergencyAt: threshold('emergency', enforcedMonthly),
    enforcedShare,
    warning: percentOf(set.warning, DEFAULTS.warning),
    critical: percentOf(set.critical, DEFAULTS.critical),
    emergency: percentOf(set.emergency, DEFAULTS.emergency),
    reservationTtl: plain('reservationTtl') ?? DEFAULTS.reservationTtl,
    aiTypes: Object.fromEntries(
      Object.entries(settings.aiTypes).map(([aiType, own]) => [
        aiType,
        {
          monthly: own.monthly ?? null,
          daily: own.daily ?? null,
          hourly: own.hourly ?? null,
          request: own.request ?? null,
        },
      ]),
    ),
  };
  return { limits, derivations };
}

/**
 * The limits that an AI type has for itself; null when it has none. Only this may look a name up:
 * `constructor` is a valid name, and on a plain object also a property.
 */
export function ownLimits(limits: Limits, aiType: string): ScopeLimits | null {
  return Object.hasOwn(limits.aiTypes, aiType) ? (limits.aiTypes[aiType] ?? null) : null;
}

/** The share of '15%', else null. */
export function shareOf(value: SettingValue): number | null {
  return typeof value === 'string' && value.endsWith('%') ? Number.parseInt(value, 10) : null;
}

function percentOf(value: SettingValue | undefined, otherwise: number): Limit {
  if (value === undefined) return otherwise;
  return value === 'off' ? null : Number.parseInt(String(value), 10);
}
