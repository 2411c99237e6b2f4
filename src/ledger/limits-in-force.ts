import {
  NO_SETTINGS,
  resolveLimits,
  type ResolvedLimits,
  type Settings,
} from '../budget/limits.ts';
import { parseSettings } from '../budget/settings.ts';
import type { StoredRevision } from './port.ts';

export interface LimitsInForce extends ResolvedLimits {
  /** 0 where the database has no revision yet: then the defaults hold. */
  readonly revision: number;
  readonly settings: Settings;
}

/**
 * Reads the newest revision, anew only when it changed: every decision asks. In a backup that was put in
 * the database's place the same number may be another change.
 */
export function limitsReader(): (stored: StoredRevision | null) => LimitsInForce {
  let last: { readonly text: string | null; readonly limits: LimitsInForce } | null = null;
  return (stored) => {
    const revision = stored?.revision ?? 0;
    const text = stored?.settings ?? null;
    if (last?.text === text && last.limits.revision === revision) return last.limits;
    const settings = text === null ? NO_SETTINGS : parseSettings(text);
    last = { text, limits: { revision, settings, ...resolveLimits(settings) } };
    return last.limits;
  };
}
