import { beforeEach, describe, expect, it } from 'vitest';
import {
  guardOn,
  idOf,
  openBudget,
  sql,
  tokens,
  type Budget,
  type Row,
} from '../support/budget.ts';
import { temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { startBackends, until } from '../support/processes.ts';
import { step } from '../../src/ledger/steps.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

/** The month and day of a row in each of some months that are over, whenever the test runs. */
const OLD = ['2025-01', '2025-02', '2025-03'] as const;

/** Counted, failed and denied rows of two AI types in three months, one of them reset, and one open reservation. */
async function usedBudget(kind: (typeof DATABASES)[number]): Promise<Budget> {
  const budget = await openBudget(kind, { start: '2025-01-15T10:00:00Z' });
  const { guard, clock, app, target } = budget;
  for (const month of OLD) {
    clock.set(`${month}-15T10:00:00Z`);
    for (const aiType of ['imperium', 'guardian']) {
      const id = idOf(await guard.reserve(tokens(100, 20, aiType)));
      await guard.settle(id, { inputTokens: 70, outputTokens: 10, model: 'large' });
      const lost = idOf(await guard.reserve(tokens(30, 0, aiType)));
      await guard.settle(lost, { unknown: true, error: 'no answer' });
      clock.advance(3_600_000);
    }
    expect((await guard.reserve(tokens(2_000_000))).admitted).toBe(false);
    if (month === '2025-02') {
      await app.reset({
        aiTypes: ['guardian'],
        window: 'month',
        toTokens: 0,
        actor: null,
        reason: 'test',
        dryRun: false,
      });
    }
    const values = "('foreign', '2025', 5, 0, 5, ?)";
    await sql(
      target,
      `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at) VALUES ${values}`,
      [`${month}-20 00:00:00`],
    );
  }
  return budget;
}

const TABLES = {
  usage_rollups: 'hour_start, ai_type, model_used, request_type',
  usage_windows: 'window_start, scope_kind, scope_name, window_kind',
};

/** Every count and rollup, all deltas folded. */
async function everyCount({ app, target }: Budget): Promise<Row[][]> {
  await app.ledger.write(function* (ops) {
    yield* step(ops.foldAll());
  });
  const usage = sql(
    target,
    'SELECT ai_type, month_year, tokens_in, tokens_out, total_tokens, request_count, last_request_at FROM token_usage ORDER BY month_year, ai_type',
  );
  const counts = Object.entries(TABLES).map(([table, order]) =>
    sql(target, `SELECT * FROM ${table} ORDER BY ${order}`),
  );
  return Promise.all([usage, ...counts]);
}

async function rows({ target }: Budget): Promise<number> {
  const [row] = await sql(target, 'SELECT count(*) AS n FROM token_usage_logs');
  return Number(row?.['n']);
}

describe.each(DATABASES)('db prune on %s', (kind) => {
  const prune = ({ target }: Budget, ...args: string[]): Promise<CliResult> =>
    cli.run(['db', 'prune', '--database', target.url, ...args]);

  it('deletes the rows of the months before, and no count changes', async () => {
    const budget = await usedBudget(kind);
    const before = await everyCount(budget);
    const month = (name: string): Promise<CliResult> =>
      cli.run(['status', '--month', name, '--json', '--database', budget.target.url]);
    const shown = JSON.parse((await month('2025-02')).stdout) as {
      windows: unknown;
      aiTypes: unknown;
    };

    const dry = await prune(budget, '--before', '2025-03', '--dry-run', '--json');
    expect(JSON.parse(dry.stdout)).toEqual({
      before: '2025-03',
      dryRun: true,
      rows: 12,
      deleted: 0,
      openKept: 0,
      months: ['2025-01', '2025-02'].flatMap((name) => [
        { month: name, aiType: 'foreign', rows: 1 },
        { month: name, aiType: 'guardian', rows: 2 },
        { month: name, aiType: 'imperium', rows: 3 },
      ]),
    });
    expect(await rows(budget)).toBe(18);

    const done = await prune(budget, '--before', '2025-03', '--yes', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({ dryRun: false, rows: 12, deleted: 12 });
    expect(done.code).toBe(0);
    expect(await rows(budget)).toBe(6);
    expect(await everyCount(budget)).toEqual(before);
    const { windows, aiTypes } = JSON.parse((await month('2025-02')).stdout) as typeof shown;
    expect({ windows, aiTypes }).toEqual({ windows: shown.windows, aiTypes: shown.aiTypes });
    const verified = await cli.run(['db', 'verify', '--database', budget.target.url]);
    expect([verified.code, verified.stderr]).toEqual([0, '']);

    const again = await prune(budget, '--before', '2025-03', '--yes');
    expect([again.code, again.stdout]).toEqual([
      0,
      'Nothing to delete: there are no log rows before 2025-03.\n',
    ]);
  });

  it('leaves a reset undoable to the very numbers', async () => {
    const budget = await usedBudget(kind);
    expect((await prune(budget, '--before', '2025-04', '--yes')).code).toBe(0);
    await budget.app.undoReset(1, { actor: null, reason: null, dryRun: false });
    const { aiTypes } = await budget.app.status({ month: '2025-02' });
    expect(aiTypes.find(({ aiType }) => aiType === 'guardian')).toMatchObject({
      used: 110,
      requests: 2,
      failed: 1,
    });
  });

  it('keeps open reservations, which then end as ever, and charges those past their time', async () => {
    const budget = await openBudget(kind, { start: '2025-01-31T23:59:00Z' });
    const { guard, app, target } = budget;
    const open = idOf(await guard.reserve(tokens(100)));
    await guard.release(idOf(await guard.reserve(tokens(50))));
    idOf(await guard.reserve(tokens(7)));
    // The command's clock is the real one.
    await sql(target, 'UPDATE token_usage_logs SET expires_at = ? WHERE id = ?', [
      '2999-01-01 00:00:00.000000',
      open,
    ]);
    const result = await prune(budget, '--before', '2025-02', '--yes', '--json');
    expect(JSON.parse(result.stdout)).toMatchObject({ rows: 2, deleted: 2, openKept: 1 });
    await guard.settle(open, { inputTokens: 60, outputTokens: 0 });
    expect(await rows(budget)).toBe(1);
    const [month] = (await app.status({ month: '2025-01' })).windows;
    expect(month).toMatchObject({ used: 67, held: 0, requests: 3, failed: 1 });
  });

  it('needs a confirmation, and only takes closed months', async () => {
    const budget = await usedBudget(kind);
    const unconfirmed = await prune(budget, '--before', '2025-02');
    expect(unconfirmed.code).toBe(5);
    expect(unconfirmed.stderr).toMatch(/needs --yes/);
    const now = new Date(systemRuntime.nowMs());
    const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
    for (const [args, problem] of [
      [[], /--before: is needed/],
      [['--before', '2025-13', '--yes'], /--before: "2025-13" is no month/],
      [['--before', next.toISOString().slice(0, 7), '--yes'], /--before: only closed months/],
    ] as const) {
      const { code, stderr, stdout } = await prune(budget, ...args);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(problem);
    }
    expect(await rows(budget)).toBe(18);
  });

  it('lets admissions go on between its chunks', async () => {
    const budget = await openBudget(kind);
    const { target } = budget;
    const row = (index: number): string =>
      `('old', 1, 1, '2025-02-${String(1 + (index % 28)).padStart(2, '0')} 05:00:00')`;
    for (let chunk = 0; chunk < 8; chunk += 1) {
      const values = Array.from({ length: 1_000 }, (_, index) => row(index)).join(', ');
      await sql(
        target,
        `INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens, created_at) VALUES ${values}`,
      );
    }
    const backends = await startBackends(2, target);
    const churns = backends.map((backend) =>
      backend.ask<{ admitted: number }>({ do: 'churn', tokens: 1, callers: 2 }),
    );
    const { app } = await guardOn(target, systemRuntime, 5_000);
    const admitted = async (): Promise<number> => (await app.status()).windows[0]?.requests ?? 0;
    await until(async () => (await admitted()) > 0);
    const earlier = await admitted();
    const pruned = await prune(budget, '--before', '2025-03', '--yes', '--json');
    expect(JSON.parse(pruned.stdout)).toMatchObject({ deleted: 8_000 });
    expect(await admitted()).toBeGreaterThan(earlier + 20);
    for (const backend of backends) backend.signal('SIGUSR2');
    await Promise.all(churns);
    const [old] = (await app.status({ month: '2025-02' })).windows;
    expect(old).toMatchObject({ used: 8_000, requests: 8_000 });
  });
});
