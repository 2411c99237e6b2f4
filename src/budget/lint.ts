import { exceeds, setCommand, type Finding } from './finding.ts';
import { ownLimits, resolveLimits, type Limit, type Limits, type Settings } from './limits.ts';
import { lintScope, type LintScope } from './lint-scope.ts';
import { applyProfile } from './settings.ts';
import { count, limitText } from './tokens.ts';

/** Contradictions between limits: one that can never bind, or that makes another unreachable. */

/** Every contradiction in the limits that some settings give. Expects settings that `checkSettings` accepts. */
export function lintLimits(settings: Settings): Finding[] {
  const { limits } = resolveLimits(settings);
  const ceiling = lower(limits.request, limits.tokensPerRequest);
  return [
    ...lintScope(globalScope(limits, ceiling)).map((finding) => paced(finding, settings)),
    ...lintRequest(limits),
    ...lintRates(limits),
    ...lintEnforcement(limits, settings),
    ...Object.keys(limits.aiTypes).flatMap((name) => lintAiType(name, limits, ceiling)),
  ];
}

function globalScope(limits: Limits, ceiling: Limit): LintScope {
  const { enforcedMonthly: monthly, daily, hourly } = limits;
  return { name: 'global', monthly, daily, hourly, ceiling };
}

/** While day and hour are derived, the paced profile mends what a smaller request would. */
function paced(finding: Finding, settings: Settings): Finding {
  const { daily, hourly } = settings.global;
  const sameCode = ({ code, scope }: Finding): boolean =>
    code === finding.code && scope === finding.scope;
  return finding.code.endsWith('_below_request') &&
    daily === undefined &&
    hourly === undefined &&
    !lintLimits(applyProfile(settings, 'paced')).some(sameCode)
    ? { ...finding, fix: 'tokenctl limits apply --profile paced' }
    : finding;
}

function lintRequest(limits: Limits): Finding[] {
  const { request, tokensPerRequest: provider, criticalRequest, criticalAt } = limits;
  const findings: Finding[] = [];
  if (exceeds(request, provider)) {
    findings.push({
      code: 'request_above_provider_ceiling',
      scope: 'global',
      severity: 'problem',
      message: `the request limit of ${limitText(request)} can never bind: the provider's ceiling for one request is ${limitText(provider)}`,
      fix: setCommand('global', 'request', provider),
    });
  }
  if (exceeds(provider, request)) {
    findings.push({
      code: 'provider_ceiling_above_request',
      scope: 'global',
      severity: 'note',
      message: `the provider's ceiling of ${limitText(provider)} tokens for one request can never be reached: the request limit is ${limitText(request)}`,
      fix: setCommand('global', 'tokensPerRequest', request),
    });
  }
  const largest = request ?? provider;
  if (criticalAt !== null && exceeds(criticalRequest, largest)) {
    findings.push({
      code: 'critical_request_above_request',
      scope: 'global',
      severity: 'problem',
      message: `criticalRequest of ${limitText(criticalRequest)} can never bind: a request may have at most ${limitText(largest)} tokens at any level`,
      fix: 'tokenctl limits unset criticalRequest',
    });
  }
  return findings;
}

const MINUTES_OF_DAY = 1_440;

function lintRates(limits: Limits): Finding[] {
  const { requestsPerMinute: perMinute, requestsPerDay: perDay } = limits;
  if (perMinute === null || perDay === null) return [];
  if (perMinute > perDay) {
    return [
      {
        code: 'minute_rate_above_daily_rate',
        scope: 'global',
        severity: 'problem',
        message: `${count(perMinute)} requests a minute can never bind: a day allows ${count(perDay)}`,
        fix: setCommand('global', 'requestsPerMinute', perDay),
      },
    ];
  }
  const reachable = MINUTES_OF_DAY * perMinute;
  if (reachable < perDay) {
    return [
      {
        code: 'minute_rate_below_daily_rate',
        scope: 'global',
        severity: 'problem',
        message: `${count(perDay)} requests a day can never be reached: ${count(perMinute)} a minute allow ${count(reachable)}`,
        fix: setCommand('global', 'requestsPerDay', reachable),
      },
    ];
  }
  return [];
}

function lintEnforcement(limits: Limits, settings: Settings): Finding[] {
  const { enforcedShare, enforcedMonthly: pinned } = settings.global;
  const findings: Finding[] = [];
  if (enforcedShare !== undefined && pinned !== undefined) {
    findings.push({
      code: 'enforced_share_ignored',
      scope: 'global',
      severity: 'note',
      message: `enforcedShare of ${String(enforcedShare)} % has no effect: enforcedMonthly is set to ${limitText(limits.enforcedMonthly)}`,
      fix: 'tokenctl limits unset enforcedShare',
    });
  }
  if (limits.enforcedMonthly === null && limits.daily === null && limits.hourly === null) {
    findings.push({
      code: 'no_ceiling',
      scope: 'global',
      severity: 'note',
      message: 'month, day and hour are off: nothing limits how many tokens are used in total',
      fix:
        limits.monthly === null
          ? 'tokenctl limits set enforcedMonthly=140000'
          : 'tokenctl limits unset enforcedMonthly',
    });
  }
  return findings;
}

function lintAiType(name: string, limits: Limits, ceiling: Limit): Finding[] {
  const own = ownLimits(limits, name);
  if (own === null) return [];
  const global = {
    monthly: limits.enforcedMonthly,
    daily: limits.daily,
    hourly: limits.hourly,
    request: ceiling,
  };
  const aboveGlobal = (['monthly', 'daily', 'hourly', 'request'] as const).flatMap(
    (key): Finding[] =>
      exceeds(own[key], global[key])
        ? [
            {
              code: `ai_type_${key}_above_global`,
              scope: name,
              severity: 'problem',
              message: `${name}'s ${key} limit of ${limitText(own[key])} can never bind: all AI types together have ${limitText(global[key])}`,
              fix: `tokenctl limits unset ${key} --ai-type ${name}`,
            },
          ]
        : [],
  );
  return [...aboveGlobal, ...lintScope({ ...own, name, ceiling: lower(own.request, ceiling) })];
}

function lower(a: Limit, b: Limit): Limit {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
