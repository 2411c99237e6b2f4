import { statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { counts, everywhere, idOf, openBudget, tokens } from '../support/budget.ts';
import { timed } from '../support/timed.ts';

/** SQLite tries a checkpoint whenever the WAL has 1,000 pages of 4,096 bytes. */
const CHECKPOINT_BYTES = 1_000 * 4_120;
/** What the ledger lets it keep. */
const WAL_BYTES = 8 * 2 ** 20;

describe('a reader that keeps its snapshot of the SQLite file for long', () => {
  it('stops no reserve; once it has gone the WAL is cut, and used again from its start', async () => {
    const { target, app, guard } = await openBudget('sqlite');
    const walBytes = () => statSync(`${target.url}-wal`).size;
    let slowestMs = 0;
    let made = 0;
    const reserveUntil = async (done: () => boolean) => {
      for (const last = made + 3_000; !done() && made < last; made += 1) {
        const [verdict, tookMs] = await timed(guard.reserve(tokens(1)));
        idOf(verdict);
        slowestMs = Math.max(slowestMs, tookMs);
      }
      expect(done()).toBe(true);
    };
    await reserveUntil(() => made === 10);
    const reader = new Sqlite(target.url, { readonly: true });
    onTestFinished(() => {
      reader.close();
    });
    const seen = reader.prepare('SELECT count(*) FROM token_usage_logs').pluck();
    reader.exec('BEGIN');
    expect(seen.get()).toBe(10);
    // No checkpoint can begin it anew.
    await reserveUntil(() => walBytes() > WAL_BYTES + CHECKPOINT_BYTES / 2);
    expect(seen.get()).toBe(10);
    reader.exec('COMMIT');
    const before = made;
    const mainBytes = statSync(target.url).size;
    await reserveUntil(() => made === before + 1_000);
    expect(walBytes()).toBeLessThanOrEqual(WAL_BYTES);
    expect(statSync(target.url).size).toBeGreaterThan(mainBytes);
    expect(slowestMs).toBeLessThan(3_000);
    expect(await counts(app)).toEqual(everywhere(0, made));
  });
});
