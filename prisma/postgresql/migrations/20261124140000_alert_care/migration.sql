-- Care for alerts: who took one over, and silences.

-- AlterTable
ALTER TABLE "alerts" ADD COLUMN "acked_at_ms" BIGINT;
ALTER TABLE "alerts" ADD COLUMN "acked_by" TEXT;

-- CreateTable
CREATE TABLE "alert_silences" (
    "id" TEXT NOT NULL,
    "from_ms" BIGINT NOT NULL,
    "until_ms" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "actor" TEXT,

    CONSTRAINT "alert_silences_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "alert_silences_until_ms_idx" ON "alert_silences"("until_ms");
