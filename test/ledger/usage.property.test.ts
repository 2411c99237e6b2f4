import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { USAGE_GROUPS, usageQuery, type UsageRequest } from '../../src/budget/usage-query.ts';
import { isoTime } from '../../src/budget/windows.ts';
import { step } from '../../src/ledger/steps.ts';
import { isAny, NOTHING, plus, type UsageAmounts } from '../../src/ledger/usage-amounts.ts';
import type { UsageReport, UsageRow } from '../../src/ledger/usage.ts';
import { testClock } from '../support/clock.ts';
import { expectedCounts, fold, query, type Sums } from '../support/counts.ts';
import { DATABASES } from '../support/databases.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { action, NOTE, perform, START, type World } from '../support/row-changes.ts';

/**
 * Whatever happened: usage and adjustments are what `status` shows, of everything and of each AI type,
 * however it is grouped, folded or not; usage is what the log rows add up to, and pruning changes none
 * of it.
 */

const sum = (rows: readonly UsageAmounts[]): UsageAmounts => rows.reduce(plus, NOTHING);

/** The amounts alone, without what else a row has. */
const amounts = (row: UsageAmounts): UsageAmounts => sum([row]);

const fromSums = (sums: Sums): UsageAmounts => ({
  inputTokens: sums.tokensIn,
  outputTokens: sums.tokensOut,
  used: sums.used,
  requests: sums.requests + sums.requestsReset,
  failed: sums.failed,
  denied: sums.denied,
});

const usageOf = (world: World, request: UsageRequest): Promise<UsageReport> =>
  world.app.usage(usageQuery(request, world.clock.nowMs(), '--'));

const GROUPINGS = [
  ...USAGE_GROUPS.map((group) => [group]),
  ...[
    ['day', 'ai-type'],
    ['ai-type', 'model'],
    ['model', 'request-type'],
    ['hour', 'request-type'],
  ],
];

async function expectStatusAgrees(world: World): Promise<void> {
  const status = await world.app.status();
  const month = status.windows.find((row) => row.scope === 'global' && row.window === 'month')!;
  for (const by of GROUPINGS) {
    const report = await usageOf(world, { by });
    expect(report.total, by.join()).toEqual(amounts(month));
    expect(sum(report.rows)).toEqual(report.usage);
    expect(sum([report.usage, report.adjustments!])).toEqual(report.total);
    const few = await usageOf(world, { by, limit: 2, sort: 'used' });
    expect(few.rows.length).toBeLessThanOrEqual(2);
    expect(sum([...few.rows, few.other ?? NOTHING])).toEqual(report.usage);
    expect(few.adjustmentsByAiType).toEqual(report.adjustmentsByAiType);
    if (!by.includes('ai-type')) continue;
    expect(sum(report.adjustmentsByAiType)).toEqual(report.adjustments);
    for (const aiType of status.aiTypes) {
      const mine = [...report.rows, ...report.adjustmentsByAiType].filter(
        (row) => row.aiType === aiType.aiType,
      );
      expect(sum(mine), `${aiType.aiType} by ${by.join()}`).toEqual(amounts(aiType));
    }
  }
  for (const { aiType, ...of } of status.aiTypes) {
    expect((await usageOf(world, { aiType, by: ['hour'] })).total).toEqual(amounts(of));
  }
  const since = await usageOf(world, { sinceMs: Date.parse(`${status.time.slice(0, 7)}-01`) });
  expect(since.total).toEqual(amounts(month));
}

/** All months that the rows lie in. */
const ALL = { sinceMs: Date.parse('2025-04-01'), untilMs: Date.parse('2025-07-01') };
const MONTHS = ['2025-04', '2025-05', '2025-06'];

/** Amounts by name, without those that are nothing. */
function byName(rows: readonly (readonly [string, UsageAmounts])[]): Record<string, UsageAmounts> {
  const sums = new Map<string, UsageAmounts>();
  for (const [name, row] of rows) sums.set(name, sum([sums.get(name) ?? NOTHING, row]));
  return Object.fromEntries([...sums].filter(([, row]) => isAny(row)));
}

/** Where each group stands in the name of a rollup, and its length there. */
const PARTS: Readonly<Record<string, readonly [number, number]>> = {
  hour: [0, 13],
  day: [0, 10],
  month: [0, 7],
  'ai-type': [1, 99],
  model: [2, 99],
  'request-type': [3, 99],
};

function nameOf(row: UsageRow): string {
  const time = row.hour ?? row.day ?? row.month;
  return [time, row.aiType, row.model, row.requestType]
    .filter((part) => part !== undefined)
    .map((part) => part ?? '')
    .join('|');
}

/** Usage is what the log rows add up to, adjustments what is in their table. All is folded, and nothing pruned. */
async function expectRowsAgree(world: World): Promise<void> {
  const { windows, rollups } = await expectedCounts(world.target);
  for (const by of GROUPINGS) {
    const { rows } = await usageOf(world, { ...ALL, by });
    const places = by.map((group) => PARTS[group]!).toSorted(([a], [b]) => a - b);
    const expected = Object.entries(rollups).map(([key, row]) => {
      const parts = key.split('|');
      const name = places.map(([place, length]) => parts[place]!.slice(0, length)).join('|');
      return [name, fromSums(row as Sums)] as const;
    });
    expect(byName(rows.map((row) => [nameOf(row), row]))).toEqual(byName(expected));
  }
  const { total, adjustments } = await usageOf(world, ALL);
  expect(total).toEqual(
    sum(MONTHS.flatMap((month) => windows[`(global) ${month}`] ?? []).map(fromSums)),
  );
  const changes = await query(
    world.target,
    "SELECT * FROM usage_adjustments WHERE scope_kind = 'global' AND window_kind = 'month'",
  );
  const changed = changes.map((row) => ({
    inputTokens: Number(row['tokens_in']),
    outputTokens: Number(row['tokens_out']),
    used: Number(row['used']),
    requests: Number(row['requests']),
    failed: Number(row['failed']),
    denied: Number(row['denied']),
  }));
  expect(adjustments).toEqual(sum(changed));
}

async function answers(world: World): Promise<unknown> {
  const reports = [];
  for (const by of GROUPINGS) {
    const { time: _time, ...report } = await usageOf(world, { ...ALL, by });
    reports.push(report);
  }
  return reports;
}

describe.each(DATABASES)('usage on %s', (kind) => {
  it('agrees with status, the log rows and the adjustments, folded, reset and pruned', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 25 }), async (actions) => {
        const clock = testClock(START);
        const world = {
          ...(await openTestLedger(kind, clock)),
          clock,
          reservations: [],
          resets: [],
        };
        for (const [index, act] of actions.entries()) {
          await perform(world, act);
          if (index % 8 === 7) await expectStatusAgrees(world);
        }
        await expectStatusAgrees(world);
        // What is due is charged, and then counts as failed.
        await world.app.ledger.write((ops) => step(ops.expireDue(1_000)));
        await fold(world.app);
        await expectStatusAgrees(world);
        await expectRowsAgree(world);
        const before = await answers(world);
        const month = isoTime(clock.nowMs()).slice(0, 7);
        await world.app.prune(month, null, () => undefined);
        expect(await answers(world)).toEqual(before);
        for (const id of world.resets) await world.app.undoReset(id, NOTE).catch(() => undefined);
        await expectStatusAgrees(world);
        await world.app.close();
      }),
      { numRuns: kind === 'sqlite' ? 40 : 15 },
    );
  }, 180_000);
});
