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

/** Reads the newest revision, anew only when it changed: every decision asks. */
export function limitsReader(): (stored: StoredRevision | null) => LimitsInForce {
  let last: LimitsInForce | null = null;
  return (stored) => {
    const revision = stored?.revision ?? 0;
    if (last?.revision === revision) return last;
    const settings = stored === null ? NO_SETTINGS : parseSettings(stored.settings);
    last = { revision, settings, ...resolveLimits(settings) };
    return last;
  };
}
