-- Alerts: what was raised, and the outbox of their deliveries.
--
-- No version has written the table that the first migration made.
DROP INDEX "alerts_raised_at_ms_idx";
DROP TABLE "alerts";

-- CreateTable
CREATE TABLE "alerts" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "scope_kind" TEXT NOT NULL,
    "scope_name" TEXT NOT NULL,
    "window_kind" TEXT NOT NULL,
    "window_start" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "data" TEXT NOT NULL,
    "seen_at_ms" BIGINT NOT NULL,
    "raised_at_ms" BIGINT,
    "resolved_at_ms" BIGINT
);

CREATE INDEX "alerts_seen_at_ms_idx" ON "alerts"("seen_at_ms");

-- CreateTable
CREATE TABLE "alert_deliveries" (
    "alert_id" TEXT NOT NULL,
    "event" TEXT NOT NULL,
    "channel" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "tries" INTEGER NOT NULL DEFAULT 0,
    "next_try_at_ms" BIGINT NOT NULL,
    "last_error" TEXT,
    "delivered_at_ms" BIGINT,

    PRIMARY KEY ("alert_id", "event", "channel")
);

CREATE INDEX "alert_deliveries_state_next_try_at_ms_idx" ON "alert_deliveries"("state", "next_try_at_ms");
