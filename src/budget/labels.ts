import { ownLimits, type Limit, type Limits } from './limits.ts';

/** The amounts by which a scope's month is labelled (active, warning, critical, limit_reached). */
export interface ScopeLabels {
  /** Null is the global scope: what holds for an AI type without a monthly limit of its own. */
  readonly aiType: string | null;
  readonly monthly: Limit;
  readonly warningAt: Limit;
  readonly criticalAt: Limit;
}

/** The labels of every scope that has a monthly limit of its own, the global one first. */
export function scopeLabels(limits: Limits): ScopeLabels[] {
  const labels = (aiType: string | null, monthly: Limit): ScopeLabels => {
    const at = (percent: Limit): Limit =>
      percent === null || monthly === null ? null : Math.ceil((monthly * percent) / 100);
    return { aiType, monthly, warningAt: at(limits.warning), criticalAt: at(limits.critical) };
  };
  return [
    labels(null, limits.enforcedMonthly),
    ...Object.keys(limits.aiTypes).flatMap((aiType) => {
      const monthly = ownLimits(limits, aiType)?.monthly ?? null;
      return monthly === null ? [] : [labels(aiType, monthly)];
    }),
  ];
}
