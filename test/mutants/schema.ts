import { contract, expiry, resets, transactions, writers } from './killers.ts';
import type { Mutant } from './mutant.ts';

const sqliteSchema = 'prisma/sqlite/migrations/20261124000000_ledger/migration.sql';
const postgresSchema = 'prisma/postgresql/migrations/20261124000000_ledger/migration.sql';

const denials = contract('denials', 'count as denials and as nothing else');
const corrections = resets('hold when a charge they took changes later');

/** Defects of the SQL that counts: triggers, views and functions of the migrations. */
export const SCHEMA: readonly Mutant[] = [
  {
    name: 'expiry-frees-postgresql',
    defect: 'A holder that dies gives its tokens back, though it may have spent them.',
    file: postgresSchema,
    edits: [
      [
        '"tokens_out" = "reserved_tokens" - "reserved_input_tokens",\n    "total_tokens" = "reserved_tokens",',
        '"tokens_out" = -"reserved_input_tokens",\n    "total_tokens" = 0,',
      ],
    ],
    killers: [expiry],
    on: 'postgresql',
  },
  {
    name: 'local-hours-sqlite',
    defect: "The triggers count a row in the host's hour.",
    file: sqliteSchema,
    edits: [
      [
        `WHEN NEW."counted_at_ms" IS NOT NULL AND NEW."counted_as" IS NOT NULL
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    NEW."counted_as",
    strftime('%Y-%m-%dT%H', NEW."counted_at_ms" / 1000, 'unixepoch'),`,
        `WHEN NEW."counted_at_ms" IS NOT NULL AND NEW."counted_as" IS NOT NULL
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    NEW."counted_as",
    strftime('%Y-%m-%dT%H', NEW."counted_at_ms" / 1000, 'unixepoch', 'localtime'),`,
      ],
    ],
    killers: [
      {
        file: 'test/ledger/zones.sqlite.test.ts',
        test: 'counts a row in its UTC month, day and hour',
      },
    ],
  },
  {
    name: 'local-hours-postgresql',
    defect: "The triggers count a row in the hour of the writer's session.",
    file: postgresSchema,
    edits: [
      [
        `to_char(to_timestamp("at_ms" / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')`,
        `to_char(to_timestamp("at_ms" / 1000), 'YYYY-MM-DD"T"HH24')`,
      ],
    ],
    killers: [
      writers(
        'postgres',
        'needs to name no more than what happened, in a session of any time zone',
      ),
    ],
  },
  {
    name: 'denial-is-a-request-sqlite',
    defect: 'A refused call counts as a request.',
    file: sqliteSchema,
    edits: [
      [
        `    CASE WHEN NEW."state" = 'denied' THEN 0 ELSE max(NEW."request_items", 1) END,
    CASE WHEN NEW."state" NOT IN ('reserved', 'denied') AND coalesce(NEW."success", 1) IN (0, 'false') THEN max(NEW."request_items", 1) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN max(NEW."denied_count", 1) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN NULL ELSE NEW."counted_at_ms" END
  );
END;

-- A change within`,
        `    max(NEW."request_items", 1),
    0,
    CASE WHEN NEW."state" = 'denied' THEN max(NEW."denied_count", 1) ELSE 0 END,
    NEW."counted_at_ms"
  );
END;

-- A change within`,
      ],
    ],
    killers: [denials],
    on: 'sqlite',
  },
  {
    name: 'denial-is-a-request-postgresql',
    defect: 'A refused call counts as a request.',
    file: postgresSchema,
    edits: [
      [
        `CASE WHEN $1 = 'denied' THEN 0 ELSE greatest($7, 1)::bigint END,`,
        'greatest($7, 1)::bigint,',
      ],
    ],
    killers: [denials],
    on: 'postgresql',
  },
  {
    name: 'reset-frees-rates-sqlite',
    defect: 'A reset lets more requests through than the provider takes.',
    file: sqliteSchema,
    edits: [
      [`CASE WHEN NEW."reset_id" IS NULL THEN NEW."requests" ELSE 0 END,`, 'NEW."requests",'],
    ],
    killers: [contract('rates', 'are not freed by a reset')],
    on: 'sqlite',
  },
  {
    name: 'reset-frees-rates-postgresql',
    defect: 'A reset lets more requests through than the provider takes.',
    file: postgresSchema,
    edits: [[`CASE WHEN a."reset_id" IS NULL THEN a."requests" ELSE 0 END,`, 'a."requests",']],
    killers: [contract('rates', 'are not freed by a reset')],
    on: 'postgresql',
  },
  {
    name: 'window-below-zero-sqlite',
    defect: 'A charge that falls after a reset took it frees its budget a second time.',
    file: sqliteSchema,
    edits: [
      ['WHERE "tokens_in" > 0 OR "tokens_out" > 0 OR "used" > 0 OR "requests" > 0;', 'WHERE 0;'],
    ],
    killers: [corrections],
    on: 'sqlite',
  },
  {
    name: 'window-below-zero-postgresql',
    defect: 'A charge that falls after a reset took it frees its budget a second time.',
    file: postgresSchema,
    edits: [
      [
        'WHERE f."tokens_in" > 0 OR f."tokens_out" > 0 OR f."used" > 0 OR f."requests" > 0;',
        'WHERE false;',
      ],
    ],
    killers: [corrections],
    on: 'postgresql',
  },
  {
    name: 'no-update-trigger-sqlite',
    defect: 'A row that another program corrects stays counted as it was.',
    file: sqliteSchema,
    edits: [
      [
        'CREATE TRIGGER "token_usage_logs_update_count" AFTER UPDATE OF "counted_at_ms", "counted_as", "state", "tokens_in", "tokens_out", "total_tokens", "reserved_tokens", "success", "request_items", "denied_count", "model_used", "request_type" ON "token_usage_logs"\nWHEN',
        'CREATE TRIGGER "token_usage_logs_update_count" AFTER UPDATE ON "token_usage_logs"\nWHEN 0 AND',
      ],
    ],
    killers: [
      writers('sqlite', 'moves the count with its tokens, its AI type, its time and its model'),
    ],
  },
  {
    name: 'no-update-trigger-postgresql',
    defect: 'A row that another program corrects stays counted as it was.',
    file: postgresSchema,
    edits: [
      [
        `CREATE TRIGGER "token_usage_logs_count_update" AFTER UPDATE ON "token_usage_logs"
REFERENCING OLD TABLE AS "before" NEW TABLE AS "after"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_count_update"();`,
        '',
      ],
    ],
    killers: [
      writers('postgres', 'moves the count with its rows, and frees nothing by deleting them'),
    ],
  },
  {
    name: 'delete-frees-sqlite',
    defect: 'Deleting rows of the log makes room in the budget.',
    file: sqliteSchema,
    edits: [
      [
        `UNION ALL SELECT 'day', 10 UNION ALL SELECT 'hour', 13) AS w;`,
        `UNION ALL SELECT 'day', 10 UNION ALL SELECT 'hour', 13) AS w WHERE 0;`,
      ],
    ],
    killers: [writers('sqlite', 'frees no budget by deleting rows; an open hold is charged')],
  },
  {
    name: 'delete-frees-postgresql',
    defect: 'Deleting rows of the log makes room in the budget.',
    file: postgresSchema,
    edits: [
      [
        `WHERE r."counted_at_ms" IS NOT NULL AND r."counted_as" IS NOT NULL\n  GROUP BY s."scope_kind"`,
        `WHERE false\n  GROUP BY s."scope_kind"`,
      ],
    ],
    killers: [
      writers('postgres', 'moves the count with its rows, and frees nothing by deleting them'),
    ],
  },
  {
    name: 'unordered-locks',
    defect: 'A trigger that changes the hot rows makes foreign transactions deadlock.',
    file: postgresSchema,
    edits: [
      [
        `CREATE FUNCTION "tokenctl_count_insert"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN`,
        `CREATE FUNCTION "tokenctl_count_insert"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO "usage_windows" AS w ("scope_kind", "scope_name", "window_kind", "window_start", "last_request_at_ms")
  SELECT 'ai_type', r."counted_as", 'month', left("tokenctl_hour"(r."counted_at_ms"), 7), max(r."counted_at_ms") FROM "inserted" AS r
  GROUP BY 1, 2, 3, 4
  ON CONFLICT ("window_start", "scope_kind", "scope_name", "window_kind") DO UPDATE SET
    "last_request_at_ms" = greatest(w."last_request_at_ms", excluded."last_request_at_ms");`,
      ],
    ],
    killers: [
      transactions('that logged two AI types holds up no guard, and counts from its commit on'),
    ],
  },
  {
    name: 'fold-lost',
    defect: 'What was folded is taken from the deltas and added nowhere.',
    file: postgresSchema,
    edits: [
      [
        '    ) AS s\n    GROUP BY 1, 2, 3, 4',
        '    ) AS s\n    WHERE false\n    GROUP BY 1, 2, 3, 4',
      ],
    ],
    killers: [writers('postgres', 'is folded once, however many folds there are')],
  },
  {
    name: 'fold-twice',
    defect: 'What was folded stays in the deltas and is counted again.',
    file: postgresSchema,
    edits: [
      [
        `DELETE FROM "usage_deltas"
    WHERE "id" IN (SELECT "id" FROM "usage_deltas" ORDER BY "id" LIMIT "most")
    RETURNING *`,
        'SELECT * FROM "usage_deltas" ORDER BY "id" LIMIT "most"',
      ],
    ],
    killers: [writers('postgres', 'is folded once, however many folds there are')],
  },
  {
    name: 'deltas-unread',
    defect: 'A foreign row binds no decision before it is folded.',
    file: postgresSchema,
    edits: [['WHERE d."window_kind" IS NULL\nUNION ALL', 'WHERE false\nUNION ALL']],
    killers: [transactions('binds the next decision as soon as it commits, before any fold')],
  },
  {
    name: 'waits-for-a-forgotten-usage-row',
    defect: 'A foreign transaction that nobody ends holds up every guard.',
    file: postgresSchema,
    edits: [['ORDER BY f."id" FOR UPDATE SKIP LOCKED', 'ORDER BY f."id" FOR UPDATE']],
    killers: [transactions('that holds a token_usage row is passed over')],
  },
];
