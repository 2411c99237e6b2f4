import Database from 'better-sqlite3';
import { writtenTime } from '../src/ledger/values.ts';
import { systemRuntime } from '../src/platform/runtime.ts';

/**
 * The probe: the ledger's statements on the same tables and triggers, in a loop without queue,
 * decision or promise, in transactions of `batch`.
 */
export function barePairs(
  path: string,
  batch: number,
  forMs: number,
): { pairs: number; ms: number } {
  const database = new Database(path, { timeout: 0 });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  const due = database.prepare(
    `SELECT id FROM token_usage_logs WHERE state = 'reserved' AND expires_at <= ? ORDER BY expires_at LIMIT 256`,
  );
  const revision = database.prepare(
    'SELECT revision, settings FROM limit_revisions ORDER BY revision DESC LIMIT 1',
  );
  const windows = database.prepare(
    'SELECT * FROM usage_windows WHERE window_start = ? AND scope_kind = ? AND scope_name = ?',
  );
  const insert = database.prepare(
    `INSERT INTO token_usage_logs (id, ai_type, month_year, request_id, tokens_in, tokens_out, total_tokens,
       model_used, request_type, success, error_message, created_at, state, reserved_tokens, reserved_input_tokens,
       request_items, denied_count, expires_at, settled_at, idempotency_key, verdict, counted_at_ms, counted_as,
       charged_after_adjustment)
     VALUES (?, 'bench', ?, NULL, 0, 0, 0, NULL, 'sdk', 1, NULL, ?, 'reserved', 100, 80, 1, 1, ?, NULL, NULL, NULL, ?, 'bench',
       coalesce((SELECT max(id) FROM usage_adjustments), 0))`,
  );
  const update = database.prepare(
    `UPDATE token_usage_logs SET
       charged_after_adjustment = CASE WHEN state = 'reserved' THEN coalesce((SELECT max(id) FROM usage_adjustments), 0) ELSE charged_after_adjustment END,
       state = 'settled', tokens_in = 60, tokens_out = 12, total_tokens = 72, cache_creation_tokens = 0, cache_read_tokens = 0,
       success = 1, error_message = NULL, model_used = coalesce(NULL, model_used), settled_at = ?
     WHERE id = ? AND state = 'reserved'`,
  );
  const [begin, commit] = [database.prepare('BEGIN IMMEDIATE'), database.prepare('COMMIT')];
  const start = performance.now();
  let pairs = 0;
  while (performance.now() - start < forMs) {
    const nowMs = Date.now();
    const now = writtenTime(nowMs);
    const ids = Array.from({ length: batch }, () => systemRuntime.newId());
    begin.run();
    due.all(now);
    revision.get();
    for (const at of [
      now.slice(0, 7),
      now.slice(0, 10),
      `${now.slice(0, 10)}T${now.slice(11, 13)}`,
    ]) {
      windows.all(at, 'global', '');
    }
    const expires = writtenTime(nowMs + 600_000);
    for (const id of ids) {
      insert.run(id, now.slice(0, 7), now, expires, nowMs);
    }
    commit.run();
    begin.run();
    due.all(now);
    for (const id of ids) update.run(now, id);
    commit.run();
    pairs += batch;
  }
  const ms = performance.now() - start;
  database.close();
  return { pairs, ms };
}
