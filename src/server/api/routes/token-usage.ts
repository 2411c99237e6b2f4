import { z } from 'zod';
import { parseAiType } from '../../../budget/ai-type.ts';
import { percentUsed } from '../../../budget/levels.ts';
import { ownLimits, type Limit, type Limits } from '../../../budget/limits.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import { readMonthRow } from '../../../ledger/month-row.ts';
import { aiTypeField } from '../fields.ts';
import { ok, operation } from '../operation.ts';
import { Problem } from '../problem.ts';
import type { Seen } from '../status-reads.ts';
import {
  alertsSchema,
  limitsSchema,
  monthlyOfAiTypeSchema,
  monthlySchema,
  statusOfAiTypeSchema,
  summarySchema,
} from '../schemas/token-usage.ts';

/** What clients of older backends read: their paths, their names. Everything is of the current month in UTC. */

type AiTypeStatus = StatusReport['aiTypes'][number];
type Schema<T extends z.ZodType> = z.output<T>;

const tag = 'Token usage';
const access = 'read';
const polled = true;
const params = z.object({ ai_type: aiTypeField });

const monthly = operation({
  ...{ method: 'get', path: '/api/token-usage/monthly', id: 'getMonthlyUsage', tag },
  summary: 'What each AI type used this month',
  ...{ access, polled },
  answers: { 200: { description: 'The month so far.', schema: monthlySchema } },
  answer: async ({ services }) => ok(monthlyDocument(await services.reads.read())),
});

const monthlyOfAiType = operation({
  ...{ method: 'get', path: '/api/token-usage/monthly/{ai_type}', id: 'getMonthlyUsageOfAiType' },
  ...{ tag, summary: 'What one AI type used this month', access, polled, params },
  answers: { 200: { description: 'The month so far.', schema: monthlyOfAiTypeSchema } },
  problems: { 404: 'The AI type has no usage this month.' },
  answer: async ({ params: { ai_type: name }, services }) => {
    const aiType = parseAiType(name, 'ai_type');
    const { report, limits } = await services.reads.read();
    const found = report.aiTypes.find((each) => each.aiType === aiType);
    if (found === undefined) {
      throw new Problem('ai_type_not_found', `ai_type: ${aiType} has no usage this month`, {
        field: 'ai_type',
        fix: '/api/token-usage/monthly has those that have',
      });
    }
    const month = monthOf(report);
    const row = await services.app.ledger.read((ops) => readMonthRow(ops, aiType, month));
    return ok({
      ai_type: aiType,
      month_year: month,
      ...usageOf(found, limits),
      created_at: row?.createdAt ?? null,
      updated_at: row?.updatedAt ?? null,
    } satisfies Schema<typeof monthlyOfAiTypeSchema>);
  },
});

const alerts = operation({
  ...{ method: 'get', path: '/api/token-usage/alerts', id: 'getUsageAlerts', tag },
  summary: 'The AI types whose month has reached the warning threshold',
  description: 'What was raised and told is at /api/v1/alerts.',
  ...{ access, polled },
  answers: { 200: { description: 'The greatest share first.', schema: alertsSchema } },
  answer: async ({ services }) => ok(alertsDocument(await services.reads.read())),
});

const summary = operation({
  ...{ method: 'get', path: '/api/token-usage/summary', id: 'getUsageSummary', tag },
  summary: 'The month, its level and the limits at one instant',
  ...{ access, polled },
  answers: { 200: { description: 'All three.', schema: summarySchema } },
  answer: async ({ services }) => ok(summaryDocument(await services.reads.read())),
});

const limits = operation({
  ...{ method: 'get', path: '/api/token-usage/limits', id: 'getUsageLimits', tag },
  summary: 'The global limits in force',
  ...{ access, polled },
  answers: { 200: { description: 'Amounts; null where one is off.', schema: limitsSchema } },
  answer: async ({ services }) => ok(limitsDocument((await services.reads.read()).limits)),
});

const statusOfAiType = operation({
  ...{ method: 'get', path: '/api/token-usage/status/{ai_type}', id: 'getUsageStatusOfAiType' },
  ...{ tag, summary: 'How much is left, and what binds an AI type', access, polled, params },
  answers: {
    200: {
      description: 'The global windows, and the limits of the AI type.',
      schema: statusOfAiTypeSchema,
    },
  },
  answer: async ({ params: { ai_type: name }, services }) => {
    const aiType = parseAiType(name, 'ai_type');
    const { report, limits: inForce } = await services.reads.read();
    const month = globalWindow(report, 'month');
    const own = ownLimits(inForce, aiType);
    return ok({
      ai_type: aiType,
      global_total_tokens: month.taken,
      enforced_global_limit: inForce.enforcedMonthly,
      usage_percentage: month.percent,
      daily_usage_percentage: globalWindow(report, 'day').percent,
      hourly_usage_percentage: globalWindow(report, 'hour').percent,
      status: report.level,
      remaining_tokens: month.remaining,
      limits: {
        monthly_limit: least(inForce.enforcedMonthly, own?.monthly),
        daily_limit: least(inForce.daily, own?.daily),
        hourly_limit: least(inForce.hourly, own?.hourly),
        request_limit: least(inForce.request, own?.request),
      },
    } satisfies Schema<typeof statusOfAiTypeSchema>);
  },
});

export const TOKEN_USAGE = [monthly, monthlyOfAiType, alerts, summary, limits, statusOfAiType];

function monthOf({ time }: StatusReport): string {
  return time.slice(0, 7);
}

function monthlyDocument({ report, limits: inForce }: Seen): Schema<typeof monthlySchema> {
  const { used, requests } = globalWindow(report, 'month');
  return {
    month_year: monthOf(report),
    ai_usage: Object.fromEntries(
      report.aiTypes.map((each) => [each.aiType, usageOf(each, inForce)]),
    ),
    summary: {
      total_tokens: used,
      total_requests: requests,
      ai_count: report.aiTypes.length,
    },
  };
}

function alertsDocument({ report, limits: inForce }: Seen): Schema<typeof alertsSchema> {
  return {
    alerts: report.aiTypes
      .flatMap((each) => (each.status === 'active' ? [] : [alertOf(each, each.status, inForce)]))
      .toSorted((a, b) => (b.usage_percentage ?? 0) - (a.usage_percentage ?? 0)),
    timestamp: report.time,
  };
}

function summaryDocument(seen: Seen): Schema<typeof summarySchema> {
  const { level, time } = seen.report;
  const { taken, remaining, percent } = globalWindow(seen.report, 'month');
  return {
    timestamp: time,
    usage_summary: monthlyDocument(seen),
    emergency_status: {
      emergency_shutdown: level === 'emergency',
      critical_level: level === 'critical' || level === 'emergency',
      warning_level: level !== 'ok',
      usage_percentage: percent,
      total_tokens: taken,
      remaining_tokens: remaining,
      timestamp: time,
    },
    limits: limitsDocument(seen.limits),
  };
}

/** As the table token_usage has it. */
function usageOf(
  { inputTokens, outputTokens, used, requests, limit, status, lastRequestAt }: AiTypeStatus,
  inForce: Limits,
): Schema<typeof monthlySchema>['ai_usage'][string] {
  const monthlyLimit = limit ?? inForce.enforcedMonthly;
  return {
    tokens_in: inputTokens,
    tokens_out: outputTokens,
    total_tokens: used,
    request_count: requests,
    monthly_limit: monthlyLimit,
    usage_percentage: percentUsed(used, monthlyLimit),
    status,
    last_request_at: lastRequestAt,
  };
}

function alertOf(
  each: AiTypeStatus,
  level: Exclude<AiTypeStatus['status'], 'active'>,
  inForce: Limits,
): Schema<typeof alertsSchema>['alerts'][number] {
  const monthlyLimit = each.limit ?? inForce.enforcedMonthly;
  const taken = each.used + each.held;
  return {
    ai_type: each.aiType,
    usage_percentage: percentUsed(taken, monthlyLimit),
    total_tokens: taken,
    monthly_limit: monthlyLimit,
    alert_level: level,
    remaining_tokens: monthlyLimit === null ? null : Math.max(0, monthlyLimit - taken),
    last_request_at: each.lastRequestAt,
  };
}

function limitsDocument(inForce: Limits): Schema<typeof limitsSchema> {
  return {
    monthly_limit: inForce.monthly,
    enforced_global_limit: inForce.enforcedMonthly,
    daily_limit: inForce.daily,
    hourly_limit: inForce.hourly,
    request_limit: inForce.request,
    warning_threshold: inForce.warningAt,
    critical_threshold: inForce.criticalAt,
    emergency_shutdown_threshold: inForce.emergencyAt,
    requests_per_minute: inForce.requestsPerMinute,
    requests_per_day: inForce.requestsPerDay,
    tokens_per_request: inForce.tokensPerRequest,
  };
}

interface GlobalWindow {
  readonly used: number;
  readonly taken: number;
  readonly requests: number;
  readonly remaining: number | null;
  readonly percent: number | null;
}

function globalWindow({ windows }: StatusReport, kind: 'month' | 'day' | 'hour'): GlobalWindow {
  const found = windows.find(({ scope, window }) => scope === 'global' && window === kind);
  const { used = 0, held = 0, requests = 0, remaining = null, percent = null } = found ?? {};
  return { used, taken: used + held, requests, remaining, percent };
}

/** Both bind where there are two. */
function least(global: Limit, own: Limit | undefined): Limit {
  const limits = [global, own ?? null].filter((each) => each !== null);
  return limits.length === 0 ? null : Math.min(...limits);
}
