-- The ledger: tables, and the triggers that keep the count.
--
-- Whoever inserts into token_usage_logs is counted in the same transaction. The trigger SQL runs
-- inside the writer's own SQLite library, so it uses only what SQLite 3.31 knows (no unixepoch, no
-- subsec, no RETURNING, no STRICT, no JSON).

-- CreateTable
-- Where a writer spells out NULL, NOT NULL ON CONFLICT REPLACE takes the default.
CREATE TABLE "token_usage_logs" (
    "id" TEXT NOT NULL ON CONFLICT REPLACE PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
    "ai_type" TEXT,
    "month_year" TEXT,
    "request_id" TEXT,
    "tokens_in" BIGINT DEFAULT 0,
    "tokens_out" BIGINT DEFAULT 0,
    "total_tokens" BIGINT DEFAULT 0,
    "model_used" TEXT,
    "request_type" TEXT DEFAULT 'direct',
    "success" BOOLEAN DEFAULT true,
    "error_message" TEXT,
    "created_at" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000','now')),
    "state" TEXT NOT NULL DEFAULT 'settled',
    "reserved_tokens" BIGINT NOT NULL DEFAULT 0,
    "reserved_input_tokens" BIGINT NOT NULL DEFAULT 0,
    "request_items" INTEGER NOT NULL DEFAULT 1,
    "denied_count" INTEGER NOT NULL DEFAULT 1,
    "expires_at" TEXT,
    "settled_at" TEXT,
    "cache_creation_tokens" BIGINT NOT NULL DEFAULT 0,
    "cache_read_tokens" BIGINT NOT NULL DEFAULT 0,
    "idempotency_key" TEXT,
    "verdict" TEXT,
    "counted_at_ms" BIGINT,
    "counted_as" TEXT,
    "time_flag" TEXT,
    "charged_after_adjustment" BIGINT NOT NULL DEFAULT 0,

    -- A hold without an end would never be charged.
    CHECK ("state" <> 'reserved' OR "expires_at" IS NOT NULL)
);

-- CreateTable
CREATE TABLE "usage_windows" (
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "window_kind" TEXT NOT NULL,
    "window_start" TEXT NOT NULL,
    "tokens_in" BIGINT NOT NULL DEFAULT 0,
    "tokens_out" BIGINT NOT NULL DEFAULT 0,
    "used" BIGINT NOT NULL DEFAULT 0,
    "held" BIGINT NOT NULL DEFAULT 0,
    "requests" BIGINT NOT NULL DEFAULT 0,
    "requests_reset" BIGINT NOT NULL DEFAULT 0,
    "failed" BIGINT NOT NULL DEFAULT 0,
    "denied" BIGINT NOT NULL DEFAULT 0,
    "last_request_at_ms" BIGINT,

    PRIMARY KEY ("window_start", "scope_kind", "scope_name", "window_kind")
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "usage_deltas" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "window_kind" TEXT,
    "window_start" TEXT NOT NULL,
    "model_used" TEXT,
    "request_type" TEXT,
    "tokens_in" BIGINT NOT NULL DEFAULT 0,
    "tokens_out" BIGINT NOT NULL DEFAULT 0,
    "used" BIGINT NOT NULL DEFAULT 0,
    "held" BIGINT NOT NULL DEFAULT 0,
    "requests" BIGINT NOT NULL DEFAULT 0,
    "requests_reset" BIGINT NOT NULL DEFAULT 0,
    "failed" BIGINT NOT NULL DEFAULT 0,
    "denied" BIGINT NOT NULL DEFAULT 0,
    "last_request_at_ms" BIGINT
);

-- CreateTable
CREATE TABLE "usage_rollups" (
    "hour_start" TEXT NOT NULL,
    "ai_type" TEXT NOT NULL,
    "model_used" TEXT NOT NULL,
    "request_type" TEXT NOT NULL,
    "tokens_in" BIGINT NOT NULL DEFAULT 0,
    "tokens_out" BIGINT NOT NULL DEFAULT 0,
    "used" BIGINT NOT NULL DEFAULT 0,
    "requests" BIGINT NOT NULL DEFAULT 0,
    "failed" BIGINT NOT NULL DEFAULT 0,
    "denied" BIGINT NOT NULL DEFAULT 0,

    PRIMARY KEY ("hour_start", "ai_type", "model_used", "request_type")
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "token_usage" (
    "id" TEXT NOT NULL ON CONFLICT REPLACE PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
    "ai_type" TEXT NOT NULL,
    "month_year" TEXT NOT NULL,
    "tokens_in" BIGINT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
    "tokens_out" BIGINT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
    "total_tokens" BIGINT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
    "request_count" BIGINT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
    "monthly_limit" BIGINT,
    "usage_percentage" REAL DEFAULT 0,
    "last_request_at" TEXT,
    "status" TEXT DEFAULT 'active',
    "created_at" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000','now')),
    "updated_at" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000','now'))
);

-- CreateTable
CREATE TABLE "usage_adjustments" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "kind" TEXT NOT NULL,
    "reset_id" INTEGER,
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "window_kind" TEXT NOT NULL,
    "window_start" TEXT NOT NULL,
    "tokens_in" BIGINT NOT NULL DEFAULT 0,
    "tokens_out" BIGINT NOT NULL DEFAULT 0,
    "used" BIGINT NOT NULL DEFAULT 0,
    "requests" BIGINT NOT NULL DEFAULT 0,
    "failed" BIGINT NOT NULL DEFAULT 0,
    "denied" BIGINT NOT NULL DEFAULT 0,
    "actor" TEXT,
    "reason" TEXT,
    "created_at_ms" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "limit_revisions" (
    "revision" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "settings" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "actor" TEXT,
    "reason" TEXT,
    "created_at_ms" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "scope_limits" (
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "monthly" BIGINT,
    "warning_at" BIGINT,
    "critical_at" BIGINT,

    PRIMARY KEY ("scope_kind", "scope_name")
);

-- CreateTable
CREATE TABLE "alerts" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "window_kind" TEXT NOT NULL,
    "window_start" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "data" TEXT NOT NULL,
    "deliveries" TEXT NOT NULL DEFAULT '{}',
    "raised_at_ms" BIGINT NOT NULL,
    "resolved_at_ms" BIGINT
);

-- CreateIndex
CREATE INDEX "token_usage_logs_counted_at_ms_idx" ON "token_usage_logs"("counted_at_ms");

-- CreateIndex
CREATE UNIQUE INDEX "token_usage_ai_type_month_year_key" ON "token_usage"("ai_type", "month_year");

-- CreateIndex
CREATE INDEX "usage_adjustments_window_start_scope_kind_scope_name_window_kind_idx" ON "usage_adjustments"("window_start", "scope_kind", "scope_name", "window_kind");

-- CreateIndex
CREATE INDEX "usage_adjustments_reset_id_idx" ON "usage_adjustments"("reset_id");

-- CreateIndex
CREATE INDEX "alerts_raised_at_ms_idx" ON "alerts"("raised_at_ms");

-- A key binds to one admission; most rows have none.
CREATE UNIQUE INDEX "token_usage_logs_idempotency_key_key" ON "token_usage_logs"("idempotency_key") WHERE "idempotency_key" IS NOT NULL;

-- Open reservations by the time at which they are charged in full.
CREATE INDEX "token_usage_logs_open_idx" ON "token_usage_logs"("expires_at") WHERE "state" = 'reserved';

-- What counting a row adds: an insert here adds to the six windows of its AI type and hour, and to
-- the rollup. It is a view only so that the triggers below can share this one way to count.
CREATE VIEW "usage_counting" AS
SELECT '' AS "ai_type", '' AS "hour_start", '' AS "model_used", '' AS "request_type", 0 AS "tokens_in", 0 AS "tokens_out", 0 AS "used", 0 AS "held", 0 AS "requests", 0 AS "failed", 0 AS "denied", 0 AS "last_request_at_ms"
WHERE 0;

CREATE TRIGGER "usage_counting_insert" INSTEAD OF INSERT ON "usage_counting"
BEGIN
  INSERT INTO "usage_windows" ("scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES
    ('global', '', 'month', substr(NEW."hour_start", 1, 7), NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."held", NEW."requests", NEW."failed", NEW."denied", NEW."last_request_at_ms"),
    ('global', '', 'day', substr(NEW."hour_start", 1, 10), NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."held", NEW."requests", NEW."failed", NEW."denied", NEW."last_request_at_ms"),
    ('global', '', 'hour', NEW."hour_start", NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."held", NEW."requests", NEW."failed", NEW."denied", NEW."last_request_at_ms"),
    ('ai_type', NEW."ai_type", 'month', substr(NEW."hour_start", 1, 7), NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."held", NEW."requests", NEW."failed", NEW."denied", NEW."last_request_at_ms"),
    ('ai_type', NEW."ai_type", 'day', substr(NEW."hour_start", 1, 10), NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."held", NEW."requests", NEW."failed", NEW."denied", NEW."last_request_at_ms"),
    ('ai_type', NEW."ai_type", 'hour', NEW."hour_start", NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."held", NEW."requests", NEW."failed", NEW."denied", NEW."last_request_at_ms")
  ON CONFLICT ("window_start", "scope_kind", "scope_name", "window_kind") DO UPDATE SET
    "tokens_in" = "tokens_in" + excluded."tokens_in",
    "tokens_out" = "tokens_out" + excluded."tokens_out",
    "used" = "used" + excluded."used",
    "held" = "held" + excluded."held",
    "requests" = "requests" + excluded."requests",
    "failed" = "failed" + excluded."failed",
    "denied" = "denied" + excluded."denied",
    "last_request_at_ms" = coalesce(max("last_request_at_ms", excluded."last_request_at_ms"), "last_request_at_ms", excluded."last_request_at_ms");
  INSERT INTO "usage_rollups" ("hour_start", "ai_type", "model_used", "request_type", "tokens_in", "tokens_out", "used", "requests", "failed", "denied")
  VALUES (NEW."hour_start", NEW."ai_type", NEW."model_used", NEW."request_type", NEW."tokens_in", NEW."tokens_out", NEW."used", NEW."requests", NEW."failed", NEW."denied")
  ON CONFLICT ("hour_start", "ai_type", "model_used", "request_type") DO UPDATE SET
    "tokens_in" = "tokens_in" + excluded."tokens_in",
    "tokens_out" = "tokens_out" + excluded."tokens_out",
    "used" = "used" + excluded."used",
    "requests" = "requests" + excluded."requests",
    "failed" = "failed" + excluded."failed",
    "denied" = "denied" + excluded."denied";
END;

-- INSERT OR REPLACE fires no delete trigger, so it would count a row twice: refused. OR IGNORE and
-- upserts of the same row are fine, and only what happens after this trigger tells them apart: it
-- leaves a mark (usage_deltas serves for nothing else here), and a row that was then inserted all
-- the same has replaced another one.
CREATE TRIGGER "token_usage_logs_exists" BEFORE INSERT ON "token_usage_logs"
WHEN EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "id" = NEW."id")
  OR (NEW."idempotency_key" IS NOT NULL AND EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "idempotency_key" = NEW."idempotency_key"))
  OR EXISTS (SELECT 1 FROM "usage_deltas")
BEGIN
  DELETE FROM "usage_deltas";
  INSERT INTO "usage_deltas" ("scope_kind", "scope_name", "window_start")
  SELECT 'log', NEW."id", ''
  WHERE EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "id" = NEW."id")
    OR (NEW."idempotency_key" IS NOT NULL AND EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "idempotency_key" = NEW."idempotency_key"));
END;

CREATE TRIGGER "token_usage_logs_replace" AFTER INSERT ON "token_usage_logs"
WHEN EXISTS (SELECT 1 FROM "usage_deltas")
BEGIN
  SELECT RAISE(ABORT, 'token_usage_logs: a row with this id or idempotency_key exists; a log row is never replaced (UPDATE it instead)');
END;

CREATE TRIGGER "token_usage_logs_update_replace" BEFORE UPDATE OF "id", "idempotency_key" ON "token_usage_logs"
WHEN EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "id" = NEW."id" AND rowid <> OLD.rowid)
  OR (NEW."idempotency_key" IS NOT NULL AND EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "idempotency_key" = NEW."idempotency_key" AND rowid <> OLD.rowid))
BEGIN
  SELECT RAISE(ABORT, 'token_usage_logs: another row has this id or idempotency_key; a log row is never replaced');
END;

-- The guard names the instant and the AI type that a row counts under; other writers leave both to
-- "token_usage_logs_read", which is called by the flag 'unread'.
CREATE TRIGGER "token_usage_logs_insert_written" AFTER INSERT ON "token_usage_logs"
WHEN NEW."counted_at_ms" IS NULL OR NEW."counted_as" IS NULL
BEGIN
  UPDATE "token_usage_logs" SET
    "time_flag" = 'unread',
    "charged_after_adjustment" = coalesce((SELECT max("id") FROM "usage_adjustments"), 0)
  WHERE rowid = NEW.rowid;
END;

CREATE TRIGGER "token_usage_logs_update_written" AFTER UPDATE OF "created_at" ON "token_usage_logs"
WHEN NEW."created_at" IS NOT OLD."created_at" AND OLD."time_flag" IS NOT 'unread'
BEGIN
  UPDATE "token_usage_logs" SET "time_flag" = 'unread' WHERE rowid = NEW.rowid;
END;

-- A new name alone leaves the row in its windows, also where its time could not be read.
CREATE TRIGGER "token_usage_logs_update_name" AFTER UPDATE OF "ai_type" ON "token_usage_logs"
WHEN NEW."ai_type" IS NOT OLD."ai_type" AND NEW."created_at" IS OLD."created_at"
BEGIN
  UPDATE "token_usage_logs" SET
    "counted_as" = (
      SELECT CASE
        WHEN length("name") BETWEEN 1 AND 50
          AND "name" NOT GLOB '*[^a-z0-9_.-]*'
          AND "name" GLOB '[a-z0-9]*'
          AND "name" NOT IN ('global', 'all', 'none', 'unknown')
        THEN "name"
        ELSE 'unknown'
      END
      FROM (SELECT lower(trim(coalesce(NEW."ai_type", ''), char(9, 10, 11, 12, 13, 32))) AS "name")
    )
  WHERE rowid = NEW.rowid;
END;

-- Reads what was written: the instant (an offset is optional, then UTC; digits beyond milliseconds
-- are cut, not rounded into the next window; epoch seconds and milliseconds are numbers), and the
-- AI type's name. What can't be read (a zero time is none: nothing was called before 2000), or lies
-- in the future, counts now and is flagged. A time in any other form than 'YYYY-MM-DD HH:MM:SS.ffffff'
-- in UTC is brought to it, so that range queries, which compare text, find it.
CREATE TRIGGER "token_usage_logs_read" AFTER UPDATE OF "time_flag" ON "token_usage_logs"
WHEN NEW."time_flag" = 'unread'
BEGIN
  UPDATE "token_usage_logs" SET
    ("counted_at_ms", "time_flag", "created_at") = (
      SELECT
        CASE WHEN "at_ms" >= 946684800000 AND "at_ms" <= "now_ms" THEN "at_ms" ELSE "now_ms" END,
        CASE WHEN "at_ms" > "now_ms" THEN 'future' WHEN "at_ms" >= 946684800000 THEN NULL ELSE 'unreadable' END,
        CASE
          WHEN "at_ms" >= 946684800000 AND NOT "usual" THEN coalesce(
            strftime('%Y-%m-%d %H:%M:%S', "at_ms" / 1000, 'unixepoch') || printf('.%03d', "at_ms" % 1000) || "micros",
            NEW."created_at"
          )
          ELSE NEW."created_at"
        END
      FROM (
        SELECT
          CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS "now_ms",
          "zone_length" = 0 AND "text" = NEW."created_at" AND substr("text", 11, 1) IN ('', ' ') AND "text" GLOB '*-*-*' AS "usual",
          CASE WHEN substr("body", 20, 1) = '.' AND substr("body" || '000', 24, 3) GLOB '[0-9][0-9][0-9]' AND length("body") > 23
            THEN substr("body" || '000', 24, 3) ELSE '000' END AS "micros",
          CASE
            WHEN "text" <> '' AND "text" NOT GLOB '*[^0-9.]*' AND "text" GLOB '[0-9]*'
              THEN CAST(CASE WHEN CAST("text" AS REAL) >= 100000000000 THEN CAST("text" AS REAL) ELSE CAST("text" AS REAL) * 1000 END AS INTEGER)
            WHEN "text" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'
              THEN CAST(round((julianday(
                CASE WHEN substr("body", 20, 1) = '.' THEN substr("body", 1, 23) ELSE "body" END || "zone"
              ) - 2440587.5) * 86400000) AS INTEGER)
          END AS "at_ms"
        FROM (
          SELECT
            "text",
            "zone_length",
            rtrim(substr("text", 1, length("text") - "zone_length")) AS "body",
            CASE "zone_length"
              WHEN 6 THEN substr("text", -6)
              WHEN 5 THEN substr("text", -5, 3) || ':' || substr("text", -2)
              WHEN 3 THEN substr("text", -3) || ':00'
              ELSE ''
            END AS "zone"
          FROM (
            SELECT
              "text",
              CASE
                WHEN "text" GLOB '*Z' THEN 1
                WHEN "text" GLOB '*:*[+-][0-9][0-9]:[0-9][0-9]' THEN 6
                WHEN "text" GLOB '*:*[+-][0-9][0-9][0-9][0-9]' THEN 5
                WHEN "text" GLOB '*:*[+-][0-9][0-9]' THEN 3
                ELSE 0
              END AS "zone_length"
            FROM (SELECT upper(trim(replace(coalesce(NEW."created_at", ''), ',', '.'))) AS "text")
          )
        )
      )
    ),
    "counted_as" = (
      SELECT CASE
        WHEN length("name") BETWEEN 1 AND 50
          AND "name" NOT GLOB '*[^a-z0-9_.-]*'
          AND "name" GLOB '[a-z0-9]*'
          AND "name" NOT IN ('global', 'all', 'none', 'unknown')
        THEN "name"
        ELSE 'unknown'
      END
      FROM (SELECT lower(trim(coalesce(NEW."ai_type", ''), char(9, 10, 11, 12, 13, 32))) AS "name")
    )
  WHERE rowid = NEW.rowid;
END;

CREATE TRIGGER "token_usage_logs_insert_count" AFTER INSERT ON "token_usage_logs"
WHEN NEW."counted_at_ms" IS NOT NULL AND NEW."counted_as" IS NOT NULL
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    NEW."counted_as",
    strftime('%Y-%m-%dT%H', NEW."counted_at_ms" / 1000, 'unixepoch'),
    coalesce(NEW."model_used", ''),
    coalesce(NEW."request_type", ''),
    CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_in", 0) AS INTEGER), 0), 1000000000000) END,
    CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END,
    CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."total_tokens", 0) AS INTEGER), CAST(coalesce(NEW."tokens_in", 0) AS INTEGER) + CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END,
    CASE WHEN NEW."state" = 'reserved' THEN min(max(CAST(coalesce(NEW."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN 0 ELSE max(NEW."request_items", 1) END,
    CASE WHEN NEW."state" NOT IN ('reserved', 'denied') AND coalesce(NEW."success", 1) IN (0, 'false') THEN max(NEW."request_items", 1) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN max(NEW."denied_count", 1) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN NULL ELSE NEW."counted_at_ms" END
  );
END;

-- A change within the same windows and rollup adds the difference.
CREATE TRIGGER "token_usage_logs_update_count" AFTER UPDATE OF "counted_at_ms", "counted_as", "state", "tokens_in", "tokens_out", "total_tokens", "reserved_tokens", "success", "request_items", "denied_count", "model_used", "request_type" ON "token_usage_logs"
WHEN OLD."counted_at_ms" IS NOT NULL AND OLD."counted_as" IS NOT NULL
  AND NEW."counted_at_ms" IS NOT NULL AND NEW."counted_as" IS NOT NULL
  AND OLD."counted_as" = NEW."counted_as"
  AND OLD."counted_at_ms" / 3600000 = NEW."counted_at_ms" / 3600000
  AND OLD."model_used" IS NEW."model_used"
  AND OLD."request_type" IS NEW."request_type"
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    NEW."counted_as",
    strftime('%Y-%m-%dT%H', NEW."counted_at_ms" / 1000, 'unixepoch'),
    coalesce(NEW."model_used", ''),
    coalesce(NEW."request_type", ''),
    (CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_in", 0) AS INTEGER), 0), 1000000000000) END) - (CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_in", 0) AS INTEGER), 0), 1000000000000) END),
    (CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END) - (CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END),
    (CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."total_tokens", 0) AS INTEGER), CAST(coalesce(NEW."tokens_in", 0) AS INTEGER) + CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END) - (CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."total_tokens", 0) AS INTEGER), CAST(coalesce(OLD."tokens_in", 0) AS INTEGER) + CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END),
    (CASE WHEN NEW."state" = 'reserved' THEN min(max(CAST(coalesce(NEW."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END) - (CASE WHEN OLD."state" = 'reserved' THEN min(max(CAST(coalesce(OLD."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END),
    (CASE WHEN NEW."state" = 'denied' THEN 0 ELSE max(NEW."request_items", 1) END) - (CASE WHEN OLD."state" = 'denied' THEN 0 ELSE max(OLD."request_items", 1) END),
    (CASE WHEN NEW."state" NOT IN ('reserved', 'denied') AND coalesce(NEW."success", 1) IN (0, 'false') THEN max(NEW."request_items", 1) ELSE 0 END) - (CASE WHEN OLD."state" NOT IN ('reserved', 'denied') AND coalesce(OLD."success", 1) IN (0, 'false') THEN max(OLD."request_items", 1) ELSE 0 END),
    (CASE WHEN NEW."state" = 'denied' THEN max(NEW."denied_count", 1) ELSE 0 END) - (CASE WHEN OLD."state" = 'denied' THEN max(OLD."denied_count", 1) ELSE 0 END),
    CASE WHEN NEW."state" = 'denied' THEN NULL ELSE NEW."counted_at_ms" END
  );
END;

-- A change of windows or rollup takes the old out and adds the new.
CREATE TRIGGER "token_usage_logs_move_out" AFTER UPDATE OF "counted_at_ms", "counted_as", "state", "tokens_in", "tokens_out", "total_tokens", "reserved_tokens", "success", "request_items", "denied_count", "model_used", "request_type" ON "token_usage_logs"
WHEN OLD."counted_at_ms" IS NOT NULL AND OLD."counted_as" IS NOT NULL
  AND NOT (NEW."counted_at_ms" IS NOT NULL AND NEW."counted_as" IS NOT NULL
  AND OLD."counted_as" = NEW."counted_as"
  AND OLD."counted_at_ms" / 3600000 = NEW."counted_at_ms" / 3600000
  AND OLD."model_used" IS NEW."model_used"
  AND OLD."request_type" IS NEW."request_type")
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    OLD."counted_as",
    strftime('%Y-%m-%dT%H', OLD."counted_at_ms" / 1000, 'unixepoch'),
    coalesce(OLD."model_used", ''),
    coalesce(OLD."request_type", ''),
    -(CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_in", 0) AS INTEGER), 0), 1000000000000) END),
    -(CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END),
    -(CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."total_tokens", 0) AS INTEGER), CAST(coalesce(OLD."tokens_in", 0) AS INTEGER) + CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END),
    -(CASE WHEN OLD."state" = 'reserved' THEN min(max(CAST(coalesce(OLD."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END),
    -(CASE WHEN OLD."state" = 'denied' THEN 0 ELSE max(OLD."request_items", 1) END),
    -(CASE WHEN OLD."state" NOT IN ('reserved', 'denied') AND coalesce(OLD."success", 1) IN (0, 'false') THEN max(OLD."request_items", 1) ELSE 0 END),
    -(CASE WHEN OLD."state" = 'denied' THEN max(OLD."denied_count", 1) ELSE 0 END),
    NULL
  );
END;

CREATE TRIGGER "token_usage_logs_move_in" AFTER UPDATE OF "counted_at_ms", "counted_as", "state", "tokens_in", "tokens_out", "total_tokens", "reserved_tokens", "success", "request_items", "denied_count", "model_used", "request_type" ON "token_usage_logs"
WHEN NEW."counted_at_ms" IS NOT NULL AND NEW."counted_as" IS NOT NULL
  AND NOT (OLD."counted_at_ms" IS NOT NULL AND OLD."counted_as" IS NOT NULL
  AND OLD."counted_as" = NEW."counted_as"
  AND OLD."counted_at_ms" / 3600000 = NEW."counted_at_ms" / 3600000
  AND OLD."model_used" IS NEW."model_used"
  AND OLD."request_type" IS NEW."request_type")
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    NEW."counted_as",
    strftime('%Y-%m-%dT%H', NEW."counted_at_ms" / 1000, 'unixepoch'),
    coalesce(NEW."model_used", ''),
    coalesce(NEW."request_type", ''),
    CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_in", 0) AS INTEGER), 0), 1000000000000) END,
    CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END,
    CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."total_tokens", 0) AS INTEGER), CAST(coalesce(NEW."tokens_in", 0) AS INTEGER) + CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END,
    CASE WHEN NEW."state" = 'reserved' THEN min(max(CAST(coalesce(NEW."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN 0 ELSE max(NEW."request_items", 1) END,
    CASE WHEN NEW."state" NOT IN ('reserved', 'denied') AND coalesce(NEW."success", 1) IN (0, 'false') THEN max(NEW."request_items", 1) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN max(NEW."denied_count", 1) ELSE 0 END,
    CASE WHEN NEW."state" = 'denied' THEN NULL ELSE NEW."counted_at_ms" END
  );
END;

-- A charge that falls in a window after a reset has taken it would free budget twice: the opposite
-- adjustments join the resets since the charge (the oldest first, each at most by what it took and
-- did not give back), so that undoing a reset gives back the corrected charge.
CREATE TRIGGER "token_usage_logs_correct" AFTER UPDATE OF "counted_at_ms", "counted_as", "state", "tokens_in", "tokens_out", "total_tokens", "request_items" ON "token_usage_logs"
WHEN OLD."counted_at_ms" IS NOT NULL AND OLD."counted_as" IS NOT NULL
  AND OLD."state" NOT IN ('reserved', 'denied')
  AND EXISTS (SELECT 1 FROM "usage_adjustments" WHERE "id" > OLD."charged_after_adjustment" AND "reset_id" IS NOT NULL)
BEGIN
  INSERT INTO "usage_adjustments" ("kind", "reset_id", "scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "requests", "reason", "created_at_ms")
  SELECT * FROM (
    SELECT
      'correction' AS "kind", f."reset_id" AS "reset_id", s."scope_kind", s."scope_name", f."window_kind", f."window_start",
      max(0, min(f."tokens_in", f."old_tokens_in" - CASE WHEN f."stays" THEN f."new_tokens_in" ELSE 0 END - f."earlier_tokens_in")) AS "tokens_in",
      max(0, min(f."tokens_out", f."old_tokens_out" - CASE WHEN f."stays" THEN f."new_tokens_out" ELSE 0 END - f."earlier_tokens_out")) AS "tokens_out",
      max(0, min(f."used", f."old_used" - CASE WHEN f."stays" THEN f."new_used" ELSE 0 END - f."earlier_used")) AS "used",
      max(0, min(f."requests", f."old_requests" - CASE WHEN f."stays" THEN f."new_requests" ELSE 0 END - f."earlier_requests")) AS "requests",
      'charge of ' || OLD."id" || ' fell after the reset' AS "reason",
      CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS "created_at_ms"
    FROM (
      SELECT
        n.*,
        OLD."counted_as" IS NEW."counted_as" AND substr(strftime('%Y-%m-%dT%H', NEW."counted_at_ms" / 1000, 'unixepoch'), 1, length(n."window_start")) IS n."window_start" AS "stays",
        CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_in", 0) AS INTEGER), 0), 1000000000000) END AS "old_tokens_in",
        CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_in", 0) AS INTEGER), 0), 1000000000000) END AS "new_tokens_in",
        CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END AS "old_tokens_out",
        CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END AS "new_tokens_out",
        CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."total_tokens", 0) AS INTEGER), CAST(coalesce(OLD."tokens_in", 0) AS INTEGER) + CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END AS "old_used",
        CASE WHEN NEW."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(NEW."total_tokens", 0) AS INTEGER), CAST(coalesce(NEW."tokens_in", 0) AS INTEGER) + CAST(coalesce(NEW."tokens_out", 0) AS INTEGER), 0), 1000000000000) END AS "new_used",
        CASE WHEN OLD."state" = 'denied' THEN 0 ELSE max(OLD."request_items", 1) END AS "old_requests",
        CASE WHEN NEW."state" = 'denied' THEN 0 ELSE max(NEW."request_items", 1) END AS "new_requests",
        coalesce(sum(n."tokens_in") OVER (PARTITION BY n."window_start" ORDER BY n."reset_id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS "earlier_tokens_in",
        coalesce(sum(n."tokens_out") OVER (PARTITION BY n."window_start" ORDER BY n."reset_id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS "earlier_tokens_out",
        coalesce(sum(n."used") OVER (PARTITION BY n."window_start" ORDER BY n."reset_id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS "earlier_used",
        coalesce(sum(n."requests") OVER (PARTITION BY n."window_start" ORDER BY n."reset_id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS "earlier_requests"
      FROM (
        SELECT "reset_id", "window_kind", "window_start", max(0, -sum("tokens_in")) AS "tokens_in", max(0, -sum("tokens_out")) AS "tokens_out", max(0, -sum("used")) AS "used", max(0, -sum("requests")) AS "requests"
        FROM "usage_adjustments"
        WHERE "id" > OLD."charged_after_adjustment"
          AND "reset_id" IS NOT NULL
          AND "scope_kind" = 'ai_type'
          AND "scope_name" = OLD."counted_as"
          AND "window_start" IN (strftime('%Y-%m-%dT%H', OLD."counted_at_ms" / 1000, 'unixepoch'), substr(strftime('%Y-%m-%dT%H', OLD."counted_at_ms" / 1000, 'unixepoch'), 1, 10), substr(strftime('%Y-%m-%dT%H', OLD."counted_at_ms" / 1000, 'unixepoch'), 1, 7))
        GROUP BY "reset_id", "window_kind", "window_start"
      ) AS n
    ) AS f
    CROSS JOIN (SELECT 'global' AS "scope_kind", '' AS "scope_name" UNION ALL SELECT 'ai_type', OLD."counted_as") AS s
  )
  WHERE "tokens_in" > 0 OR "tokens_out" > 0 OR "used" > 0 OR "requests" > 0;
END;

-- Deleting a row never frees budget: it leaves the count as a log and stays as an adjustment; an
-- open hold is charged in full.
CREATE TRIGGER "token_usage_logs_delete" AFTER DELETE ON "token_usage_logs"
WHEN OLD."counted_at_ms" IS NOT NULL AND OLD."counted_as" IS NOT NULL
BEGIN
  INSERT INTO "usage_counting" ("ai_type", "hour_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  VALUES (
    OLD."counted_as",
    strftime('%Y-%m-%dT%H', OLD."counted_at_ms" / 1000, 'unixepoch'),
    coalesce(OLD."model_used", ''),
    coalesce(OLD."request_type", ''),
    -(CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_in", 0) AS INTEGER), 0), 1000000000000) END),
    -(CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END),
    -(CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."total_tokens", 0) AS INTEGER), CAST(coalesce(OLD."tokens_in", 0) AS INTEGER) + CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END),
    -(CASE WHEN OLD."state" = 'reserved' THEN min(max(CAST(coalesce(OLD."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END),
    -(CASE WHEN OLD."state" = 'denied' THEN 0 ELSE max(OLD."request_items", 1) END),
    -(CASE WHEN OLD."state" NOT IN ('reserved', 'denied') AND coalesce(OLD."success", 1) IN (0, 'false') THEN max(OLD."request_items", 1) ELSE 0 END),
    -(CASE WHEN OLD."state" = 'denied' THEN max(OLD."denied_count", 1) ELSE 0 END),
    NULL
  );
  INSERT INTO "usage_adjustments" ("kind", "scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "requests", "failed", "denied", "reason", "created_at_ms")
  SELECT 'deleted', s."scope_kind", s."scope_name", w."window_kind", substr(strftime('%Y-%m-%dT%H', OLD."counted_at_ms" / 1000, 'unixepoch'), 1, w."length"),
    (CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_in", 0) AS INTEGER), 0), 1000000000000) END) + CASE WHEN OLD."state" = 'reserved' THEN min(max(OLD."reserved_input_tokens", 0), 1000000000000) ELSE 0 END,
    (CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END) + CASE WHEN OLD."state" = 'reserved' THEN min(max(OLD."reserved_tokens" - OLD."reserved_input_tokens", 0), 1000000000000) ELSE 0 END,
    (CASE WHEN OLD."state" IN ('reserved', 'denied') THEN 0 ELSE min(max(CAST(coalesce(OLD."total_tokens", 0) AS INTEGER), CAST(coalesce(OLD."tokens_in", 0) AS INTEGER) + CAST(coalesce(OLD."tokens_out", 0) AS INTEGER), 0), 1000000000000) END) + (CASE WHEN OLD."state" = 'reserved' THEN min(max(CAST(coalesce(OLD."reserved_tokens", 0) AS INTEGER), 0), 1000000000000) ELSE 0 END),
    CASE WHEN OLD."state" = 'denied' THEN 0 ELSE max(OLD."request_items", 1) END,
    CASE WHEN OLD."state" NOT IN ('reserved', 'denied') AND coalesce(OLD."success", 1) IN (0, 'false') THEN max(OLD."request_items", 1) ELSE 0 END,
    CASE WHEN OLD."state" = 'denied' THEN max(OLD."denied_count", 1) ELSE 0 END,
    'log row ' || OLD."id" || ' was deleted',
    CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
  FROM (SELECT 'global' AS "scope_kind", '' AS "scope_name" UNION ALL SELECT 'ai_type', OLD."counted_as") AS s
  CROSS JOIN (SELECT 'month' AS "window_kind", 7 AS "length" UNION ALL SELECT 'day', 10 UNION ALL SELECT 'hour', 13) AS w;
END;

CREATE TRIGGER "usage_adjustments_apply" AFTER INSERT ON "usage_adjustments"
BEGIN
  INSERT INTO "usage_windows" ("scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "requests", "requests_reset", "failed", "denied")
  VALUES (
    NEW."scope_kind", NEW."scope_name", NEW."window_kind", NEW."window_start", NEW."tokens_in", NEW."tokens_out", NEW."used",
    CASE WHEN NEW."reset_id" IS NULL THEN NEW."requests" ELSE 0 END,
    CASE WHEN NEW."reset_id" IS NULL THEN 0 ELSE NEW."requests" END,
    NEW."failed", NEW."denied"
  )
  ON CONFLICT ("window_start", "scope_kind", "scope_name", "window_kind") DO UPDATE SET
    "tokens_in" = "tokens_in" + excluded."tokens_in",
    "tokens_out" = "tokens_out" + excluded."tokens_out",
    "used" = "used" + excluded."used",
    "requests" = "requests" + excluded."requests",
    "requests_reset" = "requests_reset" + excluded."requests_reset",
    "failed" = "failed" + excluded."failed",
    "denied" = "denied" + excluded."denied";
END;

CREATE TRIGGER "usage_adjustments_keep" BEFORE UPDATE ON "usage_adjustments"
BEGIN
  SELECT RAISE(ABORT, 'usage_adjustments is append-only: undo a reset with tokenctl reset --undo');
END;

CREATE TRIGGER "usage_adjustments_keep_all" BEFORE DELETE ON "usage_adjustments"
BEGIN
  SELECT RAISE(ABORT, 'usage_adjustments is append-only: undo a reset with tokenctl reset --undo');
END;

CREATE TRIGGER "limit_revisions_keep" BEFORE UPDATE ON "limit_revisions"
BEGIN
  SELECT RAISE(ABORT, 'limit_revisions is append-only: change limits with tokenctl limits');
END;

CREATE TRIGGER "limit_revisions_keep_all" BEFORE DELETE ON "limit_revisions"
BEGIN
  SELECT RAISE(ABORT, 'limit_revisions is append-only: change limits with tokenctl limits');
END;

-- What each token_usage row must say.
CREATE VIEW "token_usage_counted" AS
SELECT
  t."id" AS "id",
  coalesce(w."tokens_in", 0) AS "tokens_in",
  coalesce(w."tokens_out", 0) AS "tokens_out",
  coalesce(w."used", 0) AS "total_tokens",
  coalesce(max(w."requests" + w."requests_reset", 0), 0) AS "request_count",
  coalesce(own."monthly", everyone."monthly") AS "monthly_limit",
  coalesce(round(100.0 * w."used" / nullif(coalesce(own."monthly", everyone."monthly"), 0), 2), 0) AS "usage_percentage",
  CASE
    WHEN w."used" >= coalesce(own."monthly", everyone."monthly") THEN 'limit_reached'
    WHEN w."used" >= coalesce(own."critical_at", everyone."critical_at") THEN 'critical'
    WHEN w."used" >= coalesce(own."warning_at", everyone."warning_at") THEN 'warning'
    ELSE 'active'
  END AS "status",
  strftime('%Y-%m-%d %H:%M:%S', w."last_request_at_ms" / 1000, 'unixepoch') || printf('.%03d000', w."last_request_at_ms" % 1000) AS "last_request_at"
FROM "token_usage" AS t
LEFT JOIN "usage_windows" AS w
  ON w."window_start" = t."month_year" AND w."scope_kind" = 'ai_type' AND w."scope_name" = lower(trim(t."ai_type")) AND w."window_kind" = 'month'
LEFT JOIN "scope_limits" AS own ON own."scope_kind" = 'ai_type' AND own."scope_name" = lower(trim(t."ai_type"))
LEFT JOIN "scope_limits" AS everyone ON everyone."scope_kind" = 'global' AND everyone."scope_name" = '';

CREATE TRIGGER "usage_windows_insert_month" AFTER INSERT ON "usage_windows"
WHEN NEW."window_kind" = 'month' AND NEW."scope_kind" = 'ai_type'
BEGIN
  INSERT INTO "token_usage" ("ai_type", "month_year")
  SELECT NEW."scope_name", NEW."window_start"
  WHERE NOT EXISTS (SELECT 1 FROM "token_usage" WHERE "ai_type" = NEW."scope_name" AND "month_year" = NEW."window_start");
  UPDATE "token_usage" SET
    ("tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at") = (
      SELECT "tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at"
      FROM "token_usage_counted" AS c WHERE c."id" = "token_usage"."id"
    ),
    "updated_at" = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
  WHERE "ai_type" = NEW."scope_name" AND "month_year" = NEW."window_start";
END;

CREATE TRIGGER "usage_windows_update_month" AFTER UPDATE ON "usage_windows"
WHEN NEW."window_kind" = 'month' AND NEW."scope_kind" = 'ai_type'
BEGIN
  INSERT INTO "token_usage" ("ai_type", "month_year")
  SELECT NEW."scope_name", NEW."window_start"
  WHERE NOT EXISTS (SELECT 1 FROM "token_usage" WHERE "ai_type" = NEW."scope_name" AND "month_year" = NEW."window_start");
  UPDATE "token_usage" SET
    ("tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at") = (
      SELECT "tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at"
      FROM "token_usage_counted" AS c WHERE c."id" = "token_usage"."id"
    ),
    "updated_at" = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
  WHERE "ai_type" = NEW."scope_name" AND "month_year" = NEW."window_start";
END;

-- A writer that keeps token_usage itself: its row takes the place of ours, and is set from the counts.
CREATE TRIGGER "token_usage_replace" BEFORE INSERT ON "token_usage"
WHEN EXISTS (SELECT 1 FROM "token_usage" WHERE "ai_type" = NEW."ai_type" AND "month_year" = NEW."month_year")
BEGIN
  DELETE FROM "token_usage" WHERE "ai_type" = NEW."ai_type" AND "month_year" = NEW."month_year";
END;

CREATE TRIGGER "token_usage_insert_set" AFTER INSERT ON "token_usage"
WHEN EXISTS (
  SELECT 1 FROM "token_usage_counted" AS c
  WHERE c."id" = NEW."id"
    AND (c."tokens_in", c."tokens_out", c."total_tokens", c."request_count", c."monthly_limit", c."usage_percentage", c."status", c."last_request_at")
      IS NOT (NEW."tokens_in", NEW."tokens_out", NEW."total_tokens", NEW."request_count", NEW."monthly_limit", NEW."usage_percentage", NEW."status", NEW."last_request_at")
)
BEGIN
  UPDATE "token_usage" SET
    ("tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at") = (
      SELECT "tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at"
      FROM "token_usage_counted" AS c WHERE c."id" = "token_usage"."id"
    ),
    "updated_at" = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
  WHERE "id" = NEW."id";
END;

CREATE TRIGGER "token_usage_update_set" AFTER UPDATE ON "token_usage"
WHEN EXISTS (
  SELECT 1 FROM "token_usage_counted" AS c
  WHERE c."id" = NEW."id"
    AND (c."tokens_in", c."tokens_out", c."total_tokens", c."request_count", c."monthly_limit", c."usage_percentage", c."status", c."last_request_at")
      IS NOT (NEW."tokens_in", NEW."tokens_out", NEW."total_tokens", NEW."request_count", NEW."monthly_limit", NEW."usage_percentage", NEW."status", NEW."last_request_at")
)
BEGIN
  UPDATE "token_usage" SET
    ("tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at") = (
      SELECT "tokens_in", "tokens_out", "total_tokens", "request_count", "monthly_limit", "usage_percentage", "status", "last_request_at"
      FROM "token_usage_counted" AS c WHERE c."id" = "token_usage"."id"
    ),
    "updated_at" = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
  WHERE "id" = NEW."id";
END;

CREATE TRIGGER "scope_limits_insert_label" AFTER INSERT ON "scope_limits"
BEGIN
  UPDATE "token_usage" SET "status" = "status" WHERE "month_year" = strftime('%Y-%m', 'now');
END;

CREATE TRIGGER "scope_limits_update_label" AFTER UPDATE ON "scope_limits"
BEGIN
  UPDATE "token_usage" SET "status" = "status" WHERE "month_year" = strftime('%Y-%m', 'now');
END;
