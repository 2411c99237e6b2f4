import { z } from 'zod';
import { timeField } from '../fields.ts';
import { named } from '../operation.ts';

/** The documents of /api/token-usage. Their names are those of the table token_usage. */

const tokens = (about: string): z.ZodInt => z.int().min(0).describe(`${about}, in tokens.`);
const limit = (about: string): z.ZodNullable<z.ZodInt> =>
  z.int().min(0).nullable().describe(`${about}, in tokens; null where it is off.`);
const percentage = (about: string): z.ZodNullable<z.ZodNumber> =>
  z
    .number()
    .min(0)
    .nullable()
    .describe(`${about}, in percent with two decimals, rounded down; null without a limit.`);
const aiType = z.string().describe('The AI type.');
const monthYear = z.string().describe('The month in UTC, YYYY-MM.');
const asked = timeField.describe('When this was read, ISO 8601 in UTC.');
const lastRequest = timeField
  .nullable()
  .describe('When its newest request was made, ISO 8601 in UTC; null where there was none.');

const usage = {
  tokens_in: tokens('What went in, cache included'),
  tokens_out: tokens('What came out'),
  total_tokens: tokens('What is charged; open reservations are not in it'),
  request_count: z.int().min(0).describe('Requests that were admitted or logged.'),
  monthly_limit: limit('Its own monthly limit, else the enforced global one'),
  usage_percentage: percentage('total_tokens of monthly_limit'),
  status: z
    .enum(['active', 'warning', 'critical', 'limit_reached'])
    .describe('By used and held tokens of monthly_limit: below the warning share, from it on, from the critical share on, all of it.'),
  last_request_at: lastRequest,
};

export const monthlySchema = named(
  'MonthlyUsage',
  z.object({
    month_year: monthYear,
    ai_usage: z
      .record(z.string(), named('AiTypeUsage', z.object(usage)))
      .describe('Each AI type that has usage this month, by its name.'),
    summary: z
      .object({
        total_tokens: tokens('What all are charged'),
        total_requests: z.int().min(0).describe('Requests of all AI types.'),
        ai_count: z.int().min(0).describe('How many AI types have usage.'),
      })
      .describe('All AI types together.'),
  }),
);

export const monthlyOfAiTypeSchema = named(
  'MonthlyUsageOfAiType',
  z.object({
    ...{ ai_type: aiType, month_year: monthYear },
    ...usage,
    created_at: timeField
      .nullable()
      .describe('When its row of token_usage was made, ISO 8601 in UTC; null while there is none.'),
    updated_at: timeField
      .nullable()
      .describe('When that row was last set, ISO 8601 in UTC; null while there is none.'),
  }),
);

export const alertsSchema = named(
  'UsageAlerts',
  z.object({
    alerts: z
      .array(
        z.object({
          ai_type: aiType,
          usage_percentage: percentage('total_tokens of monthly_limit'),
          total_tokens: tokens('Used and held'),
          monthly_limit: limit('Its own monthly limit, else the enforced global one'),
          alert_level: z
            .enum(['warning', 'critical', 'limit_reached'])
            .describe('What its month has reached.'),
          remaining_tokens: limit('What is left of monthly_limit'),
          last_request_at: lastRequest,
        }),
      )
      .describe('The greatest share first; empty when all is well.'),
    timestamp: asked,
  }),
);

export const limitsSchema = named(
  'UsageLimits',
  z.object({
    monthly_limit: limit('The most that may be bought in a month'),
    enforced_global_limit: limit('The most that is admitted in a month'),
    daily_limit: limit('The most in a UTC day'),
    hourly_limit: limit('The most in an hour'),
    request_limit: limit('The most in one request'),
    warning_threshold: limit('From where on the level is warning'),
    critical_threshold: limit('From where on the level is critical'),
    emergency_shutdown_threshold: limit('From where on everything is denied'),
    requests_per_minute: z
      .int()
      .min(0)
      .nullable()
      .describe('The most requests in any 60 seconds; null where it is off.'),
    requests_per_day: z
      .int()
      .min(0)
      .nullable()
      .describe('The most requests in a UTC day; null where it is off.'),
    tokens_per_request: limit("The provider's ceiling for one request"),
  }),
);

export const summarySchema = named(
  'UsageSummary',
  z.object({
    timestamp: asked,
    usage_summary: monthlySchema.describe('As /api/token-usage/monthly gives it.'),
    emergency_status: z
      .object({
        emergency_shutdown: z.boolean().describe('Whether everything is denied.'),
        critical_level: z.boolean().describe('Whether the level is critical or above.'),
        warning_level: z.boolean().describe('Whether the level is warning or above.'),
        usage_percentage: percentage('total_tokens of the enforced limit'),
        total_tokens: tokens('Used and held this month, by all AI types'),
        remaining_tokens: limit('What is left of the enforced limit'),
        timestamp: asked,
      })
      .describe('The level of the month.'),
    limits: limitsSchema.describe('As /api/token-usage/limits gives them.'),
  }),
);

export const statusOfAiTypeSchema = named(
  'UsageStatusOfAiType',
  z.object({
    ai_type: aiType,
    global_total_tokens: tokens('Used and held this month, by all AI types'),
    enforced_global_limit: limit('The most that is admitted in a month'),
    usage_percentage: percentage('The month of all AI types'),
    daily_usage_percentage: percentage('The UTC day of all AI types'),
    hourly_usage_percentage: percentage('The hour of all AI types'),
    status: z
      .enum(['ok', 'warning', 'critical', 'emergency'])
      .describe('The level of the month; at emergency everything is denied.'),
    remaining_tokens: limit('What is left of the enforced monthly limit'),
    limits: z
      .object({
        monthly_limit: limit('The most in a month'),
        daily_limit: limit('The most in a UTC day'),
        hourly_limit: limit('The most in an hour'),
        request_limit: limit('The most in one request'),
      })
      .describe('What binds the AI type: the lesser of its own and the global limits.'),
  }),
);
