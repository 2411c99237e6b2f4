-- The ledger: tables, and the triggers that keep the count.
--
-- Whoever inserts into token_usage_logs is counted in the same transaction, but no writer touches a
-- row that another one needs: the statement triggers only append to usage_deltas, which every reader
-- adds and every batch of the guard folds into usage_windows. They are SECURITY DEFINER, so that a
-- role that may only INSERT into token_usage_logs can log.

-- The two tables that older backends already write may exist: what is new is added to them.
CREATE TABLE IF NOT EXISTS "token_usage_logs" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
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
    "created_at" TIMESTAMP(6) DEFAULT (clock_timestamp() AT TIME ZONE 'utc'::text),

    CONSTRAINT "token_usage_logs_pkey" PRIMARY KEY ("id")
);

ALTER TABLE "token_usage_logs"
    ADD COLUMN IF NOT EXISTS "state" TEXT NOT NULL DEFAULT 'settled',
    ADD COLUMN IF NOT EXISTS "reserved_tokens" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "reserved_input_tokens" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "request_items" INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS "denied_count" INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS "expires_at" TIMESTAMP(6),
    ADD COLUMN IF NOT EXISTS "settled_at" TIMESTAMP(6),
    ADD COLUMN IF NOT EXISTS "cache_creation_tokens" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "cache_read_tokens" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "idempotency_key" TEXT,
    ADD COLUMN IF NOT EXISTS "verdict" TEXT,
    ADD COLUMN IF NOT EXISTS "counted_at_ms" BIGINT,
    ADD COLUMN IF NOT EXISTS "counted_as" TEXT,
    ADD COLUMN IF NOT EXISTS "time_flag" TEXT,
    ADD COLUMN IF NOT EXISTS "charged_after_adjustment" BIGINT NOT NULL DEFAULT 0,
    -- A hold without an end would never be charged.
    ADD CHECK ("state" <> 'reserved' OR "expires_at" IS NOT NULL);

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

    CONSTRAINT "usage_windows_pkey" PRIMARY KEY ("window_start","scope_kind","scope_name","window_kind")
);

-- CreateTable
CREATE TABLE "usage_deltas" (
    "id" BIGSERIAL NOT NULL,
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
    "last_request_at_ms" BIGINT,

    CONSTRAINT "usage_deltas_pkey" PRIMARY KEY ("id")
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

    CONSTRAINT "usage_rollups_pkey" PRIMARY KEY ("hour_start","ai_type","model_used","request_type")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "token_usage" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "ai_type" TEXT NOT NULL,
    "month_year" TEXT NOT NULL,
    "tokens_in" BIGINT NOT NULL DEFAULT 0,
    "tokens_out" BIGINT NOT NULL DEFAULT 0,
    "total_tokens" BIGINT NOT NULL DEFAULT 0,
    "request_count" BIGINT NOT NULL DEFAULT 0,
    "monthly_limit" BIGINT,
    "usage_percentage" DOUBLE PRECISION DEFAULT 0,
    "last_request_at" TIMESTAMP(6),
    "status" TEXT DEFAULT 'active',
    "created_at" TIMESTAMP(6) DEFAULT (clock_timestamp() AT TIME ZONE 'utc'::text),
    "updated_at" TIMESTAMP(6) DEFAULT (clock_timestamp() AT TIME ZONE 'utc'::text),

    CONSTRAINT "token_usage_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_adjustments" (
    "id" SERIAL NOT NULL,
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
    "created_at_ms" BIGINT NOT NULL,

    CONSTRAINT "usage_adjustments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "limit_revisions" (
    "revision" INTEGER NOT NULL,
    "settings" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "actor" TEXT,
    "reason" TEXT,
    "created_at_ms" BIGINT NOT NULL,

    CONSTRAINT "limit_revisions_pkey" PRIMARY KEY ("revision")
);

-- CreateTable
CREATE TABLE "scope_limits" (
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "monthly" BIGINT,
    "warning_at" BIGINT,
    "critical_at" BIGINT,

    CONSTRAINT "scope_limits_pkey" PRIMARY KEY ("scope_kind","scope_name")
);

-- CreateTable
CREATE TABLE "alerts" (
    "id" TEXT NOT NULL,
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
    "resolved_at_ms" BIGINT,

    CONSTRAINT "alerts_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "token_usage_logs_counted_at_ms_idx" ON "token_usage_logs"("counted_at_ms");

-- CreateIndex
CREATE UNIQUE INDEX IF NOT EXISTS "token_usage_ai_type_month_year_key" ON "token_usage"("ai_type", "month_year");

-- CreateIndex
CREATE INDEX "usage_adjustments_window_start_scope_kind_scope_name_window_idx" ON "usage_adjustments"("window_start", "scope_kind", "scope_name", "window_kind");

-- CreateIndex
CREATE INDEX "usage_adjustments_reset_id_idx" ON "usage_adjustments"("reset_id");

-- CreateIndex
CREATE INDEX "alerts_raised_at_ms_idx" ON "alerts"("raised_at_ms");

-- A key binds to one admission; most rows have none.
CREATE UNIQUE INDEX "token_usage_logs_idempotency_key_key" ON "token_usage_logs"("idempotency_key") WHERE "idempotency_key" IS NOT NULL;

-- Open reservations by the time at which they are charged in full.
CREATE INDEX "token_usage_logs_open_idx" ON "token_usage_logs"("expires_at") WHERE "state" = 'reserved';

-- Hot rows and short-lived rows: room for updates in place, and a vacuum before the bloat shows.
ALTER TABLE "usage_windows" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE "usage_rollups" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE "token_usage" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE "usage_deltas" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1);

-- The hour that holds an instant, 'YYYY-MM-DDTHH'; its first 7 and 10 characters name month and day.
CREATE FUNCTION "tokenctl_hour"("at_ms" bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_char(to_timestamp("at_ms" / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')
$$;

-- What a row counts for. It costs max(total, in + out, 0), at most 10^12 tokens, whatever success says.
CREATE FUNCTION "tokenctl_count"("state" text, "total" bigint, "tin" bigint, "tout" bigint, "reserved" bigint, "success" boolean, "items" integer, "denials" integer)
RETURNS TABLE ("tokens_in" bigint, "tokens_out" bigint, "used" bigint, "held" bigint, "requests" bigint, "failed" bigint, "denied" bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT
    CASE WHEN $1 IN ('reserved', 'denied') THEN 0 ELSE least(greatest(coalesce($3, 0), 0), 1000000000000) END,
    CASE WHEN $1 IN ('reserved', 'denied') THEN 0 ELSE least(greatest(coalesce($4, 0), 0), 1000000000000) END,
    CASE WHEN $1 IN ('reserved', 'denied') THEN 0 ELSE least(greatest(coalesce($2, 0), least(greatest(coalesce($3, 0), -4000000000000000000), 4000000000000000000) + least(greatest(coalesce($4, 0), -4000000000000000000), 4000000000000000000), 0), 1000000000000) END,
    CASE WHEN $1 = 'reserved' THEN least(greatest($5, 0), 1000000000000) ELSE 0 END,
    CASE WHEN $1 = 'denied' THEN 0 ELSE greatest($7, 1)::bigint END,
    CASE WHEN $1 NOT IN ('reserved', 'denied') AND NOT coalesce($6, true) THEN greatest($7, 1)::bigint ELSE 0 END,
    CASE WHEN $1 = 'denied' THEN greatest($8, 1)::bigint ELSE 0 END
$$;

-- The guard names the instant and the AI type that a row counts under; for other writers they are
-- read from created_at and ai_type. What has no time (a zero time is none: nothing was called before
-- 2000), or one in the future, counts now and is flagged. An adopted created_at may carry a time
-- zone: its epoch is the instant either way, whatever the writer's session says.
CREATE FUNCTION "tokenctl_read_log"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  "now_ms" bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
  "at_ms" numeric := CASE WHEN isfinite(NEW."created_at") THEN floor(extract(epoch FROM NEW."created_at") * 1000) END;
  "name" text := lower(btrim(coalesce(NEW."ai_type", ''), E' \t\n\v\f\r'));
BEGIN
  NEW."id" := coalesce(NEW."id", gen_random_uuid());
  -- A new name alone leaves the row in its windows, also where its time could not be read.
  IF TG_OP = 'INSERT' OR NEW."counted_at_ms" IS NULL OR NEW."created_at" IS DISTINCT FROM OLD."created_at" THEN
    NEW."time_flag" := CASE WHEN "at_ms" > "now_ms" THEN 'future' WHEN "at_ms" >= 946684800000 THEN NULL ELSE 'unreadable' END;
    NEW."counted_at_ms" := CASE WHEN NEW."time_flag" IS NULL THEN "at_ms" ELSE "now_ms" END;
  END IF;
  NEW."counted_as" := CASE
    WHEN "name" ~ '^[a-z0-9][a-z0-9_.-]{0,49}$' AND "name" NOT IN ('global', 'all', 'none', 'unknown') THEN "name"
    ELSE 'unknown'
  END;
  IF TG_OP = 'INSERT' THEN
    NEW."charged_after_adjustment" := coalesce((SELECT max("id") FROM "usage_adjustments"), 0);
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER "token_usage_logs_read_insert" BEFORE INSERT ON "token_usage_logs"
FOR EACH ROW WHEN (NEW."counted_at_ms" IS NULL OR NEW."counted_as" IS NULL)
EXECUTE FUNCTION "tokenctl_read_log"();

CREATE TRIGGER "token_usage_logs_read_update" BEFORE UPDATE ON "token_usage_logs"
FOR EACH ROW WHEN (NEW."counted_at_ms" IS NULL OR NEW."counted_as" IS NULL OR NEW."created_at" IS DISTINCT FROM OLD."created_at" OR NEW."ai_type" IS DISTINCT FROM OLD."ai_type")
EXECUTE FUNCTION "tokenctl_read_log"();

CREATE FUNCTION "tokenctl_count_insert"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO "usage_deltas" ("scope_kind", "scope_name", "window_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  SELECT 'ai_type', r."counted_as", "tokenctl_hour"(r."counted_at_ms" / 3600000 * 3600000), r."model_used", r."request_type",
    sum(c."tokens_in"), sum(c."tokens_out"), sum(c."used"), sum(c."held"), sum(c."requests"), sum(c."failed"), sum(c."denied"),
    max(r."counted_at_ms") FILTER (WHERE r."state" <> 'denied')
  FROM "inserted" AS r
  CROSS JOIN LATERAL "tokenctl_count"(r."state", r."total_tokens", r."tokens_in", r."tokens_out", r."reserved_tokens", r."success", r."request_items", r."denied_count") AS c
  GROUP BY r."counted_as", r."counted_at_ms" / 3600000, r."model_used", r."request_type";
  RETURN NULL;
END
$$;

CREATE TRIGGER "token_usage_logs_count_insert" AFTER INSERT ON "token_usage_logs"
REFERENCING NEW TABLE AS "inserted"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_count_insert"();

-- Takes the old out and adds the new. A charge that falls in a window after a reset has taken it would
-- free budget twice: the opposite adjustments join the resets since the charge (the oldest first, each
-- at most by what it took and did not give back), so that undoing a reset gives back the corrected
-- charge. Row by row, as each correction leaves less for the next.
CREATE FUNCTION "tokenctl_count_update"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  "fallen" record;
BEGIN
  INSERT INTO "usage_deltas" ("scope_kind", "scope_name", "window_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied", "last_request_at_ms")
  SELECT 'ai_type', d."scope_name", "tokenctl_hour"(d."hour" * 3600000), d."model_used", d."request_type",
    sum(d."tokens_in"), sum(d."tokens_out"), sum(d."used"), sum(d."held"), sum(d."requests"), sum(d."failed"), sum(d."denied"), max(d."last_request_at_ms")
  FROM (
    SELECT r."counted_as" AS "scope_name", r."counted_at_ms" / 3600000 AS "hour", r."model_used", r."request_type",
      -c."tokens_in" AS "tokens_in", -c."tokens_out" AS "tokens_out", -c."used" AS "used", -c."held" AS "held",
      -c."requests" AS "requests", -c."failed" AS "failed", -c."denied" AS "denied", NULL::bigint AS "last_request_at_ms"
    FROM "before" AS r
    CROSS JOIN LATERAL "tokenctl_count"(r."state", r."total_tokens", r."tokens_in", r."tokens_out", r."reserved_tokens", r."success", r."request_items", r."denied_count") AS c
    WHERE r."counted_at_ms" IS NOT NULL AND r."counted_as" IS NOT NULL
    UNION ALL
    SELECT r."counted_as", r."counted_at_ms" / 3600000, r."model_used", r."request_type",
      c."tokens_in", c."tokens_out", c."used", c."held", c."requests", c."failed", c."denied",
      CASE WHEN r."state" <> 'denied' THEN r."counted_at_ms" END
    FROM "after" AS r
    CROSS JOIN LATERAL "tokenctl_count"(r."state", r."total_tokens", r."tokens_in", r."tokens_out", r."reserved_tokens", r."success", r."request_items", r."denied_count") AS c
  ) AS d
  GROUP BY d."scope_name", d."hour", d."model_used", d."request_type"
  HAVING sum(d."tokens_in") <> 0 OR sum(d."tokens_out") <> 0 OR sum(d."used") <> 0 OR sum(d."held") <> 0 OR sum(d."requests") <> 0 OR sum(d."failed") <> 0 OR sum(d."denied") <> 0;

  FOR "fallen" IN
    SELECT o."id", o."counted_as", o."charged_after_adjustment", "tokenctl_hour"(o."counted_at_ms") AS "hour",
      m."counted_as" AS "new_as", "tokenctl_hour"(m."counted_at_ms") AS "new_hour",
      oc."tokens_in" AS "old_tokens_in", coalesce(nc."tokens_in", 0) AS "new_tokens_in",
      oc."tokens_out" AS "old_tokens_out", coalesce(nc."tokens_out", 0) AS "new_tokens_out",
      oc."used" AS "old_used", coalesce(nc."used", 0) AS "new_used",
      oc."requests" AS "old_requests", coalesce(nc."requests", 0) AS "new_requests"
    FROM "before" AS o
    CROSS JOIN LATERAL "tokenctl_count"(o."state", o."total_tokens", o."tokens_in", o."tokens_out", o."reserved_tokens", o."success", o."request_items", o."denied_count") AS oc
    LEFT JOIN "after" AS m ON m."id" = o."id"
    LEFT JOIN LATERAL "tokenctl_count"(m."state", m."total_tokens", m."tokens_in", m."tokens_out", m."reserved_tokens", m."success", m."request_items", m."denied_count") AS nc
      ON m."id" IS NOT NULL
    WHERE o."counted_at_ms" IS NOT NULL AND o."counted_as" IS NOT NULL AND o."state" NOT IN ('reserved', 'denied')
      AND EXISTS (SELECT 1 FROM "usage_adjustments" AS a WHERE a."id" > o."charged_after_adjustment" AND a."reset_id" IS NOT NULL)
    ORDER BY o."id"
  LOOP
    INSERT INTO "usage_adjustments" ("kind", "reset_id", "scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "requests", "reason", "created_at_ms")
    SELECT 'correction', f."reset_id", s."scope_kind", s."scope_name", f."window_kind", f."window_start",
      f."tokens_in", f."tokens_out", f."used", f."requests",
      'charge of ' || "fallen"."id" || ' fell after the reset', floor(extract(epoch FROM clock_timestamp()) * 1000)
    FROM (
      SELECT n."reset_id", n."window_kind", n."window_start",
        greatest(0, least(n."tokens_in", "fallen"."old_tokens_in" - CASE WHEN n."stays" THEN "fallen"."new_tokens_in" ELSE 0 END
          - coalesce(sum(n."tokens_in") OVER "earlier", 0)))::bigint AS "tokens_in",
        greatest(0, least(n."tokens_out", "fallen"."old_tokens_out" - CASE WHEN n."stays" THEN "fallen"."new_tokens_out" ELSE 0 END
          - coalesce(sum(n."tokens_out") OVER "earlier", 0)))::bigint AS "tokens_out",
        greatest(0, least(n."used", "fallen"."old_used" - CASE WHEN n."stays" THEN "fallen"."new_used" ELSE 0 END
          - coalesce(sum(n."used") OVER "earlier", 0)))::bigint AS "used",
        greatest(0, least(n."requests", "fallen"."old_requests" - CASE WHEN n."stays" THEN "fallen"."new_requests" ELSE 0 END
          - coalesce(sum(n."requests") OVER "earlier", 0)))::bigint AS "requests"
      FROM (
        SELECT a."reset_id", a."window_kind", a."window_start",
          "fallen"."new_as" IS NOT DISTINCT FROM "fallen"."counted_as"
            AND left("fallen"."new_hour", length(a."window_start")) IS NOT DISTINCT FROM a."window_start" AS "stays",
          greatest(0, -sum(a."tokens_in")) AS "tokens_in", greatest(0, -sum(a."tokens_out")) AS "tokens_out", greatest(0, -sum(a."used")) AS "used", greatest(0, -sum(a."requests")) AS "requests"
        FROM "usage_adjustments" AS a
        WHERE a."id" > "fallen"."charged_after_adjustment" AND a."reset_id" IS NOT NULL
          AND a."scope_kind" = 'ai_type' AND a."scope_name" = "fallen"."counted_as"
          AND a."window_start" IN ("fallen"."hour", left("fallen"."hour", 10), left("fallen"."hour", 7))
        GROUP BY a."reset_id", a."window_kind", a."window_start"
      ) AS n
      WINDOW "earlier" AS (PARTITION BY n."window_start" ORDER BY n."reset_id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS f
    CROSS JOIN LATERAL (VALUES ('global', ''), ('ai_type', "fallen"."counted_as")) AS s ("scope_kind", "scope_name")
    WHERE f."tokens_in" > 0 OR f."tokens_out" > 0 OR f."used" > 0 OR f."requests" > 0;
  END LOOP;
  RETURN NULL;
END
$$;

CREATE TRIGGER "token_usage_logs_count_update" AFTER UPDATE ON "token_usage_logs"
REFERENCING OLD TABLE AS "before" NEW TABLE AS "after"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_count_update"();

-- Deleting a row never frees budget: it leaves the count as a log and stays as an adjustment; an
-- open hold is charged in full.
CREATE FUNCTION "tokenctl_count_delete"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO "usage_deltas" ("scope_kind", "scope_name", "window_start", "model_used", "request_type", "tokens_in", "tokens_out", "used", "held", "requests", "failed", "denied")
  SELECT 'ai_type', r."counted_as", "tokenctl_hour"(r."counted_at_ms" / 3600000 * 3600000), r."model_used", r."request_type",
    -sum(c."tokens_in"), -sum(c."tokens_out"), -sum(c."used"), -sum(c."held"), -sum(c."requests"), -sum(c."failed"), -sum(c."denied")
  FROM "deleted" AS r
  CROSS JOIN LATERAL "tokenctl_count"(r."state", r."total_tokens", r."tokens_in", r."tokens_out", r."reserved_tokens", r."success", r."request_items", r."denied_count") AS c
  WHERE r."counted_at_ms" IS NOT NULL AND r."counted_as" IS NOT NULL
  GROUP BY r."counted_as", r."counted_at_ms" / 3600000, r."model_used", r."request_type";

  INSERT INTO "usage_adjustments" ("kind", "scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "requests", "failed", "denied", "reason", "created_at_ms")
  SELECT 'deleted', s."scope_kind", s."scope_name", s."window_kind", s."window_start",
    sum(c."tokens_in" + CASE WHEN r."state" = 'reserved' THEN least(greatest(r."reserved_input_tokens", 0), 1000000000000) ELSE 0 END),
    sum(c."tokens_out" + CASE WHEN r."state" = 'reserved' THEN c."held" - least(greatest(r."reserved_input_tokens", 0), c."held") ELSE 0 END),
    sum(c."used" + c."held"), sum(c."requests"), sum(c."failed"), sum(c."denied"),
    count(*) || ' log rows were deleted', floor(extract(epoch FROM clock_timestamp()) * 1000)
  FROM "deleted" AS r
  CROSS JOIN LATERAL "tokenctl_count"(r."state", r."total_tokens", r."tokens_in", r."tokens_out", r."reserved_tokens", r."success", r."request_items", r."denied_count") AS c
  CROSS JOIN LATERAL (SELECT "tokenctl_hour"(r."counted_at_ms") AS "start") AS h
  CROSS JOIN LATERAL (VALUES
    ('global', '', 'month', left(h."start", 7)), ('global', '', 'day', left(h."start", 10)), ('global', '', 'hour', h."start"),
    ('ai_type', r."counted_as", 'month', left(h."start", 7)), ('ai_type', r."counted_as", 'day', left(h."start", 10)), ('ai_type', r."counted_as", 'hour', h."start")
  ) AS s ("scope_kind", "scope_name", "window_kind", "window_start")
  WHERE r."counted_at_ms" IS NOT NULL AND r."counted_as" IS NOT NULL
  GROUP BY s."scope_kind", s."scope_name", s."window_kind", s."window_start";
  RETURN NULL;
END
$$;

CREATE TRIGGER "token_usage_logs_count_delete" AFTER DELETE ON "token_usage_logs"
REFERENCING OLD TABLE AS "deleted"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_count_delete"();

CREATE FUNCTION "tokenctl_apply_adjustments"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO "usage_deltas" ("scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "requests", "requests_reset", "failed", "denied")
  SELECT a."scope_kind", a."scope_name", a."window_kind", a."window_start", a."tokens_in", a."tokens_out", a."used",
    CASE WHEN a."reset_id" IS NULL THEN a."requests" ELSE 0 END,
    CASE WHEN a."reset_id" IS NULL THEN 0 ELSE a."requests" END,
    a."failed", a."denied"
  FROM "added" AS a;
  RETURN NULL;
END
$$;

CREATE TRIGGER "usage_adjustments_apply" AFTER INSERT ON "usage_adjustments"
REFERENCING NEW TABLE AS "added"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_apply_adjustments"();

CREATE FUNCTION "tokenctl_keep"() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are never taken away or rewritten', TG_OP, TG_TABLE_NAME
    USING HINT = 'tokenctl reset --undo, tokenctl limits and tokenctl db change them safely';
END
$$;

CREATE TRIGGER "usage_adjustments_keep" BEFORE UPDATE OR DELETE OR TRUNCATE ON "usage_adjustments"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_keep"();

CREATE TRIGGER "limit_revisions_keep" BEFORE UPDATE OR DELETE OR TRUNCATE ON "limit_revisions"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_keep"();

CREATE TRIGGER "token_usage_logs_keep" BEFORE TRUNCATE ON "token_usage_logs"
FOR EACH STATEMENT EXECUTE FUNCTION "tokenctl_keep"();

-- What each token_usage row must say, from the folded counts; each fold sets the rows that differ.
CREATE VIEW "token_usage_counted" AS
SELECT
  t."id" AS "id",
  t."month_year" AS "month_year",
  coalesce(w."tokens_in", 0) AS "tokens_in",
  coalesce(w."tokens_out", 0) AS "tokens_out",
  coalesce(w."used", 0) AS "total_tokens",
  greatest(w."requests" + w."requests_reset", 0) AS "request_count",
  coalesce(own."monthly", everyone."monthly") AS "monthly_limit",
  coalesce(round(100.0 * w."used" / nullif(coalesce(own."monthly", everyone."monthly"), 0), 2), 0)::double precision AS "usage_percentage",
  CASE
    WHEN w."used" >= coalesce(own."monthly", everyone."monthly") THEN 'limit_reached'
    WHEN w."used" >= coalesce(own."critical_at", everyone."critical_at") THEN 'critical'
    WHEN w."used" >= coalesce(own."warning_at", everyone."warning_at") THEN 'warning'
    ELSE 'active'
  END AS "status",
  (to_timestamp(w."last_request_at_ms" / 1000.0) AT TIME ZONE 'UTC')::timestamp(3) AS "last_request_at"
FROM "token_usage" AS t
LEFT JOIN "usage_windows" AS w
  ON w."window_start" = t."month_year" AND w."scope_kind" = 'ai_type' AND w."scope_name" = lower(btrim(t."ai_type")) AND w."window_kind" = 'month'
LEFT JOIN "scope_limits" AS own ON own."scope_kind" = 'ai_type' AND own."scope_name" = lower(btrim(t."ai_type"))
LEFT JOIN "scope_limits" AS everyone ON everyone."scope_kind" = 'global' AND everyone."scope_name" = '';

-- A month whose row another writer changed is set again by the next fold, also a past month: an empty
-- delta names it.
CREATE FUNCTION "tokenctl_usage_written"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO "usage_deltas" ("scope_kind", "scope_name", "window_kind", "window_start")
  SELECT DISTINCT 'global', '', 'month', w."month_year" FROM "written" AS w
  WHERE w."month_year" ~ '^[0-9]{4}-(0[1-9]|1[0-2])$';
  RETURN NULL;
END
$$;

CREATE TRIGGER "token_usage_inserted" AFTER INSERT ON "token_usage"
REFERENCING NEW TABLE AS "written"
FOR EACH STATEMENT WHEN (current_setting('tokenctl.folding', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION "tokenctl_usage_written"();

CREATE TRIGGER "token_usage_updated" AFTER UPDATE ON "token_usage"
REFERENCING NEW TABLE AS "written"
FOR EACH STATEMENT WHEN (current_setting('tokenctl.folding', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION "tokenctl_usage_written"();

CREATE TRIGGER "token_usage_deleted" AFTER DELETE ON "token_usage"
REFERENCING OLD TABLE AS "written"
FOR EACH STATEMENT WHEN (current_setting('tokenctl.folding', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION "tokenctl_usage_written"();

-- The counts as they are now: what is folded and what is not yet. Group by scope and window.
CREATE VIEW "usage_windows_now" AS
SELECT "scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "held", "requests", "requests_reset", "failed", "denied", "last_request_at_ms"
FROM "usage_windows"
UNION ALL
SELECT s."scope_kind", s."scope_name", s."window_kind", s."window_start", d."tokens_in", d."tokens_out", d."used", d."held", d."requests", d."requests_reset", d."failed", d."denied", d."last_request_at_ms"
FROM "usage_deltas" AS d
CROSS JOIN LATERAL (VALUES
  ('global', '', 'month', left(d."window_start", 7)), ('global', '', 'day', left(d."window_start", 10)), ('global', '', 'hour', d."window_start"),
  ('ai_type', d."scope_name", 'month', left(d."window_start", 7)), ('ai_type', d."scope_name", 'day', left(d."window_start", 10)), ('ai_type', d."scope_name", 'hour', d."window_start")
) AS s ("scope_kind", "scope_name", "window_kind", "window_start")
WHERE d."window_kind" IS NULL
UNION ALL
SELECT d."scope_kind", d."scope_name", d."window_kind", d."window_start", d."tokens_in", d."tokens_out", d."used", d."held", d."requests", d."requests_reset", d."failed", d."denied", d."last_request_at_ms"
FROM "usage_deltas" AS d
WHERE d."window_kind" IS NOT NULL;

-- Folds at most "most" deltas into usage_windows and usage_rollups, and sets token_usage. Call it
-- under the ledger's advisory lock. It never waits for a foreign transaction: a token_usage row that
-- one holds is skipped and set at the next fold.
CREATE FUNCTION "tokenctl_fold"("most" integer) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  "months" text[];
  "usual_timeout" text := current_setting('lock_timeout');
BEGIN
  -- Not an attribute of the function: only a superuser may give it one that the server does not know.
  PERFORM set_config('tokenctl.folding', 'on', true);
  WITH "taken" AS (
    DELETE FROM "usage_deltas"
    WHERE "id" IN (SELECT "id" FROM "usage_deltas" ORDER BY "id" LIMIT "most")
    RETURNING *
  ), "rolled" AS (
    INSERT INTO "usage_rollups" AS r ("hour_start", "ai_type", "model_used", "request_type", "tokens_in", "tokens_out", "used", "requests", "failed", "denied")
    SELECT t."window_start", t."scope_name", coalesce(t."model_used", ''), coalesce(t."request_type", ''),
      sum(t."tokens_in"), sum(t."tokens_out"), sum(t."used"), sum(t."requests"), sum(t."failed"), sum(t."denied")
    FROM "taken" AS t
    WHERE t."window_kind" IS NULL
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4
    ON CONFLICT ("hour_start", "ai_type", "model_used", "request_type") DO UPDATE SET
      "tokens_in" = r."tokens_in" + excluded."tokens_in",
      "tokens_out" = r."tokens_out" + excluded."tokens_out",
      "used" = r."used" + excluded."used",
      "requests" = r."requests" + excluded."requests",
      "failed" = r."failed" + excluded."failed",
      "denied" = r."denied" + excluded."denied"
  ), "counted" AS (
    INSERT INTO "usage_windows" AS w ("scope_kind", "scope_name", "window_kind", "window_start", "tokens_in", "tokens_out", "used", "held", "requests", "requests_reset", "failed", "denied", "last_request_at_ms")
    SELECT s."scope_kind", s."scope_name", s."window_kind", s."window_start", sum(t."tokens_in"), sum(t."tokens_out"), sum(t."used"), sum(t."held"),
      sum(t."requests"), sum(t."requests_reset"), sum(t."failed"), sum(t."denied"), max(t."last_request_at_ms")
    FROM "taken" AS t
    CROSS JOIN LATERAL (
      SELECT t."scope_kind" AS "scope_kind", t."scope_name" AS "scope_name", t."window_kind" AS "window_kind", t."window_start" AS "window_start"
      WHERE t."window_kind" IS NOT NULL
      UNION ALL
      SELECT v.* FROM (VALUES
        ('global', '', 'month', left(t."window_start", 7)), ('global', '', 'day', left(t."window_start", 10)), ('global', '', 'hour', t."window_start"),
        ('ai_type', t."scope_name", 'month', left(t."window_start", 7)), ('ai_type', t."scope_name", 'day', left(t."window_start", 10)), ('ai_type', t."scope_name", 'hour', t."window_start")
      ) AS v
      WHERE t."window_kind" IS NULL
    ) AS s
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4
    ON CONFLICT ("window_start", "scope_kind", "scope_name", "window_kind") DO UPDATE SET
      "tokens_in" = w."tokens_in" + excluded."tokens_in",
      "tokens_out" = w."tokens_out" + excluded."tokens_out",
      "used" = w."used" + excluded."used",
      "held" = w."held" + excluded."held",
      "requests" = w."requests" + excluded."requests",
      "requests_reset" = w."requests_reset" + excluded."requests_reset",
      "failed" = w."failed" + excluded."failed",
      "denied" = w."denied" + excluded."denied",
      "last_request_at_ms" = greatest(w."last_request_at_ms", excluded."last_request_at_ms")
    RETURNING w."window_kind", w."window_start"
  )
  SELECT array_agg(DISTINCT c."window_start") INTO "months" FROM "counted" AS c WHERE c."window_kind" = 'month';
  "months" := array_append("months", to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM'));

  IF EXISTS (
    SELECT 1 FROM "usage_windows" AS w
    WHERE w."window_start" = ANY ("months") AND w."scope_kind" = 'ai_type' AND w."window_kind" = 'month'
      AND NOT EXISTS (SELECT 1 FROM "token_usage" AS t WHERE t."ai_type" = w."scope_name" AND t."month_year" = w."window_start")
  ) THEN
    BEGIN
      PERFORM set_config('lock_timeout', '1ms', true);
      INSERT INTO "token_usage" ("ai_type", "month_year")
      SELECT w."scope_name", w."window_start" FROM "usage_windows" AS w
      WHERE w."window_start" = ANY ("months") AND w."scope_kind" = 'ai_type' AND w."window_kind" = 'month'
      ORDER BY 1, 2
      ON CONFLICT ("ai_type", "month_year") DO NOTHING;
    EXCEPTION WHEN lock_not_available THEN
      NULL;
    END;
    PERFORM set_config('lock_timeout', "usual_timeout", true);
  END IF;

  UPDATE "token_usage" AS t SET
    "tokens_in" = c."tokens_in", "tokens_out" = c."tokens_out", "total_tokens" = c."total_tokens", "request_count" = c."request_count",
    "monthly_limit" = c."monthly_limit", "usage_percentage" = c."usage_percentage", "status" = c."status", "last_request_at" = c."last_request_at",
    "updated_at" = clock_timestamp() AT TIME ZONE 'UTC'
  FROM "token_usage_counted" AS c
  WHERE c."id" = t."id"
    AND t."id" IN (
      SELECT f."id" FROM "token_usage" AS f WHERE f."month_year" = ANY ("months") ORDER BY f."id" FOR UPDATE SKIP LOCKED
    )
    AND (t."tokens_in", t."tokens_out", t."total_tokens", t."request_count", t."monthly_limit", t."usage_percentage", t."status", t."last_request_at")
      IS DISTINCT FROM (c."tokens_in", c."tokens_out", c."total_tokens", c."request_count", c."monthly_limit", c."usage_percentage", c."status", c."last_request_at");
  PERFORM set_config('tokenctl.folding', 'off', true);
END
$$;

-- Charges at most "most" due holds in full; how many it charged. A hold whose row a foreign
-- transaction has locked is left for the next call.
CREATE FUNCTION "tokenctl_expire"("now_ms" bigint, "most" integer) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  "now_at" timestamp := to_timestamp("now_ms" / 1000.0) AT TIME ZONE 'UTC';
  "charged" integer;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM "token_usage_logs" WHERE "state" = 'reserved' AND "expires_at" <= "now_at") THEN
    RETURN 0;
  END IF;
  UPDATE "token_usage_logs" SET
    "state" = 'expired',
    "tokens_in" = "reserved_input_tokens",
    "tokens_out" = "reserved_tokens" - "reserved_input_tokens",
    "total_tokens" = "reserved_tokens",
    "success" = false,
    "error_message" = 'expired: its holder never settled it, so the hold is charged in full',
    "settled_at" = "now_at",
    "charged_after_adjustment" = coalesce((SELECT max("id") FROM "usage_adjustments"), 0)
  WHERE "id" IN (
    SELECT "id" FROM "token_usage_logs"
    WHERE "state" = 'reserved' AND "expires_at" <= "now_at"
    ORDER BY "expires_at" LIMIT "most" FOR UPDATE SKIP LOCKED
  );
  GET DIAGNOSTICS "charged" = ROW_COUNT;
  RETURN "charged";
END
$$;
