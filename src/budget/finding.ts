import type { Limit } from './limits.ts';

type Key = 'monthly' | 'daily' | 'hourly';
type Window = 'month' | 'day' | 'hour';
type ScopeRule = `${Key}_below_request` | `${Key}_above_${Key}` | `${Window}s_below_${Window}`;

export type FindingCode =
  | ScopeRule
  | `ai_type_${ScopeRule}`
  | `ai_type_${Key | 'request'}_above_global`
  | 'request_above_provider_ceiling'
  | 'provider_ceiling_above_request'
  | 'critical_request_above_request'
  | 'minute_rate_above_daily_rate'
  | 'minute_rate_below_daily_rate'
  | 'enforced_share_ignored'
  | 'no_ceiling';

/** One contradiction between limits, as data. */
export interface Finding {
  readonly code: FindingCode;
  /** 'global' or an AI type. */
  readonly scope: string;
  /** Only a problem keeps requests or limits from working as they read. */
  readonly severity: 'problem' | 'note';
  /** One line, with the numbers. */
  readonly message: string;
  /** A command after which the finding is gone; null where none would be sensible. */
  readonly fix: string | null;
}

/** The code of a rule that every scope has. */
export function scopeCode(scope: string, rule: ScopeRule): FindingCode {
  return scope === 'global' ? rule : `ai_type_${rule}`;
}

/** The command that sets a limit. None proposes 0: it would only move the denial elsewhere. */
export function setCommand(scope: string, key: string, value: Limit): string | null {
  const flag = scope === 'global' ? '' : ` --ai-type ${scope}`;
  return value === null || value === 0
    ? null
    : `tokenctl limits set ${key}=${String(value)}${flag}`;
}

/** Whether both are limits, and the first is the greater. */
export function exceeds(a: Limit, b: Limit): boolean {
  return a !== null && b !== null && a > b;
}
