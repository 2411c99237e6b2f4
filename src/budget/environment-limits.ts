import { invalidInput, TokenctlError } from './errors.ts';
import { resolveLimits, type LimitKey, type Settings, type SettingValue } from './limits.ts';
import { checkSettings } from './settings.ts';
import { parseCount } from './tokens.ts';

/**
 * Limits by the specification's environment names. They set a new database's first revision; later
 * they are only compared with the revision in force, and `limits apply --env` applies them.
 */

const AMOUNTS = {
  GLOBAL_MONTHLY_LIMIT: 'monthly',
  ENFORCED_GLOBAL_LIMIT: 'enforcedMonthly',
} as const satisfies Record<string, LimitKey>;

const THRESHOLDS = {
  WARNING_THRESHOLD: 'warning',
  CRITICAL_THRESHOLD: 'critical',
  EMERGENCY_SHUTDOWN_THRESHOLD: 'emergency',
} as const satisfies Record<string, LimitKey>;

/** The limit that each environment name sets. */
export const LIMIT_OF_VARIABLE: Readonly<Record<string, LimitKey>> = { ...AMOUNTS, ...THRESHOLDS };

/** Every environment name that sets a limit. */
export const LIMIT_ENVIRONMENT_NAMES: readonly string[] = Object.keys(LIMIT_OF_VARIABLE);

/**
 * The settings that an environment asks for, or null where it names no limit. A threshold may be
 * a percentage (`80`, `80%`), a fraction (`0.8`), or an amount of tokens (`112_000`) that is a whole
 * percentage of the enforced limit.
 * @throws invalid_input naming the variable
 */
export function settingsFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Settings | null {
  const global: Partial<Record<LimitKey, SettingValue>> = {};
  for (const [name, key] of Object.entries(AMOUNTS)) {
    const text = environment[name]?.trim();
    if (text !== undefined && text !== '') global[key] = parseCount(name, text);
  }
  const enforced = resolveLimits({ global, aiTypes: {} }).limits.enforcedMonthly;
  for (const [name, key] of Object.entries(THRESHOLDS)) {
    const text = environment[name]?.trim();
    if (text !== undefined && text !== '') global[key] = parseThreshold(name, text, enforced);
  }
  if (Object.keys(global).length === 0) return null;
  const settings: Settings = { global, aiTypes: {} };
  try {
    checkSettings(settings);
  } catch (error) {
    if (!(error instanceof TokenctlError)) throw error;
    const named = LIMIT_ENVIRONMENT_NAMES.filter(
      (name) => (environment[name]?.trim() ?? '') !== '',
    );
    throw invalidInput(named.join(', '), error.message, error.fix ?? undefined);
  }
  return settings;
}

function parseThreshold(name: string, text: string, enforced: number | null): number {
  const fraction = /^0?\.(\d{1,2})$/.exec(text)?.[1];
  if (fraction !== undefined) return parseCount(name, fraction.padEnd(2, '0'), 1, 100);
  if (/^1(\.0+)?$/.test(text)) return 100;
  if (text.endsWith('%')) return parseCount(name, text.slice(0, -1), 1, 100);
  const value = parseCount(name, text, 1);
  if (value <= 100) return value;
  const percent = enforced === null || enforced === 0 ? 101 : (value * 100) / enforced;
  if (percent > 100) {
    throw invalidInput(name, `${text} is above 100 % of the enforced monthly limit`);
  }
  if (!Number.isInteger(percent)) {
    throw invalidInput(
      name,
      `${text} is no whole percentage of the enforced monthly limit (${String(enforced)})`,
      'write it as a percentage, for example 80%',
    );
  }
  return percent;
}

/** How the environment differs from the limits in force, a line each; empty where it agrees. */
export function environmentDrift(wanted: Settings, inForce: Settings): string[] {
  const now = resolveLimits(inForce).limits;
  const then = resolveLimits({
    global: { ...inForce.global, ...wanted.global },
    aiTypes: inForce.aiTypes,
  }).limits;
  return Object.entries(LIMIT_OF_VARIABLE).flatMap(([name, key]) => {
    if (wanted.global[key] === undefined) return [];
    const inForceValue = now[key as 'monthly'];
    const wantedValue = then[key as 'monthly'];
    return inForceValue === wantedValue
      ? []
      : [`${name} asks for ${String(wantedValue)}, in force is ${String(inForceValue ?? 'off')}`];
  });
}
