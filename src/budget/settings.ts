import { parseAiType } from './ai-type.ts';
import { closest } from './closest.ts';
import { invalidInput, TokenctlError } from './errors.ts';
import {
  AI_TYPE_LIMIT_KEYS,
  LIMIT_KEYS,
  resolveLimits,
  type AiTypeLimitKey,
  type LimitKey,
  type LimitKeyRule,
  type Settings,
  type SettingValue,
} from './limits.ts';
import { parseCount, requireCount } from './tokens.ts';

/** Changes of limits: parsing what an operator typed, and checking that the result makes sense. */

/** Named sets of limits. `paced` lets a request of the default size pass: a day holds 15 %, an hour 2 %. */
export const PROFILES: Readonly<Record<string, Settings['global']>> = {
  default: {},
  paced: { daily: '15%', hourly: '2%' },
};

/** One change: a value to set, or null to take the setting back. */
export interface SettingChange {
  readonly aiType: string | null;
  readonly key: LimitKey;
  readonly value: SettingValue | null;
}

/** Reads `hourly=2800`, `hourly=2%`, `hourly=off`. @throws invalid_input naming the key */
export function parseAssignment(text: string, aiType: string | null): SettingChange {
  const equals = text.indexOf('=');
  if (equals < 1) {
    throw invalidInput(text, 'must be KEY=VALUE', 'for example: tokenctl limits set hourly=2800');
  }
  return parseSetting(text.slice(0, equals), text.slice(equals + 1), aiType);
}

/**
 * Reads a key and its value, as an operator or a file spells them.
 * @param under what the key is a field of, for the message
 * @throws invalid_input naming the key
 */
export function parseSetting(
  key: string,
  value: string,
  aiType: string | null,
  under = '',
): SettingChange {
  const known = parseKey(key.trim(), aiType, under);
  return { aiType, key: known, value: parseValue(known, value.trim(), aiType, under) };
}

/** The key that an operator named, in any case. @throws invalid_input listing the keys */
export function parseKey(text: string, aiType: string | null, under = ''): LimitKey {
  const keys: readonly string[] = aiType === null ? Object.keys(LIMIT_KEYS) : AI_TYPE_LIMIT_KEYS;
  const found = keys.find((key) => key.toLowerCase() === text.toLowerCase());
  if (found === undefined) {
    const meant = closest(text, keys);
    throw invalidInput(
      under + text,
      aiType === null ? 'is no limit' : 'is no limit that an AI type can have',
      `${meant === null ? '' : `did you mean ${meant}? `}the keys are: ${keys.join(', ')}`,
    );
  }
  return found as LimitKey;
}

function parseValue(key: LimitKey, text: string, aiType: string | null, under = ''): SettingValue {
  const rule: LimitKeyRule = LIMIT_KEYS[key];
  const field = under + key;
  const accepted = `it takes ${acceptedValues(rule, aiType)}`;
  if (text.toLowerCase() === 'off') {
    if (aiType !== null) {
      throw invalidInput(
        field,
        'off is for global limits',
        `tokenctl limits unset ${key} --ai-type ${aiType}`,
      );
    }
    if (!rule.off) throw invalidInput(field, "can't be off", accepted);
    return 'off';
  }
  if (!text.endsWith('%')) return parseCount(field, text, minimumOf(rule), rule.max, accepted);
  if (rule.unit !== 'percent' && (rule.share === undefined || aiType !== null)) {
    throw invalidInput(field, `must be an amount of ${rule.unit}, not ${text}`, accepted);
  }
  if (!/^-?\d[\d_,]*(\.\d+)?\s*%$/.test(text)) {
    throw invalidInput(field, `must be N%, not "${text}"`, accepted);
  }
  const [least, most] = rule.unit === 'percent' ? [1, 100] : [0, 100];
  const percent = parseCount(field, text.slice(0, -1), least, most, accepted);
  return rule.unit === 'percent' ? percent : `${percent}%`;
}

/** What a limit may be set to, global or of an AI type: `a whole number of tokens, N% of enforcedMonthly or off` */
export function acceptedValues(
  { unit, share, off, max }: LimitKeyRule,
  aiType: string | null = null,
): string {
  const amount = unit === 'percent' ? `1 to ${String(max)} %` : `a whole number of ${unit}`;
  if (aiType !== null) return amount;
  return `${amount}${share === undefined ? '' : `, N% of ${share}`}${off ? ' or off' : ''}`;
}

function minimumOf(rule: LimitKeyRule): number {
  return rule.unit === 'tokens' || rule.unit === 'requests' ? 0 : 1;
}

/** The settings after some changes. @throws invalid_input when the result contradicts itself */
export function applyChanges(settings: Settings, changes: readonly SettingChange[]): Settings {
  const global = { ...settings.global };
  const aiTypes: Record<string, Partial<Record<AiTypeLimitKey, number>>> = Object.fromEntries(
    Object.entries(settings.aiTypes).map(([name, own]) => [name, { ...own }]),
  );
  for (const { aiType, key, value } of changes) {
    if (aiType === null) {
      if (value === null) Reflect.deleteProperty(global, key);
      else global[key] = value;
      continue;
    }
    const own = Object.hasOwn(aiTypes, aiType) ? (aiTypes[aiType] ?? {}) : {};
    aiTypes[aiType] = own;
    if (value === null) Reflect.deleteProperty(own, key);
    else own[key as AiTypeLimitKey] = Number(value);
    if (Object.keys(own).length === 0) Reflect.deleteProperty(aiTypes, aiType);
  }
  const changed: Settings = { global, aiTypes };
  checkSettings(changed);
  return changed;
}

/** A profile's settings; the AI types' own limits stay. @throws invalid_input for an unknown name */
export function applyProfile(settings: Settings, name: string): Settings {
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined;
  if (profile === undefined) {
    throw invalidInput(
      '--profile',
      `"${name}" is no profile`,
      `the profiles are: ${Object.keys(PROFILES).join(', ')}`,
    );
  }
  const changed: Settings = {
    global: name === 'default' ? {} : { ...settings.global, ...profile },
    aiTypes: settings.aiTypes,
  };
  checkSettings(changed);
  return changed;
}

/** @throws invalid_input when an enforced limit lies above the monthly one, or thresholds are out of order */
export function checkSettings(settings: Settings): void {
  const { limits } = resolveLimits(settings);
  const { monthly, enforcedMonthly } = limits;
  if (monthly !== null && enforcedMonthly !== null && enforcedMonthly > monthly) {
    throw invalidInput(
      'enforcedMonthly',
      `${String(enforcedMonthly)} is above monthly (${String(monthly)})`,
      'lower enforcedMonthly, or raise monthly first',
    );
  }
  let previous: { key: string; percent: number } | null = null;
  for (const key of ['warning', 'critical', 'emergency'] as const) {
    const percent = limits[key];
    if (percent === null) continue;
    if (previous !== null && percent <= previous.percent) {
      throw invalidInput(
        key,
        `${String(percent)} % is not above ${previous.key} (${String(previous.percent)} %)`,
        'thresholds ascend: warning < critical < emergency ≤ 100 %',
      );
    }
    previous = { key, percent };
  }
}

/**
 * Reads a revision's JSON. Unknown keys are refused, so that an older binary never ignores a limit.
 * @throws database_newer when any of it can't be read
 */
export function parseSettings(json: string): Settings {
  try {
    return readSettings(JSON.parse(json));
  } catch (error) {
    const what =
      error instanceof SyntaxError
        ? 'not JSON'
        : error instanceof TokenctlError
          ? error.message
          : null;
    if (what === null) throw error;
    throw new TokenctlError('database_newer', `the limits in the database can't be read: ${what}`, {
      fix: 'use the tokenctl version that wrote them, or a newer one',
      cause: error,
    });
  }
}

function readSettings(raw: unknown): Settings {
  if (!isRecord(raw) || !isRecord(raw['global']) || !isRecord(raw['aiTypes'])) {
    throw invalidInput('settings', 'not a settings document');
  }
  const global: Partial<Record<LimitKey, SettingValue>> = {};
  for (const [key, value] of Object.entries(raw['global'])) {
    if (!Object.hasOwn(LIMIT_KEYS, key)) throw invalidInput(key, 'unknown limit');
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw invalidInput(key, 'no amount');
    }
    global[key as LimitKey] = parseValue(key as LimitKey, String(value), null);
  }
  const aiTypes: Record<string, Partial<Record<AiTypeLimitKey, number>>> = {};
  for (const [name, own] of Object.entries(raw['aiTypes'])) {
    if (!isRecord(own)) throw invalidInput(name, 'no limits');
    const limits: Partial<Record<AiTypeLimitKey, number>> = {};
    for (const [key, value] of Object.entries(own)) {
      if (!(AI_TYPE_LIMIT_KEYS as readonly string[]).includes(key)) {
        throw invalidInput(`${key} of ${name}`, 'unknown limit');
      }
      limits[key as AiTypeLimitKey] = requireCount(key, value);
    }
    aiTypes[parseAiType(name)] = limits;
  }
  return { global, aiTypes };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
