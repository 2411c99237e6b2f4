-- Denials, by the time that decides their windows: the newest are read often, and may lie behind a great many calls that were admitted.
CREATE INDEX "token_usage_logs_denied_idx" ON "token_usage_logs"("counted_at_ms", "id") WHERE "state" = 'denied';
