import { levelAt, type Level } from './levels.ts';
import { ownLimits, resolveLimits, type Limit, type Limits, type ScopeLimits } from './limits.ts';
import { PROFILES } from './settings.ts';
import { count, limitText, MAX_TOKENS } from './tokens.ts';
import type { Estimate, Reason } from './verdict.ts';
import { isoTime, WINDOW_KINDS, windowAt, type WindowKind } from './windows.ts';

/**
 * The one decision of the product, as a pure function: every path (command line, library, API,
 * gateway) ends in it. The rules are those of docs/rules.md, all judged at once.
 */

/** Tokens in one window of one scope. */
export interface WindowCount {
  readonly used: number;
  readonly held: number;
}

export type ScopeCounts = Readonly<Record<WindowKind, WindowCount>>;

export interface RecentRequest {
  readonly atMs: number;
  /** How many requests it stands for. */
  readonly items: number;
}

/** What the ledger counted, at the instant of the decision. */
export interface Counters {
  readonly global: ScopeCounts;
  /** The counts of the AI type that asks. */
  readonly aiType: ScopeCounts;
  /** The newest requests of the last 60 s, oldest first; at least as many as the minute's limit. */
  readonly recent: readonly RecentRequest[];
  /** Requests of the UTC day, whatever was reset. */
  readonly requestsToday: number;
}

export interface AdmissionRequest {
  readonly aiType: string;
  readonly estimate: Estimate;
  /** How many requests it stands for (a batch reserves once); ≥ 1. */
  readonly items: number;
  /** The largest single request in it, in tokens; the estimate's total unless it is a batch. */
  readonly largestItem: number;
}

export interface Decision {
  readonly admitted: boolean;
  readonly level: Level;
  readonly reasons: readonly Reason[];
  readonly retryAt: string | null;
  readonly largestAdmissible: number;
}

const MINUTE_MS = 60_000;
const LIMIT_OF_WINDOW = { month: 'monthly', day: 'daily', hour: 'hourly' } as const;

/** Judges one request against every rule, all or nothing. A denial lists all the rules that it broke. */
export function decide(
  limits: Limits,
  counters: Counters,
  request: AdmissionRequest,
  nowMs: number,
): Decision {
  const level = levelAt(counters.global.month.used + counters.global.month.held, limits);
  const reasons = [
    ...levelReasons(limits, counters, request, level, nowMs),
    ...sizeReasons(limits, request),
    ...windowReasons(limits, counters, request, nowMs),
    ...rateReasons(limits, counters, request, nowMs),
  ];
  return {
    admitted: reasons.length === 0,
    level,
    reasons,
    retryAt: retryOf(reasons),
    largestAdmissible: largestAdmissible(limits, counters, request.aiType, nowMs),
  };
}

/** The greatest estimate of a single request that passes every rule now; 0 when none does. */
export function largestAdmissible(
  limits: Limits,
  counters: Counters,
  aiType: string | null,
  nowMs: number,
): number {
  const level = levelAt(counters.global.month.used + counters.global.month.held, limits);
  if (level === 'emergency' || !ratesAllow(limits, counters, 1, nowMs)) return 0;
  let largest = MAX_TOKENS;
  const cap = (limit: Limit, taken: number): void => {
    if (limit !== null) largest = Math.min(largest, limit - taken);
  };
  cap(limits.request, 0);
  cap(limits.tokensPerRequest, 0);
  if (level === 'critical') cap(limits.criticalRequest, 0);
  for (const { counts, own } of scopesOf(limits, counters, aiType)) {
    cap(own.request, 0);
    for (const kind of WINDOW_KINDS) {
      cap(own[LIMIT_OF_WINDOW[kind]], counts[kind].used + counts[kind].held);
    }
  }
  return Math.max(0, largest);
}

/** The limits that a scope's windows have: for global the enforced monthly one. */
export function globalScopeLimits(limits: Limits): ScopeLimits {
  return {
    monthly: limits.enforcedMonthly,
    daily: limits.daily,
    hourly: limits.hourly,
    request: limits.request,
  };
}

interface Scope {
  readonly name: string;
  readonly own: ScopeLimits;
  readonly counts: ScopeCounts;
}

function scopesOf(limits: Limits, counters: Counters, aiType: string | null): Scope[] {
  const scopes: Scope[] = [
    { name: 'global', own: globalScopeLimits(limits), counts: counters.global },
  ];
  const own = aiType === null ? null : ownLimits(limits, aiType);
  if (aiType !== null && own !== null) {
    scopes.push({ name: aiType, own, counts: counters.aiType });
  }
  return scopes;
}

function levelReasons(
  limits: Limits,
  counters: Counters,
  request: AdmissionRequest,
  level: Level,
  nowMs: number,
): Reason[] {
  const { used, held } = counters.global.month;
  const requested = request.estimate.total;
  if (level === 'emergency') {
    // An enforced limit of 0 is an emergency in every month.
    const canEverPass = limits.emergencyAt !== 0;
    return [
      {
        code: 'emergency_shutdown',
        scope: 'global',
        window: 'month',
        limit: limits.emergencyAt,
        used,
        held,
        requested,
        canEverPass,
        retryAt: canEverPass ? resetOf('month', nowMs) : null,
        message: `emergency: ${sum(used, held)} of the month's tokens reach ${limitText(limits.emergencyAt)} (${limitText(limits.emergency)} % of ${limitText(limits.enforcedMonthly)}), so every request is denied until the month resets`,
        fix: 'tokenctl limits set monthly=N, or tokenctl reset --window month --reason R',
      },
    ];
  }
  const largest = limits.criticalRequest;
  if (level === 'critical' && largest !== null && request.largestItem > largest) {
    return [
      {
        code: 'critical_restricts_large',
        scope: 'global',
        window: 'month',
        limit: largest,
        used,
        held,
        requested: request.largestItem,
        canEverPass: true,
        retryAt: resetOf('month', nowMs),
        message: `critical: ${sum(used, held)} of the month's tokens reach ${limitText(limits.criticalAt)}, so a request may have at most ${count(largest)} tokens, not ${count(request.largestItem)}`,
        fix: `send at most ${String(largest)} tokens, or tokenctl limits set criticalRequest=${String(request.largestItem)}`,
      },
    ];
  }
  return [];
}

function sizeReasons(limits: Limits, request: AdmissionRequest): Reason[] {
  const reason = (
    code: Reason['code'],
    scope: string,
    limit: Limit,
    what: string,
    fix: string,
  ): Reason[] =>
    limit === null || request.largestItem <= limit
      ? []
      : [
          {
            code,
            scope,
            window: null,
            limit,
            used: null,
            held: null,
            requested: request.largestItem,
            canEverPass: false,
            retryAt: null,
            message: `a request of ${count(request.largestItem)} tokens can never pass: ${what} is ${count(limit)}`,
            fix: `tokenctl limits set ${fix}`,
          },
        ];
  const size = String(request.largestItem);
  const own = ownLimits(limits, request.aiType)?.request ?? null;
  return [
    ...reason(
      'request_too_large',
      'global',
      limits.request,
      'the limit of a request',
      `request=${size}`,
    ),
    ...reason(
      'request_too_large',
      request.aiType,
      own,
      `${request.aiType}'s limit of a request`,
      `request=${size} --ai-type ${request.aiType}`,
    ),
    ...reason(
      'provider_request_too_large',
      'global',
      limits.tokensPerRequest,
      "the provider's ceiling for one request",
      `tokensPerRequest=${size}`,
    ),
  ];
}

function windowReasons(
  limits: Limits,
  counters: Counters,
  request: AdmissionRequest,
  nowMs: number,
): Reason[] {
  const requested = request.estimate.total;
  return scopesOf(limits, counters, request.aiType).flatMap(({ name, own, counts }) =>
    WINDOW_KINDS.flatMap((kind): Reason[] => {
      const key = LIMIT_OF_WINDOW[kind];
      const limit = own[key];
      const { used, held } = counts[kind];
      if (limit === null || used + held + requested <= limit) return [];
      const canEverPass = requested <= limit;
      const whose = name === 'global' ? `the ${key} limit` : `${name}'s ${key} limit`;
      return [
        {
          code: 'window_exceeded',
          scope: name,
          window: kind,
          limit,
          used,
          held,
          requested,
          canEverPass,
          retryAt: canEverPass ? resetOf(kind, nowMs) : null,
          message: canEverPass
            ? `${kind}: ${count(used)} used + ${count(held)} held + ${count(requested)} requested is above ${whose} of ${count(limit)}`
            : `${kind}: ${whose} of ${count(limit)} makes a request of ${count(requested)} tokens impossible`,
          fix: windowFix(limits, name, kind, requested, canEverPass),
        },
      ];
    }),
  );
}

/** What would let a request pass a window: waiting, the paced profile, or a higher limit. */
function windowFix(
  limits: Limits,
  scope: string,
  kind: WindowKind,
  requested: number,
  canEverPass: boolean,
): string {
  if (canEverPass) return `wait until the ${kind} resets, or raise the limit`;
  if (scope !== 'global') {
    const own = `${LIMIT_OF_WINDOW[kind]}=${String(requested)}`;
    return `tokenctl limits set ${own} --ai-type ${scope}`;
  }
  if (kind === 'month') return `tokenctl limits set ${monthAssignments(limits, requested)}`;
  if (requested <= pacedLimit(limits, kind)) return 'tokenctl limits apply --profile paced';
  return `tokenctl limits set ${LIMIT_OF_WINDOW[kind]}=${String(requested)}`;
}

/** Pins the enforced limit: `monthly` alone would leave a share of it, or a pin, below the request. */
function monthAssignments(limits: Limits, requested: number): string {
  const enforced = `enforcedMonthly=${String(requested)}`;
  return limits.monthly !== null && limits.monthly < requested
    ? `monthly=${String(requested)} ${enforced}`
    : enforced;
}

/** What the profile paced gives a day or an hour; 0 where it would leave them off. */
function pacedLimit(limits: Limits, kind: 'day' | 'hour'): number {
  const enforcedMonthly = limits.enforcedMonthly ?? 'off';
  const paced = resolveLimits({ global: { ...PROFILES['paced'], enforcedMonthly }, aiTypes: {} });
  return paced.limits[LIMIT_OF_WINDOW[kind]] ?? 0;
}

function rateReasons(
  limits: Limits,
  counters: Counters,
  request: AdmissionRequest,
  nowMs: number,
): Reason[] {
  const reasons: Reason[] = [];
  const add = (
    window: 'minute' | 'day',
    key: 'requestsPerMinute' | 'requestsPerDay',
    limit: number,
    used: number,
    retryAtMs: number,
  ): void => {
    const canEverPass = request.items <= limit;
    const per = window === 'minute' ? '60 seconds' : 'a UTC day';
    reasons.push({
      code: 'rate_exceeded',
      scope: 'global',
      window,
      limit,
      used,
      held: 0,
      requested: request.items,
      canEverPass,
      retryAt: canEverPass ? isoTime(retryAtMs) : null,
      message: `rate: ${count(used)} requests + ${count(request.items)} are above ${count(limit)} in ${per}`,
      fix: canEverPass
        ? `wait, or tokenctl limits set ${key}=N`
        : `tokenctl limits set ${key}=${String(request.items)}`,
    });
  };
  const perMinute = limits.requestsPerMinute;
  if (perMinute !== null) {
    const recent = recentItems(counters, nowMs);
    if (recent + request.items > perMinute) {
      const retryAtMs = minuteRetryAt(counters, request.items, perMinute, nowMs);
      add('minute', 'requestsPerMinute', perMinute, recent, retryAtMs);
    }
  }
  const perDay = limits.requestsPerDay;
  if (perDay !== null && counters.requestsToday + request.items > perDay) {
    add('day', 'requestsPerDay', perDay, counters.requestsToday, windowAt('day', nowMs).resetsAtMs);
  }
  return reasons;
}

function ratesAllow(limits: Limits, counters: Counters, items: number, nowMs: number): boolean {
  const { requestsPerMinute: perMinute, requestsPerDay: perDay } = limits;
  if (perMinute !== null && recentItems(counters, nowMs) + items > perMinute) return false;
  return perDay === null || counters.requestsToday + items <= perDay;
}

/** Requests in the 60 s before now: those at now − 60 s exactly have left. */
export function recentItems(counters: Pick<Counters, 'recent'>, nowMs: number): number {
  let total = 0;
  for (const { atMs, items } of counters.recent) if (atMs > nowMs - MINUTE_MS) total += items;
  return total;
}

/** When enough of the recent requests have left the 60 seconds for `items` more. */
export function minuteRetryAt(
  counters: Counters,
  items: number,
  limit: number,
  nowMs: number,
): number {
  let over = recentItems(counters, nowMs) + items - limit;
  for (const request of counters.recent) {
    if (request.atMs <= nowMs - MINUTE_MS) continue;
    over -= request.items;
    if (over <= 0) return request.atMs + MINUTE_MS;
  }
  return nowMs + MINUTE_MS;
}

/** When the window that holds an instant ends. */
function resetOf(kind: WindowKind, nowMs: number): string {
  return isoTime(windowAt(kind, nowMs).resetsAtMs);
}

function retryOf(reasons: readonly Reason[]): string | null {
  let latest: string | null = null;
  for (const { canEverPass, retryAt } of reasons) {
    if (!canEverPass) return null;
    if (retryAt !== null && (latest === null || retryAt > latest)) latest = retryAt;
  }
  return latest;
}

function sum(used: number, held: number): string {
  return held === 0 ? count(used) : `${count(used)} used + ${count(held)} held`;
}
