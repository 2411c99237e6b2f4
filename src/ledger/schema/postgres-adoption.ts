import pg from 'pg';
import { windowAt } from '../../budget/windows.ts';
import { scopeOf } from '../values.ts';
import {
  compareMonths,
  countedName,
  type Adoption,
  type CountedMonth,
  type OldUsage,
} from './report.ts';

/** Takes over the tables of older backends: PostgreSQL alters them in place. */

/** The types that the older tables' columns must have. Their writers' grants, views and keys stay. */
const OLDER_COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  token_usage_logs: {
    id: 'uuid',
    ai_type: 'text',
    month_year: 'text',
    request_id: 'text',
    tokens_in: 'bigint',
    tokens_out: 'bigint',
    total_tokens: 'bigint',
    model_used: 'text',
    request_type: 'text',
    success: 'boolean',
    error_message: 'text',
    created_at: 'timestamp without time zone',
  },
  token_usage: {
    id: 'uuid',
    ai_type: 'text',
    month_year: 'text',
    tokens_in: 'bigint',
    tokens_out: 'bigint',
    total_tokens: 'bigint',
    request_count: 'bigint',
    monthly_limit: 'bigint',
    usage_percentage: 'double precision',
    last_request_at: 'timestamp without time zone',
    status: 'text',
    created_at: 'timestamp without time zone',
    updated_at: 'timestamp without time zone',
  },
};

/** Writers' own sessions decide what they mean by a time with a zone: such a column stays one. */
const ZONED = 'timestamp with time zone';
const NOW_UTC = `(clock_timestamp() AT TIME ZONE 'utc'::text)`;
const DEFAULTS: Readonly<Record<string, string>> = {
  id: 'gen_random_uuid()',
  tokens_in: '0',
  tokens_out: '0',
  total_tokens: '0',
  request_count: '0',
  request_type: `'direct'`,
  success: 'true',
  usage_percentage: '0',
  status: `'active'`,
  created_at: NOW_UTC,
  updated_at: NOW_UTC,
};
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  token_usage_logs: ['id'],
  token_usage: [
    'id',
    'ai_type',
    'month_year',
    'tokens_in',
    'tokens_out',
    'total_tokens',
    'request_count',
  ],
};

/** Brings the older tables' columns to the types, defaults and nullability of ours, in place. */
export async function prepareOlderTables(client: pg.Client): Promise<OldUsage[]> {
  const views = await takeViewsAway(client);
  for (const [table, columns] of Object.entries(OLDER_COLUMNS)) {
    await prepareTable(client, table, columns);
  }
  for (const view of views) for (const sql of view.again) await client.query(sql);
  const exists = await client.query(`SELECT to_regclass('token_usage') AS found`);
  if ((exists.rows[0] as { found: string | null }).found === null) return [];
  const { rows } = await client.query<Omit<OldUsage, 'countsAs'>>(
    `SELECT ai_type AS "aiType", month_year AS month, greatest(tokens_in, 0) AS "tokensIn", greatest(tokens_out, 0) AS "tokensOut",
       greatest(total_tokens, 0) AS total, greatest(request_count, 0) AS requests FROM token_usage`,
  );
  // Where nothing kept them unique, one row of a month stays: it is set from the counts.
  await client.query(
    'DELETE FROM token_usage AS a USING token_usage AS b WHERE a.ai_type = b.ai_type AND a.month_year = b.month_year AND a.ctid < b.ctid',
  );
  return rows.map((row) => ({ ...row, countsAs: countedName(row.aiType) }));
}

async function prepareTable(
  client: pg.Client,
  table: string,
  columns: Readonly<Record<string, string>>,
): Promise<void> {
  const { rows } = await client.query<{ name: string; type: string; fixed: boolean }>(
    `SELECT column_name AS name, data_type AS type,
       is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS' AS fixed
     FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1`,
    [table],
  );
  if (rows.length === 0) return;
  const alter = (steps: readonly string[]): Promise<unknown> =>
    client.query(`ALTER TABLE ${pg.escapeIdentifier(table)} ${steps.join(', ')}`);
  const key = await primaryKeyOf(client, table);
  // The guard's rows do not know the columns that only the backend fills.
  for (const { name, fixed } of rows) {
    if (columns[name] !== undefined || fixed || key.includes(name)) continue;
    await alter([`ALTER COLUMN ${pg.escapeIdentifier(name)} DROP NOT NULL`]);
  }
  const has = new Map(rows.map((row) => [row.name, row.type]));
  for (const [name, type] of Object.entries(columns)) {
    const column = pg.escapeIdentifier(name);
    const from = has.get(name);
    const zoned = from === ZONED && type.startsWith('timestamp');
    const steps: string[] = [];
    if (from === undefined) steps.push(`ADD COLUMN ${column} ${type}`);
    else if (from !== type && !zoned) {
      // An identity must be gone before its type may change.
      await alter([`ALTER COLUMN ${column} DROP IDENTITY IF EXISTS`]);
      steps.push(`ALTER COLUMN ${column} DROP DEFAULT`);
      steps.push(`ALTER COLUMN ${column} TYPE ${type} USING ${converted(column, from, type)}`);
    }
    const value = zoned && DEFAULTS[name] === NOW_UTC ? 'clock_timestamp()' : DEFAULTS[name];
    if (value !== undefined) steps.push(`ALTER COLUMN ${column} SET DEFAULT ${value}`);
    const required = REQUIRED[table]?.includes(name) === true;
    if (!required && from !== undefined) steps.push(`ALTER COLUMN ${column} DROP NOT NULL`);
    if (steps.length > 0) await alter(steps);
    if (!required) continue;
    await client.query(
      `UPDATE ${pg.escapeIdentifier(table)} SET ${column} = ${value === undefined ? "''" : 'DEFAULT'} WHERE ${column} IS NULL`,
    );
    await alter([`ALTER COLUMN ${column} SET NOT NULL`]);
  }
  if (key.length > 0) return;
  await client.query(
    `UPDATE ${table} AS a SET id = DEFAULT WHERE EXISTS (SELECT 1 FROM ${table} AS b WHERE b.id = a.id AND b.ctid < a.ctid)`,
  );
  await alter(['ADD PRIMARY KEY (id)']);
}

async function primaryKeyOf(client: pg.Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT a.attname AS name FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indisprimary AND i.indrelid = to_regclass($1)`,
    [table],
  );
  return rows.map(({ name }) => name);
}

interface TakenView {
  readonly name: string;
  /** The statements that make it again, with its owner and rights. */
  readonly again: readonly string[];
}

/**
 * Views on the older tables, and views on those: PostgreSQL changes no column that a view reads. They
 * are dropped, and made again in the order in which they depend on each other.
 */
async function takeViewsAway(client: pg.Client): Promise<TakenView[]> {
  const { rows } = await client.query<TakenView>(
    `WITH RECURSIVE reads AS (
       SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation FROM pg_depend AS d
       JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       WHERE d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid
     ), found AS (
       SELECT view, 1 AS depth FROM reads WHERE relation IN (to_regclass('token_usage'), to_regclass('token_usage_logs'))
       UNION ALL SELECT reads.view, found.depth + 1 FROM reads JOIN found ON reads.relation = found.view
     ), ordered AS (SELECT view, max(depth) AS depth FROM found GROUP BY view)
     SELECT v.name, array_cat(ARRAY[
         format('CREATE VIEW %s%s AS %s', v.name, ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)),
         format('ALTER VIEW %s OWNER TO %I', v.name, pg_get_userbyid(c.relowner))
       ], (
         SELECT array_agg(format('GRANT %s ON %s TO %s%s', a.privilege_type, v.name,
           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
         FROM aclexplode(c.relacl) AS a
       )) AS again
     FROM ordered JOIN pg_class AS c ON c.oid = ordered.view AND c.relkind = 'v'
     CROSS JOIN LATERAL (SELECT c.oid::regclass::text AS name) AS v
     ORDER BY ordered.depth`,
  );
  for (const { name } of rows.toReversed()) await client.query(`DROP VIEW ${name}`);
  return rows;
}

function converted(column: string, from: string, to: string): string {
  if (to === 'uuid') {
    if (/int/.test(from)) return `lpad(to_hex(${column}), 32, '0')::uuid`;
    return `CASE WHEN ${column}::text ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN ${column}::text::uuid ELSE md5(${column}::text)::uuid END`;
  }
  if (to === 'boolean' && /int|numeric/.test(from)) return `${column} <> 0`;
  return `${column}::${to}`;
}

/** Counts the older logs by the triggers themselves, then keeps what the older months counted more. */
export async function adopt(
  client: pg.Client,
  old: readonly OldUsage[],
  nowMs: number,
): Promise<Adoption> {
  const { rowCount } = await client.query(
    'UPDATE token_usage_logs SET counted_as = NULL WHERE counted_as IS NULL',
  );
  await client.query('SELECT tokenctl_fold(2147483647)');
  const { rows } = await client.query<CountedMonth & { aiType: string; month: string }>(
    `SELECT scope_name AS "aiType", window_start AS month, tokens_in AS "tokensIn", tokens_out AS "tokensOut", used, requests
     FROM usage_windows WHERE scope_kind = 'ai_type' AND window_kind = 'month'`,
  );
  const { months, differences } = compareMonths(
    old,
    (aiType, month) =>
      rows.find((row) => row.aiType === aiType && row.month === month) ?? {
        tokensIn: 0,
        tokensOut: 0,
        used: 0,
        requests: 0,
      },
    windowAt('month', nowMs).start,
  );
  for (const { aiType, month, tokensIn, tokensOut, used, requests } of differences) {
    for (const scope of [null, aiType]) {
      await client.query(
        `INSERT INTO usage_adjustments (kind, scope_kind, scope_name, window_kind, window_start, tokens_in, tokens_out, used, requests, reason, created_at_ms)
         VALUES ('adopted', $1, $2, 'month', $3, $4, $5, $6, $7, 'counted before adoption, without log rows', $8)`,
        [...scopeOf(scope), month, tokensIn, tokensOut, used, requests, nowMs],
      );
    }
  }
  await client.query('SELECT tokenctl_fold(2147483647)');
  // Every older month says what is counted now, not only the months that a fold touches.
  await client.query(
    `UPDATE token_usage AS t SET tokens_in = c.tokens_in, tokens_out = c.tokens_out, total_tokens = c.total_tokens,
       request_count = c.request_count, monthly_limit = c.monthly_limit, usage_percentage = c.usage_percentage,
       status = c.status, last_request_at = c.last_request_at
     FROM token_usage_counted AS c WHERE c.id = t.id`,
  );
  return { logs: rowCount ?? 0, months };
}
