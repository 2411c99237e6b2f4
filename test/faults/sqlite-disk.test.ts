import { execFileSync } from 'node:child_process';
import type Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Guard } from '../../src/guard/guard.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openSqlite } from '../../src/ledger/sqlite.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, idOf, openBudget, sql, tokens, type Budget } from '../support/budget.ts';
import type { Churned } from '../support/churn.d.mts';
import { churn } from '../support/churn.mjs';
import { expectKept } from '../support/kept.ts';
import { startBackend, until, type Backend } from '../support/processes.ts';

/** From now on the process can't write beyond so many bytes of any file, as on a disk that is full. */
function limitFileSize({ pid }: Backend, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
}

describe('a disk without room for the SQLite file', () => {
  it('of one of two processes: it denies and goes on by itself when there is room, the other is not disturbed', async () => {
    const budget = await openBudget('sqlite', { start: new Date().toISOString() });
    const other = await budget.another(systemRuntime, 10_000);
    const backend = await startBackend(budget.target, { timeoutMs: 10_000 });
    let going = true;
    const work = { tokens: 10, callers: 4 };
    const running = [
      backend.ask<Churned>({ do: 'churn', ...work }),
      churn(other.guard, { ...work, goOn: () => going }),
    ];
    const untilMore = async () => {
      const rows = async () => (await sql(budget.target, 'SELECT id FROM token_usage_logs')).length;
      const before = await rows();
      await until(async () => (await rows()) > before + 50);
    };
    for (const room of [4_096, 50_000, 150_000]) {
      await untilMore();
      limitFileSize(backend, room);
      await untilMore();
      limitFileSize(backend, 'unlimited');
    }
    await untilMore();
    going = false;
    backend.signal('SIGUSR2');
    const told = await Promise.all(running);
    await expectKept(budget, told, 10);
    const [backendTold, otherTold] = told;
    expect(Object.keys(backendTold!.refusals)).toEqual(['ledger_unavailable']);
    expect(backendTold!.messages.join()).toMatch(/can't be written|disk is full/);
    expect(otherTold!.refusals).toEqual({});
    for (const { slowestMs, stalledMs, reserved } of told) {
      expect(reserved.length).toBeGreaterThan(20);
      expect(slowestMs).toBeLessThan(10_000);
      expect(stalledMs).toBeLessThan(1_000);
    }
  });

  it('refuses at once what must be written, serves what is only read, and needs no restart', async () => {
    const budget = await openBudget('sqlite', { start: new Date().toISOString() });
    const backend = await startBackend(budget.target);
    const spend = { do: 'spend', tokens: 10, callers: 3, most: 1 } as const;
    const { ids } = await backend.ask<{ ids: string[] }>(spend);
    limitFileSize(backend, 4_096);
    const denied = await backend.ask<{ ids: string[]; codes: object; slowestMs: number }>(spend);
    expect(denied).toMatchObject({ ids: [], codes: { ledger_unavailable: 3 } });
    expect(denied.slowestMs).toBeLessThan(2_000);
    const settle = { do: 'end', endings: [{ id: ids[0], input: 4, output: 0 }] } as const;
    expect(await backend.ask(settle)).toEqual([{ id: ids[0], code: 'ledger_unavailable' }]);
    const status = await backend.ask<{ windows: unknown[] }>({ do: 'status' });
    expect(status.windows[0]).toMatchObject({ used: 0, held: 30 });
    limitFileSize(backend, 'unlimited');
    expect(await backend.ask(settle)).toEqual([{ id: ids[0], state: 'settled', charged: 4 }]);
    expect((await backend.ask<{ ids: string[] }>(spend)).ids).toHaveLength(3);
    expect((await counts(budget.app))['month']).toEqual([4, 50]);
  });

  it('says that the disk is full, and keeps all that was acknowledged', async () => {
    const { budget, database, guard } = await openBounded();
    const id = idOf(await guard.reserve(tokens(1)));
    const held = 1 + (await fill(database, guard));
    const denied = await Promise.all(Array.from({ length: 300 }, () => guard.reserve(tokens(1))));
    for (const { reasons } of denied) {
      const message = expect.stringContaining("can't grow: the disk is full") as string;
      expect(reasons).toMatchObject([{ code: 'ledger_unavailable', message }]);
    }
    expect((await guard.check(tokens(1))).admitted).toBe(true);
    expect((await counts(budget.app))['month']).toEqual([0, held]);
    database.pragma('max_page_count = 1000000');
    idOf(await guard.reserve(tokens(1)));
    await guard.settle(id, { inputTokens: 3, outputTokens: 0 });
    expect((await counts(budget.app))['month']).toEqual([3, held]);
  });

  it('lets everything else run, also while callers that were denied try again at once', async () => {
    const { database, guard } = await openBounded();
    await fill(database, guard);
    const end = performance.now() + 1_000;
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 10);
    const caller = async (): Promise<void> => {
      while (performance.now() < end) expect((await guard.reserve(tokens(1))).admitted).toBe(false);
    };
    await Promise.all(Array.from({ length: 1_000 }, caller));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
  });
});

interface Bounded {
  readonly budget: Budget;
  readonly guard: Guard;
  /** The guard's own connection: its `max_page_count` is the room that it has. */
  readonly database: Sqlite.Database;
}

async function openBounded(): Promise<Bounded> {
  const budget = await openBudget('sqlite', { start: new Date().toISOString() });
  const opened: Sqlite.Database[] = [];
  const connection = openSqlite({
    path: budget.target.url,
    runtime: systemRuntime,
    onOpen: (database) => opened.push(database),
  });
  const ledger = new Ledger({ connection, runtime: systemRuntime });
  onTestFinished(() => ledger.close());
  const config = { estimator: 'words', cacheReadPercent: 100, requestType: 'sdk' } as const;
  return { budget, guard: new Guard(ledger, systemRuntime, config), database: opened[0]! };
}

/** Takes all room, and reserves until SQLite answers SQLITE_FULL, as it does for ENOSPC; how often that was admitted. */
async function fill(database: Sqlite.Database, guard: Guard): Promise<number> {
  database.pragma(`max_page_count = ${String(database.pragma('page_count', { simple: true }))}`);
  for (let admitted = 0; admitted < 500; admitted += 1) {
    if (!(await guard.reserve(tokens(1))).admitted) return admitted;
  }
  throw new Error('there was room for 500 reservations');
}
