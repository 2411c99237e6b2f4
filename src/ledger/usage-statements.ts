import type { UsageGroup } from '../budget/usage-query.ts';
import type { DatabaseKind, PlainStatement } from './port.ts';
import { SATURATED } from './values.ts';

/**
 * Usage out of the hourly rollups, grouped. What the triggers counted and no batch has folded yet
 * (PostgreSQL), and open reservations past their time, count as they will be counted.
 */

const COLUMNS: Readonly<Record<UsageGroup, string>> = {
  'ai-type': 'ai_type',
  model: 'model_used',
  'request-type': 'request_type',
  hour: 'hour_start',
  day: 'substr(hour_start, 1, 10)',
  month: 'substr(hour_start, 1, 7)',
};

const AMOUNTS = ['tokens_in', 'tokens_out', 'used', 'requests', 'failed', 'denied'] as const;

/** The hour that a log row counts in. */
const HOURS: Readonly<Record<DatabaseKind, string>> = {
  sqlite: `strftime('%Y-%m-%dT%H', counted_at_ms / 1000, 'unixepoch')`,
  postgresql: 'tokenctl_hour(counted_at_ms)',
};

/** One group, or with `place` null all those after the limit. */
export interface SqlUsage {
  /** 1 is the group with the most tokens. */
  place: number | null;
  key_1: string;
  key_2?: string;
  groups: number;
  tokens_in: number;
  tokens_out: number;
  used: number;
  requests: number;
  failed: number;
  denied: number;
  /** 'YYYY-MM-DDTHH' */
  first_hour: string;
  last_hour: string;
}

/**
 * Parameters: `since` and `until` (hours as they are named), `now` (a written time), `aiType`, `model`,
 * `requestType` (null is all), `limit`.
 */
export function usageStatement(kind: DatabaseKind, by: readonly UsageGroup[]): PlainStatement {
  const keys = by.map((_, index) => `key_${String(index + 1)}`);
  const places = keys.map((_, index) => String(index + 1)).join(', ');
  const grouped = by.map((group, index) => `${COLUMNS[group]} AS key_${String(index + 1)}`);
  const sums = AMOUNTS.map((column) => `${sum(column)} AS ${column}`).join(', ');
  return {
    name: `usage_${by.join('_').replaceAll('-', '')}`,
    sql: `
    WITH counted AS (
      SELECT hour_start, ai_type, model_used, request_type, ${AMOUNTS.join(', ')} FROM usage_rollups
      WHERE hour_start >= @since AND hour_start < @until
      UNION ALL
      SELECT window_start, scope_name, coalesce(model_used, ''), coalesce(request_type, ''), ${AMOUNTS.join(', ')}
      FROM usage_deltas WHERE window_kind IS NULL AND window_start >= @since AND window_start < @until
      UNION ALL
      SELECT hour_start, counted_as, model_used, request_type, tokens_in, used - tokens_in, used, 0, 0, 0
      FROM (
        SELECT ${HOURS[kind]} AS hour_start, counted_as, coalesce(model_used, '') AS model_used,
          coalesce(request_type, '') AS request_type, reserved_input_tokens AS tokens_in, reserved_tokens AS used
        FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= @now
      ) AS due WHERE hour_start >= @since AND hour_start < @until
    ), grouped AS (
      SELECT ${grouped.join(', ')}, ${sums}, min(hour_start) AS first_hour, max(hour_start) AS last_hour
      FROM counted
      WHERE ai_type = coalesce(@aiType, ai_type) AND model_used = coalesce(@model, model_used)
        AND request_type = coalesce(@requestType, request_type)
      GROUP BY ${places}
      HAVING ${AMOUNTS.map((column) => `sum(${column}) <> 0`).join(' OR ')}
    ), ranked AS (
      SELECT *, row_number() OVER (ORDER BY used DESC, ${keys.join(', ')}) AS ranking FROM grouped
    )
    SELECT CASE WHEN ranking <= @limit THEN ranking END AS place,
      ${keys.map((key) => `min(${key}) AS ${key}`).join(', ')}, count(*) AS groups, ${sums},
      min(first_hour) AS first_hour, max(last_hour) AS last_hour
    FROM ranked GROUP BY 1`,
  };
}

function sum(column: string): string {
  return `CAST(CASE WHEN sum(${column}) > ${SATURATED} THEN ${SATURATED} ELSE sum(${column}) END AS BIGINT)`;
}
