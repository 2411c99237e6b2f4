import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { openBehindProxy } from '../support/behind-proxy.ts';
import { guardOn, idOf, openBudget, tokens } from '../support/budget.ts';
import { timed } from '../support/timed.ts';
import type { Guard } from '../../src/guard/guard.ts';

const TIMEOUT_MS = 1_000;
const FLOOD = 30_000;
const QUEUED = 10_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Asks for it all at once: how many were refused for what, at most how late, and what memory is left taken. */
async function flood(guard: Guard) {
  const before = heapBytes();
  const codes: Record<string, number> = {};
  let busyAfterMs = 0;
  let slowestMs = 0;
  await Promise.all(
    Array.from({ length: FLOOD }, async () => {
      const [{ reasons }, tookMs] = await timed(guard.reserve(tokens(1)));
      const code = reasons[0]?.code ?? 'admitted';
      codes[code] = (codes[code] ?? 0) + 1;
      slowestMs = Math.max(slowestMs, tookMs);
      if (code === 'ledger_busy') busyAfterMs = Math.max(busyAfterMs, tookMs);
    }),
  );
  return { codes, busyAfterMs, slowestMs, keptBytes: heapBytes() - before };
}

describe('30,000 reserves at once on a ledger that is', () => {
  it.each([
    'a locked SQLite file',
    'a PostgreSQL server that refuses',
    'a silent PostgreSQL server',
  ])(
    '%s: 10,000 wait and are denied in time, the rest is refused at once, and memory is given back',
    async (what) => {
      const { guard, heal } = await brokenLedger(what);
      const { codes, busyAfterMs, slowestMs, keptBytes } = await flood(guard);
      expect(codes).toEqual({ ledger_busy: FLOOD - QUEUED, ledger_unavailable: QUEUED });
      // At once: before those that wait are denied. They are denied within four times their time-out.
      expect(busyAfterMs).toBeLessThan(slowestMs);
      expect(slowestMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 10);
      expect(slowestMs).toBeLessThan(4 * TIMEOUT_MS + 2_000);
      expect(keptBytes).toBeLessThan(8_000_000);
      heal();
      idOf(await guard.reserve(tokens(1)));
    },
  );
});

/** A ledger that was in use, and is broken now. */
async function brokenLedger(what: string): Promise<{ guard: Guard; heal: () => void }> {
  if (what === 'a locked SQLite file') {
    const { target, clock } = await openBudget('sqlite');
    const { guard } = await guardOn(target, clock, TIMEOUT_MS);
    const other = new Sqlite(target.url);
    other.exec('BEGIN IMMEDIATE');
    return { guard, heal: () => other.exec('COMMIT').close() };
  }
  const { proxy, guard } = await openBehindProxy(TIMEOUT_MS);
  proxy.mode = what === 'a silent PostgreSQL server' ? 'silent' : 'refuses';
  proxy.cut();
  return { guard, heal: () => (proxy.mode = 'passes') };
}

describe('callers that try again at once when they are refused as busy', () => {
  it('do not keep the event loop from those that wait', async () => {
    const { guard, heal } = await brokenLedger('a locked SQLite file');
    const end = performance.now() + 4 * TIMEOUT_MS;
    const waiting = Array.from({ length: QUEUED }, () => guard.reserve(tokens(1)));
    let busy = 0;
    const impatient = async (): Promise<void> => {
      while (performance.now() < end) {
        const { reasons } = await guard.reserve(tokens(1));
        if (reasons[0]?.code !== 'ledger_busy') return;
        busy += 1;
      }
    };
    const trying = Promise.all(Array.from({ length: 10 }, impatient));
    const [, tookMs] = await timed(Promise.all(waiting));
    expect(busy).toBeGreaterThan(100);
    expect(tookMs).toBeLessThan(3 * TIMEOUT_MS);
    heal();
    await trying;
  });
});
