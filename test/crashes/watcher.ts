/**
 * A watcher of the test's own in the database: it sees every commit from inside, so no overshoot, be
 * it ever so short, goes by between two looks. It writes down each window that stands above its
 * limit at a commit, and each change of a reservation's state.
 */
import type { DatabaseTarget } from '../../src/config/database.ts';
import { query, type Row } from '../support/counts.ts';

export interface WatchedLimit {
  /** Null is the global scope. */
  readonly aiType: string | null;
  readonly window: 'month' | 'day' | 'hour';
  readonly tokens: number;
}

const TABLES = [
  `CREATE TABLE crash_limits (scope_kind TEXT, scope_name TEXT, window_kind TEXT, most BIGINT)`,
  `CREATE TABLE crash_overshoots (scope_name TEXT, window_start TEXT, used BIGINT, held BIGINT, most BIGINT)`,
  `CREATE TABLE crash_changes (log_id TEXT, was TEXT, became TEXT)`,
];

const WATCHERS: Record<DatabaseTarget['kind'], string[]> = {
  // Deferred, so it runs inside COMMIT, still under the ledger's lock; once for each transaction.
  postgresql: [
    `CREATE FUNCTION crash_watch() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF current_setting('crash.watched', true) = pg_current_xact_id()::text THEN RETURN NULL; END IF;
       PERFORM set_config('crash.watched', pg_current_xact_id()::text, true);
       INSERT INTO crash_overshoots
       SELECT scope_name, window_start, used, held, most
       FROM (
         SELECT scope_kind, scope_name, window_kind, window_start, sum(used) AS used, sum(held) AS held
         FROM usage_windows_now GROUP BY 1, 2, 3, 4
       ) AS w JOIN crash_limits USING (scope_kind, scope_name, window_kind)
       WHERE used + held > most;
       RETURN NULL;
     END $$`,
    `CREATE CONSTRAINT TRIGGER crash_watch AFTER INSERT OR UPDATE ON token_usage_logs
     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crash_watch()`,
    `CREATE FUNCTION crash_change() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO crash_changes VALUES (NEW.id, OLD.state, NEW.state);
       RETURN NULL;
     END $$`,
    `CREATE TRIGGER crash_change AFTER UPDATE ON token_usage_logs FOR EACH ROW
     WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION crash_change()`,
  ],
  // At each statement: a batch ends and expires before it admits, so none stands higher than its last.
  sqlite: [
    ...['INSERT', 'UPDATE'].map(
      (event) => `CREATE TRIGGER crash_watch_${event} AFTER ${event} ON usage_windows
       BEGIN
         INSERT INTO crash_overshoots
         SELECT NEW.scope_name, NEW.window_start, NEW.used, NEW.held, most FROM crash_limits
         WHERE scope_kind = NEW.scope_kind AND scope_name = NEW.scope_name AND window_kind = NEW.window_kind
           AND NEW.used + NEW.held > most;
       END`,
    ),
    `CREATE TRIGGER crash_change AFTER UPDATE ON token_usage_logs WHEN OLD.state <> NEW.state
     BEGIN
       INSERT INTO crash_changes VALUES (NEW.id, OLD.state, NEW.state);
     END`,
  ],
};

/** Sets the watcher up in a migrated database. */
export async function watch(
  target: DatabaseTarget,
  limits: readonly WatchedLimit[],
): Promise<void> {
  for (const statement of [...TABLES, ...WATCHERS[target.kind]]) await query(target, statement);
  for (const { aiType, window, tokens } of limits) {
    const scope = aiType === null ? `'global', ''` : `'ai_type', '${aiType}'`;
    await query(target, `INSERT INTO crash_limits VALUES (${scope}, '${window}', ${tokens})`);
  }
}

/** The windows that stood above their limit, as text. */
export async function overshoots(target: DatabaseTarget): Promise<string[]> {
  const rows = await query(target, 'SELECT DISTINCT * FROM crash_overshoots');
  return rows.map(
    (row) =>
      `${text(row, 'scope_name') || 'global'} ${text(row, 'window_start')}: ${text(row, 'used')} used + ${text(row, 'held')} held > ${text(row, 'most')}`,
  );
}

/** How each reservation changed its state, such as `reserved>settled`, sorted, by id. */
export async function changesOf(target: DatabaseTarget): Promise<Map<string, string[]>> {
  const changes = new Map<string, string[]>();
  for (const row of await query(target, 'SELECT * FROM crash_changes')) {
    const id = text(row, 'log_id');
    const change = `${text(row, 'was')}>${text(row, 'became')}`;
    changes.set(id, [...(changes.get(id) ?? []), change].toSorted());
  }
  return changes;
}

function text(row: Row, column: string): string {
  return String(row[column]);
}
