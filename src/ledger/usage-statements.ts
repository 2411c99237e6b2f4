import type { UsageFilter, UsageGroup } from '../budget/usage-query.ts';
import type { DatabaseKind, PlainStatement } from './port.ts';
import { SATURATED } from './values.ts';

/**
 * Usage out of the hourly rollups, grouped. What the triggers counted and no batch has folded yet
 * (PostgreSQL), and open reservations past their time, count as they will be counted.
 */

/** The columns of a rollup's primary key, in its order. */
const KEY_COLUMNS = ['hour_start', 'ai_type', 'model_used', 'request_type'] as const;
type KeyColumn = (typeof KEY_COLUMNS)[number];

/** The column that a group is made of, and how many characters of it. */
const GROUPS: Readonly<Record<UsageGroup, { column: KeyColumn; length?: number }>> = {
  'ai-type': { column: 'ai_type' },
  model: { column: 'model_used' },
  'request-type': { column: 'request_type' },
  hour: { column: 'hour_start' },
  day: { column: 'hour_start', length: 10 },
  month: { column: 'hour_start', length: 7 },
};

const FILTERS: Readonly<Record<keyof UsageFilter, KeyColumn>> = {
  aiType: 'ai_type',
  model: 'model_used',
  requestType: 'request_type',
};

const AMOUNTS = ['tokens_in', 'tokens_out', 'used', 'requests', 'failed', 'denied'] as const;

/** Of single hours. */
const PLAIN_SUMS = AMOUNTS.map((column) => `CAST(sum(${column}) AS BIGINT) AS ${column}`).join(
  ', ',
);

/** Each amount added up, at most to what a number holds. */
const SUMS = AMOUNTS.map(
  (column) =>
    `CAST(CASE WHEN sum(${column}) > ${SATURATED} THEN ${SATURATED} ELSE sum(${column}) END AS BIGINT) AS ${column}`,
).join(', ');

/** Counted by the triggers, and not folded yet. */
const DELTAS = `
  SELECT window_start AS hour_start, scope_name AS ai_type, coalesce(model_used, '') AS model_used,
    coalesce(request_type, '') AS request_type, ${AMOUNTS.join(', ')}
  FROM usage_deltas WHERE window_kind IS NULL`;

/** Open reservations past their time, in the hour that they count in. They are requests already. */
const dueHolds = (hour: string): string => `
  SELECT ${hour} AS hour_start, counted_as AS ai_type, coalesce(model_used, '') AS model_used,
    coalesce(request_type, '') AS request_type, reserved_input_tokens AS tokens_in,
    reserved_tokens - reserved_input_tokens AS tokens_out, reserved_tokens AS used,
    0 AS requests, 0 AS failed, 0 AS denied
  FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= @now AND counted_as IS NOT NULL`;

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
 * Parameters: `since` and `until` (hours as they are named), `now` (a written time), `limit`, and those
 * of the filter that are not null.
 *
 * Rollups are first added up in the order of their key, as far as the groups need it: SQLite would sort
 * each of them otherwise, which takes three times as long.
 */
export function usageStatement(
  kind: DatabaseKind,
  by: readonly UsageGroup[],
  filter: UsageFilter,
): PlainStatement {
  const needed = by.map((group) => KEY_COLUMNS.indexOf(GROUPS[group].column));
  const columns = KEY_COLUMNS.slice(0, Math.max(...needed) + 1).join(', ');
  const filters = Object.entries(FILTERS).filter(
    ([name]) => filter[name as keyof UsageFilter] !== null,
  );
  const where = [
    'hour_start >= @since AND hour_start < @until',
    ...filters.map(([name, column]) => `${column} = @${name}`),
  ].join(' AND ');
  const added = (source: string): string =>
    `SELECT ${columns}, ${PLAIN_SUMS} FROM ${source} WHERE ${where} GROUP BY ${columns}`;
  const keys = by.map((_, index) => `key_${String(index + 1)}`);
  const grouped = by.map((group, index) => {
    const { column, length } = GROUPS[group];
    const value = length === undefined ? column : `substr(${column}, 1, ${String(length)})`;
    return `${value} AS ${keys[index] ?? ''}`;
  });
  return {
    name: ['usage', ...by, ...filters.map(([name]) => name)].join('_'),
    sql: `
    WITH counted AS (
      ${added('usage_rollups')}
      UNION ALL ${added(`(${DELTAS}) AS deltas`)}
      UNION ALL ${added(`(${dueHolds(HOURS[kind])}) AS due`)}
    ), grouped AS (
      SELECT ${grouped.join(', ')}, ${SUMS}, min(hour_start) AS first_hour, max(hour_start) AS last_hour
      FROM counted GROUP BY ${keys.map((_, index) => String(index + 1)).join(', ')}
      HAVING ${AMOUNTS.map((column) => `sum(${column}) <> 0`).join(' OR ')}
    ), ranked AS (
      SELECT *, row_number() OVER (ORDER BY used DESC, ${keys.join(', ')}) AS ranking FROM grouped
    )
    SELECT CASE WHEN ranking <= @limit THEN ranking END AS place,
      ${keys.map((key) => `min(${key}) AS ${key}`).join(', ')}, count(*) AS groups, ${SUMS},
      min(first_hour) AS first_hour, max(last_hour) AS last_hour
    FROM ranked GROUP BY 1`,
  };
}
