import { execFileSync } from 'node:child_process';
import type Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Guard } from '../../src/guard/guard.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openSqlite } from '../../src/ledger/sqlite.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { counts, idOf, openBudget, sql, tokens } from '../support/budget.ts';
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
    const { target, app } = await openBudget('sqlite', { start: new Date().toISOString() });
    let database: Sqlite.Database | undefined;
    const connection = openSqlite({
      path: target.url,
      runtime: systemRuntime,
      onOpen: (opened) => (database = opened),
    });
    const ledger = new Ledger({ connection, runtime: systemRuntime, timeoutMs: 5_000 });
    onTestFinished(() => ledger.close());
    const guard = new Guard(ledger, systemRuntime, {
      estimator: 'words',
      cacheReadPercent: 100,
      requestType: 'sdk',
    });
    const id = idOf(await guard.reserve(tokens(1)));
    // SQLite itself answers SQLITE_FULL at this size, as it does for ENOSPC.
    database!.pragma(
      `max_page_count = ${String(database!.pragma('page_count', { simple: true }))}`,
    );
    let held = 1;
    let verdict = await guard.reserve(tokens(1));
    for (; verdict.admitted && held < 500; held += 1) verdict = await guard.reserve(tokens(1));
    expect(verdict.reasons).toMatchObject([
      {
        code: 'ledger_unavailable',
        message: expect.stringContaining('the disk is full') as string,
      },
    ]);
    const more = await Promise.all(Array.from({ length: 300 }, () => guard.reserve(tokens(1))));
    expect(more.filter(({ admitted }) => admitted)).toEqual([]);
    expect((await guard.check(tokens(1))).admitted).toBe(true);
    expect((await counts(app))['month']).toEqual([0, held]);
    database!.pragma('max_page_count = 1000000');
    idOf(await guard.reserve(tokens(1)));
    await guard.settle(id, { inputTokens: 3, outputTokens: 0 });
    expect((await counts(app))['month']).toEqual([3, held]);
  });
});
