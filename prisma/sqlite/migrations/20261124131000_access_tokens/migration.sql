-- Who may use the gateway and the API, and why a model stopped.
ALTER TABLE "token_usage_logs" ADD COLUMN "stop_reason" TEXT;

-- CreateTable
CREATE TABLE "access_tokens" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "token_hash" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "ai_types" TEXT,
    "created_at_ms" BIGINT NOT NULL,
    "created_by" TEXT,
    "expires_at_ms" BIGINT,
    "revoked_at_ms" BIGINT,
    "last_used_at_ms" BIGINT
);

CREATE UNIQUE INDEX "access_tokens_token_hash_key" ON "access_tokens"("token_hash");
