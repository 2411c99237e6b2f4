import type pg from 'pg';
import { unreachable } from '../postgres-errors.ts';
import { postgresTarget } from '../postgres-url.ts';
import { connectPostgres } from '../postgres.ts';
import type { StoredRevision } from '../port.ts';
import { postgresSchema } from '../schema/postgres-state.ts';
import { expectedObjects } from './expected.ts';
import {
  alertsSql,
  endingTokensSql,
  type AlertFacts,
  look,
  type ContentFacts,
  type EndingToken,
  type HoldFacts,
  type LogFacts,
  type PostgresFacts,
  type SessionFacts,
} from './facts.ts';

/** Counting the log reads every row: some seconds for each million. */
const TIMEOUT_MS = 60_000;

type Explain = (error: unknown) => unknown;

/** Looks at a PostgreSQL database; changes nothing. */
export async function postgresFacts(url: string, nowMs: () => number): Promise<PostgresFacts> {
  const target = postgresTarget(url);
  const explain: Explain = (error) => unreachable(target, error);
  const connected = await look(() => connectPostgres(target, TIMEOUT_MS), explain);
  if (!('value' in connected)) {
    return { kind: 'postgresql', schema: connected, session: null, content: null };
  }
  const client = connected.value;
  try {
    const schema = await look(() => postgresSchema(client), explain);
    const current = 'value' in schema && schema.value.state === 'current';
    return {
      kind: 'postgresql',
      schema,
      session: await sessionOf(client, nowMs, explain),
      content: current ? await contentOf(client, nowMs(), explain) : null,
    };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The one value of a query's one row. */
async function value(client: pg.Client, sql: string): Promise<unknown> {
  const { rows } = await client.query<{ value: unknown }>(sql);
  return rows[0]?.value;
}

async function strings(client: pg.Client, sql: string): Promise<string[]> {
  return (await client.query<{ value: string }>(sql)).rows.map((row) => row.value);
}

async function sessionOf(
  client: pg.Client,
  nowMs: () => number,
  explain: Explain,
): Promise<SessionFacts> {
  return {
    role: await look(
      async () => String(await value(client, 'SELECT current_user AS value')),
      explain,
    ),
    clockAheadMs: await look(async () => {
      const askedMs = nowMs();
      const theirs = Number(await value(client, CLOCK));
      return theirs - (askedMs + nowMs()) / 2;
    }, explain),
    settings: await look(async () => {
      const { rows } = await client.query<{ name: string; value: string }>(SETTINGS);
      return Object.fromEntries(rows.map((row) => [row.name, row.value]));
    }, explain),
    standby: await look(
      async () => (await value(client, 'SELECT pg_is_in_recovery() AS value')) === true,
      explain,
    ),
    missingPrivileges: await look(() => strings(client, PRIVILEGES), explain),
  };
}

async function contentOf(
  client: pg.Client,
  nowMs: number,
  explain: Explain,
): Promise<ContentFacts> {
  const one = async <T extends pg.QueryResultRow>(sql: string): Promise<T | null> =>
    (await client.query<T>(sql)).rows[0] ?? null;
  return {
    server: await look(async () => String(await value(client, SERVER)), explain),
    missing: await look(async () => {
      const found = new Set(await strings(client, OBJECTS));
      return expectedObjects('postgresql').filter((object) => !found.has(object));
    }, explain),
    revision: await look(() => one<StoredRevision & pg.QueryResultRow>(REVISION), explain),
    logs: await look(
      async () => (await one<LogFacts & pg.QueryResultRow>(LOGS)) ?? NO_LOGS,
      explain,
    ),
    holds: await look(
      async () => (await one<HoldFacts & pg.QueryResultRow>(HOLDS)) ?? NO_HOLDS,
      explain,
    ),
    endingTokens: await look(
      async () =>
        (await client.query<EndingToken & pg.QueryResultRow>(endingTokensSql(nowMs))).rows,
      explain,
    ),
    alerts: await look(
      async () =>
        (await one<AlertFacts & pg.QueryResultRow>(alertsSql(nowMs))) ?? {
          ...{ dead: 0, silentFromMs: null, silentUntilMs: null },
        },
      explain,
    ),
  };
}

const NO_LOGS: LogFacts = {
  rows: 0,
  monthDisagrees: 0,
  future: 0,
  unreadable: 0,
  newestAtMs: null,
};
const NO_HOLDS: HoldFacts = { open: 0, tokens: 0, due: 0, oldestDueAtMs: null };

const CLOCK = 'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS value';
const SERVER = `SELECT split_part(current_setting('server_version'), ' ', 1) AS value`;
const REVISION = 'SELECT revision, settings FROM limit_revisions ORDER BY revision DESC LIMIT 1';

/** What a new session starts with: tokenctl's own sets some of them for itself. */
const SETTINGS = `
  SELECT name, reset_val AS value FROM pg_settings
  WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'default_transaction_read_only')`;

/** What a backend that reserves and settles needs (docs/database.md). */
const PRIVILEGES = `
  SELECT n.privilege || ' on ' || n.name AS value
  FROM (
    SELECT t.name, p.privilege
    FROM unnest(ARRAY['token_usage_logs', 'usage_windows', 'usage_rollups', 'token_usage']) AS t (name)
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p (privilege)
    UNION ALL VALUES ('usage_deltas', 'SELECT'), ('usage_deltas', 'DELETE')
    UNION ALL
    SELECT t.name, 'SELECT'
    FROM unnest(ARRAY['limit_revisions', 'usage_adjustments', 'usage_windows_now', 'token_usage_counted']) AS t (name)
  ) AS n
  JOIN pg_class AS c ON c.relname = n.name AND c.relnamespace = current_schema()::regnamespace
  WHERE NOT has_table_privilege(c.oid, n.privilege)
  ORDER BY n.name, n.privilege`;

const OBJECTS = `
  SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'i' THEN 'index ' ELSE 'table ' END || relname AS value
  FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'i')
  UNION ALL
  SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
  UNION ALL
  SELECT 'trigger ' || t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
  WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')`;

const LOGS = `
  SELECT count(*) AS rows,
    count(*) FILTER (WHERE time_flag IS NULL
      AND month_year <> to_char(to_timestamp(counted_at_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')) AS "monthDisagrees",
    count(*) FILTER (WHERE time_flag = 'future') AS future,
    count(*) FILTER (WHERE time_flag = 'unreadable') AS unreadable,
    max(counted_at_ms) FILTER (WHERE state <> 'denied') AS "newestAtMs"
  FROM token_usage_logs`;

const HOLDS = `
  SELECT count(*) AS open, least(coalesce(sum(reserved_tokens), 0), 9007199254740991)::bigint AS tokens, count(due) AS due,
    floor(extract(epoch FROM min(due)) * 1000)::bigint AS "oldestDueAtMs"
  FROM (
    SELECT reserved_tokens,
      CASE WHEN expires_at <= clock_timestamp() AT TIME ZONE 'UTC' THEN expires_at END AS due
    FROM token_usage_logs WHERE state = 'reserved'
  ) AS h`;
