import type { Reason as WordedReason } from '../../src/budget/verdict.ts';
import { startsOf, type Count } from './model-counts.ts';
import type { ModelLimits } from './model-limits.ts';

/** The admission rules, written a second time from docs/rules.md: one rule after the other. */

/** A broken rule without its words. */
export type Reason = Omit<WordedReason, 'message' | 'fix'>;

export interface Judged {
  readonly tokens: number;
  readonly largestItem: number;
  readonly items: number;
}

export interface Recent {
  readonly atMs: number;
  readonly items: number;
}

/** What is counted when the request is judged. */
export interface Counted {
  readonly nowMs: number;
  readonly limits: ModelLimits;
  readonly aiType: string;
  readonly window: (scope: 'global' | 'own', start: string) => Count;
  /** The newest requests of the last 60 s, as many as the limit, oldest first. */
  readonly recent: readonly Recent[];
}

const KINDS = ['month', 'day', 'hour'] as const;
const MINUTE_MS = 60_000;
const MOST = 1_000_000_000_000;

export function levelOf(tokens: number, limits: ModelLimits): string {
  const reached = (at: number | null): boolean => at !== null && tokens >= at;
  if (reached(limits.emergencyAt)) return 'emergency';
  if (reached(limits.criticalAt)) return 'critical';
  return reached(limits.warningAt) ? 'warning' : 'ok';
}

/** Every rule that the request breaks. */
export function brokenRules(counted: Counted, request: Judged): Reason[] {
  const { limits, aiType, nowMs } = counted;
  const reasons: Reason[] = [];
  const starts = startsOf(nowMs);
  const month = counted.window('global', starts[0]);
  const level = levelOf(month.used + month.held, limits);
  const own = limits.aiTypes.get(aiType);

  if (level === 'emergency') {
    const canEverPass = limits.emergencyAt !== 0;
    reasons.push({
      code: 'emergency_shutdown',
      scope: 'global',
      window: 'month',
      limit: limits.emergencyAt,
      used: month.used,
      held: month.held,
      requested: request.tokens,
      canEverPass,
      retryAt: canEverPass ? endOf('month', starts[0]) : null,
    });
  }
  const tooLarge = (code: Reason['code'], scope: string, limit: number | null): void => {
    if (limit === null || request.largestItem <= limit) return;
    reasons.push({
      code,
      scope,
      window: null,
      limit,
      used: null,
      held: null,
      requested: request.largestItem,
      canEverPass: false,
      retryAt: null,
    });
  };
  tooLarge('request_too_large', 'global', limits.request);
  tooLarge('request_too_large', aiType, own?.request ?? null);
  tooLarge('provider_request_too_large', 'global', limits.tokensPerRequest);
  const small = limits.criticalRequest;
  if (level === 'critical' && small !== null && request.largestItem > small) {
    reasons.push({
      code: 'critical_restricts_large',
      scope: 'global',
      window: 'month',
      limit: small,
      used: month.used,
      held: month.held,
      requested: request.largestItem,
      canEverPass: true,
      retryAt: endOf('month', starts[0]),
    });
  }
  for (const [scope, kind, limit, start] of windowLimits(limits, aiType, starts)) {
    const { used, held } = counted.window(scope, start);
    if (limit === null || used + held + request.tokens <= limit) continue;
    const canEverPass = request.tokens <= limit;
    reasons.push({
      code: 'window_exceeded',
      scope: scope === 'own' ? aiType : 'global',
      window: kind,
      limit,
      used,
      held,
      requested: request.tokens,
      canEverPass,
      retryAt: canEverPass ? endOf(kind, start) : null,
    });
  }
  const tooMany = (
    window: 'minute' | 'day',
    limit: number | null,
    used: number,
    retryAt: () => string,
  ): void => {
    if (limit === null || used + request.items <= limit) return;
    const canEverPass = request.items <= limit;
    reasons.push({
      code: 'rate_exceeded',
      scope: 'global',
      window,
      limit,
      used,
      held: 0,
      requested: request.items,
      canEverPass,
      retryAt: canEverPass ? retryAt() : null,
    });
  };
  tooMany('minute', limits.perMinute, itemsOf(counted.recent), () =>
    new Date(minuteFreesAtMs(counted, request.items)).toISOString(),
  );
  tooMany('day', limits.perDay, counted.window('global', starts[1]).requests, () =>
    endOf('day', starts[1]),
  );
  return reasons;
}

/** The greatest estimate of one request that breaks no rule; 0 when none does. */
export function largestAdmissible(counted: Counted): number {
  const { limits, aiType, nowMs } = counted;
  if (brokenRules(counted, { tokens: 0, largestItem: 0, items: 1 }).some(isNoMatterOfSize))
    return 0;
  const starts = startsOf(nowMs);
  const month = counted.window('global', starts[0]);
  const critical = levelOf(month.used + month.held, limits) === 'critical';
  const bounds = [
    MOST,
    limits.request,
    limits.tokensPerRequest,
    limits.aiTypes.get(aiType)?.request ?? null,
    critical ? limits.criticalRequest : null,
    ...windowLimits(limits, aiType, starts).map(([scope, , limit, start]) => {
      const { used, held } = counted.window(scope, start);
      return limit === null ? null : limit - used - held;
    }),
  ];
  return Math.max(0, Math.min(...bounds.filter((bound) => bound !== null)));
}

function isNoMatterOfSize({ code }: Reason): boolean {
  return code === 'emergency_shutdown' || code === 'rate_exceeded';
}

export function itemsOf(recent: readonly Recent[]): number {
  return recent.reduce((sum, { items }) => sum + items, 0);
}

/** When so many of the recent requests are 60 s old that `items` more fit. */
function minuteFreesAtMs({ recent, limits, nowMs }: Counted, items: number): number {
  let over = itemsOf(recent) + items - (limits.perMinute ?? 0);
  for (const request of recent) {
    over -= request.items;
    if (over <= 0) return request.atMs + MINUTE_MS;
  }
  return nowMs + MINUTE_MS;
}

function windowLimits(
  limits: ModelLimits,
  aiType: string,
  starts: readonly string[],
): ['global' | 'own', (typeof KINDS)[number], number | null, string][] {
  const own = limits.aiTypes.get(aiType);
  return KINDS.flatMap((kind, index) => [
    ['global', kind, limits[kind], starts[index]!] as const,
    ['own', kind, own?.[kind] ?? null, starts[index]!] as const,
  ]).map((entry) => [...entry]);
}

/** The first instant after a window. */
function endOf(kind: (typeof KINDS)[number], start: string): string {
  const full = { month: `${start}-01T00:00`, day: `${start}T00:00`, hour: `${start}:00` }[kind];
  const end = new Date(`${full}:00.000Z`);
  if (kind === 'month') end.setUTCMonth(end.getUTCMonth() + 1);
  if (kind === 'day') end.setUTCDate(end.getUTCDate() + 1);
  if (kind === 'hour') end.setUTCHours(end.getUTCHours() + 1);
  return end.toISOString();
}

/** When all of the reasons are gone; null when one never goes. */
export function retryAt(reasons: readonly Reason[]): string | null {
  if (reasons.some(({ canEverPass }) => !canEverPass)) return null;
  return (
    reasons
      .map((reason) => reason.retryAt ?? '')
      .toSorted()
      .at(-1) ?? null
  );
}
