-- Reservations that expired, by the time that decides their windows. A metric adds them up from this index alone.
CREATE INDEX "token_usage_logs_expired_idx" ON "token_usage_logs"("counted_at_ms", "counted_as", "request_items") WHERE "state" = 'expired';
