import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { foreignLog, sql } from '../support/budget.ts';
import { DATABASES, emptyDatabase, openTestApp, type DatabaseName } from '../support/databases.ts';
import { temporaryDirectory } from '../support/sqlite.ts';
import { findWrongs, type Findings } from './checks.ts';
import { Journals } from './journal.ts';
import { POINTS } from './plan.ts';
import { wrongs } from './report.ts';
import { crashRun, prepare } from './run.ts';
import { liveAndDie } from './supervisor.ts';
import { overshoots } from './watcher.ts';

describe.each(DATABASES)('processes that are killed on %s', (kind) => {
  it('40 times, at random and at each named point, overspend nothing, leak nothing and lose nothing', async () => {
    const report = await crashRun({
      target: await emptyDatabase(kind),
      directory: temporaryDirectory(),
      kills: 40,
      processes: 4,
      seed: 1,
    });
    expect(wrongs(report)).toEqual([]);
    const times = (at: string): number => report.died.filter((death) => death.at === at).length;
    expect(times('random')).toBe(20);
    for (const point of POINTS) expect(times(point), point).toBeGreaterThanOrEqual(3);
    expect(report.calls.length).toBeGreaterThan(40);
    expect(report.states['settled']).toBeGreaterThan(20);
    expect(report.states['expired']).toBeGreaterThan(10);
    expect(report.repeated).toBeGreaterThan(0);
    expect(report.denied).toBeGreaterThan(0);
  }, 90_000);
});

it('a worker that ends otherwise than by its kill is a finding', async () => {
  const target = await emptyDatabase('sqlite');
  const { died, failures } = await liveAndDie({
    target,
    directory: temporaryDirectory(),
    deaths: [
      { at: 'before COMMIT', passage: 1 },
      { at: 'random', after: 'ready', delayMs: 1_000 },
    ],
    processes: 1,
  });
  expect(died).toEqual([]);
  expect(failures).toEqual([
    expect.stringContaining('worker 0 (before COMMIT): ended by itself (1)'),
    expect.stringContaining('there is no database'),
  ]);
});

const ID = '0193a000-0000-7000-8000-00000000000';
const NOTHING: Findings = { over: [], leaked: [], lost: [], wronglyEnded: [], doubled: [] };

interface Looked {
  readonly app: App;
  readonly target: DatabaseTarget;
  /** What a run with this journal would find here. */
  readonly look: (...journal: readonly string[]) => Promise<Findings>;
}

async function openLooked(kind: DatabaseName): Promise<Looked> {
  const target = await emptyDatabase(kind);
  await prepare(target);
  const app = await openTestApp(target);
  onTestFinished(() => app.close());
  const file = join(temporaryDirectory(), 'a.journal');
  const look = (...journal: readonly string[]): Promise<Findings> => {
    // The last line was cut short by the death.
    writeFileSync(file, [...journal, `ended ${ID}1 settled 2`].join('\n'));
    const journals = new Journals();
    journals.read(file);
    return findWrongs(app, target, journals, 0);
  };
  return { app, target, look };
}

/** A reservation as the ledger writes one, of 60 tokens. */
async function reserve(
  target: DatabaseTarget,
  number: number,
  expiresAt = '2100-01-01 00:00:00',
): Promise<void> {
  await sql(
    target,
    `INSERT INTO token_usage_logs (id, ai_type, month_year, state, reserved_tokens, reserved_input_tokens, expires_at)
     VALUES ('${ID}${number}', 'imperium', '2026-11', 'reserved', 60, 60, '${expiresAt}')`,
  );
}

async function end(
  target: DatabaseTarget,
  number: number,
  state: string,
  tokens: number,
): Promise<void> {
  await sql(
    target,
    `UPDATE token_usage_logs SET state = '${state}', tokens_in = ${tokens}, total_tokens = ${tokens} WHERE id = '${ID}${number}'`,
  );
}

describe.each(DATABASES)('the checks after a crash run on %s', (kind) => {
  it('see a window that stood above its limit, also where it no longer does', async () => {
    const { app, target } = await openLooked(kind);
    const now = new Date().toISOString().replace('T', ' ').slice(0, 19);
    await foreignLog(target, now, 1_000);
    expect(await overshoots(target)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('global')]),
    );
    await foreignLog(target, now, 1);
    const reset = { actor: 'test', reason: 'test', dryRun: false };
    await app.reset({ ...reset, aiTypes: [], window: 'all' });
    const seen = (await overshoots(target)).filter((window) => window.startsWith('global'));
    expect(seen).toHaveLength(3);
    for (const window of seen) expect(window).toContain('1001 used + 0 held > 1000');
  });

  it('accept what was journaled and ended once', async () => {
    const { target, look } = await openLooked(kind);
    await reserve(target, 1);
    await end(target, 1, 'expired', 60);
    await end(target, 1, 'settled', 20);
    expect(await look(`calling ${ID}1 60 20 -`, `ended ${ID}1 settled 20`)).toEqual(NOTHING);
  });

  it('see a hold that is left, and a count that is not the sum of its rows', async () => {
    const { target, look } = await openLooked(kind);
    await reserve(target, 1);
    const { leaked } = await look(`calling ${ID}1 60 20 -`);
    expect(leaked).toEqual([`${ID}1 (reserved, 0 of 60)`]);
    await sql(target, `UPDATE usage_windows SET held = held - 60 WHERE window_kind = 'hour'`);
    expect((await look(`calling ${ID}1 60 20 -`)).leaked).toHaveLength(2);
  });

  it('see a call that has no reservation, and an ending that is not in the ledger', async () => {
    const { target, look } = await openLooked(kind);
    await reserve(target, 1);
    await end(target, 1, 'expired', 60);
    const { lost } = await look(
      ...[`calling ${ID}1 60 20 -`, `calling ${ID}2 60 20 -`],
      ...[`ended ${ID}1 settled 20`],
    );
    expect(lost).toEqual([`call of ${ID}2`, `${ID}1, settled with 20`]);
  });

  it.each([
    ['ended twice', ['settled', 'released'], 0],
    ['freed by its time', ['expired'], 0],
    ['charged what the call did not cost', ['settled'], 21],
    ['released though it was called', ['released'], 0],
  ])('see a reservation that was %s', async (_, states, tokens) => {
    const { target, look } = await openLooked(kind);
    await reserve(target, 1);
    for (const state of states) await end(target, 1, state, tokens);
    expect((await look(`calling ${ID}1 60 20 -`)).wronglyEnded).toHaveLength(1);
  });

  it('see a key that called under two reservations, and rows that nobody asked for', async () => {
    const { target, look } = await openLooked(kind);
    for (const number of [1, 2]) {
      await reserve(target, number);
      await end(target, number, 'settled', 20);
    }
    const { doubled } = await look(`calling ${ID}1 60 20 once`, `calling ${ID}2 60 20 once`);
    expect(doubled).toEqual([`key once: ${ID}1 ${ID}2`]);
    expect((await look(`calling ${ID}1 60 20 -`)).doubled).toEqual([`${ID}2`]);
  });
});
