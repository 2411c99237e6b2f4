import type { DatabaseTarget } from '../src/config/database.ts';
import { connectPostgres } from '../src/ledger/postgres.ts';
import { SQL } from '../src/ledger/postgres-statements.ts';
import { postgresTarget } from '../src/ledger/postgres-url.ts';
import { writtenTime } from '../src/ledger/values.ts';
import { systemRuntime } from '../src/platform/runtime.ts';

const NOW = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

/**
 * The probe: the ledger's statements on the same tables and triggers, on one connection, in a loop
 * without queue or decision, in transactions of `batch`.
 */
export async function barePairs(
  target: DatabaseTarget,
  batch: number,
  forMs: number,
): Promise<{ pairs: number; ms: number }> {
  const client = await connectPostgres(postgresTarget(target.url), 5_000);
  const begin = SQL.beginWrite(NOW, 256, 10_000);
  const column = <T>(value: T): T[] => Array.from({ length: batch }, () => value);
  const named = (name: string, text: string, values: unknown[]) =>
    client.query({ name, text, values });
  const start = performance.now();
  let pairs = 0;
  while (performance.now() - start < forMs) {
    const ids = Array.from({ length: batch }, () => systemRuntime.newId());
    const nowMs = Date.now();
    const now = writtenTime(nowMs);
    await client.query(begin);
    const starts = [now.slice(0, 7), now.slice(0, 10), `${now.slice(0, 10)}T${now.slice(11, 13)}`];
    await named('windows_of', SQL.windowsOf, [starts, []]);
    await named('insert_reserved', SQL.insertReserved, [
      ids,
      column('bench'),
      column(null),
      column(null),
      column('sdk'),
      column(100),
      column(80),
      column(1),
      column(writtenTime(nowMs + 600_000)),
      column(null),
      now,
      now.slice(0, 7),
      nowMs,
    ]);
    await client.query('COMMIT');
    await client.query(begin);
    await named('end_open', SQL.endOpenLogs, [
      ids,
      column('settled'),
      column(60),
      column(12),
      column(0),
      column(0),
      column(null),
      column(null),
      now,
    ]);
    await client.query('COMMIT');
    pairs += batch;
  }
  const ms = performance.now() - start;
  await client.end();
  return { pairs, ms };
}
