/**
 * The counting rule written a second time, over the rows as they stand: what the triggers counted is
 * held against it. It knows the tables only, nothing of the product's own code.
 */
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { expect } from 'vitest';
import type { App } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import type { WindowRow } from '../../src/ledger/port.ts';
import { step } from '../../src/ledger/steps.ts';

export type Row = Record<string, unknown>;

/** Runs one statement on a connection of its own, as another program would. */
export async function query(target: DatabaseTarget, sql: string): Promise<Row[]> {
  if (target.kind === 'sqlite') {
    const database = new Sqlite(target.url);
    try {
      const statement = database.prepare(sql);
      return statement.reader ? (statement.all() as Row[]) : (statement.run(), []);
    } finally {
      database.close();
    }
  }
  const client = new pg.Client({ connectionString: target.url });
  await client.connect();
  try {
    await client.query("SET TIME ZONE 'UTC'");
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** What the ledger reads, unfolded deltas included. */
export async function windowsOf(app: App): Promise<WindowRow[]> {
  return app.ledger.read(function* (ops) {
    return yield* step(ops.windows(null, null));
  });
}

/** One window's figures; zeros where nothing was counted. */
export async function windowOf(
  app: App,
  aiType: string | null,
  start: string,
): Promise<Pick<WindowRow, 'used' | 'held' | 'requests' | 'failed' | 'tokensIn' | 'tokensOut'>> {
  const rows = await windowsOf(app);
  const row = rows.find((window) => window.aiType === aiType && window.start === start);
  const { used, held, requests, failed, tokensIn, tokensOut } = row ?? NOTHING;
  return { used, held, requests, failed, tokensIn, tokensOut };
}

/** The next batch of any guard: on PostgreSQL it folds. */
export async function fold(app: App): Promise<void> {
  await app.ledger.write(function* () {
    return null;
  });
}

const NOTHING = {
  tokensIn: 0,
  tokensOut: 0,
  used: 0,
  held: 0,
  requests: 0,
  requestsReset: 0,
  failed: 0,
  denied: 0,
};
export type Sums = typeof NOTHING;

/** Windows, rollups and token_usage say what the rows and adjustments add up to. */
export async function expectCountsAgree(app: App, target: DatabaseTarget): Promise<void> {
  expect(await app.verify({ repair: false })).toEqual([]);
  const expected = await expectedCounts(target);
  expect(sumsOf(await windowsOf(app))).toEqual(expected.windows);
  await fold(app);
  expect(await app.verify({ repair: false })).toEqual([]);
  // A batch charges due holds before it folds.
  const folded = await expectedCounts(target);
  expect(sumsOf(await windowsOf(app))).toEqual(folded.windows);
  expect(await rollups(target)).toEqual(folded.rollups);
  await expectTokenUsageRight(app, target);
}

/** Each month of each AI type has its token_usage row, and it says what is counted. */
async function expectTokenUsageRight(app: App, target: DatabaseTarget): Promise<void> {
  const months = (await windowsOf(app)).filter(
    (row) => row.aiType !== null && row.kind === 'month',
  );
  const usage = await query(target, 'SELECT * FROM token_usage');
  for (const month of months) {
    const found = usage.filter(
      (row) => row['ai_type'] === month.aiType && row['month_year'] === month.start,
    );
    expect(found, `token_usage of ${String(month.aiType)} in ${month.start}`).toHaveLength(1);
    const [row] = found;
    expect({
      month: `${String(month.aiType)} ${month.start}`,
      tokensIn: Number(row!['tokens_in']),
      tokensOut: Number(row!['tokens_out']),
      total: Number(row!['total_tokens']),
      requests: Number(row!['request_count']),
    }).toEqual({
      month: `${String(month.aiType)} ${month.start}`,
      tokensIn: month.tokensIn,
      tokensOut: month.tokensOut,
      total: month.used,
      requests: Math.max(month.requests + month.requestsReset, 0),
    });
  }
}

function sumsOf(rows: readonly WindowRow[]): Record<string, Sums> {
  const windows: Record<string, Sums> = {};
  for (const row of rows) {
    const sums = Object.fromEntries(
      Object.keys(NOTHING).map((column) => [column, row[column as keyof Sums]]),
    ) as Sums;
    if (Object.values(sums).some((value) => value !== 0)) {
      windows[`${row.aiType ?? '(global)'} ${row.start}`] = sums;
    }
  }
  return windows;
}

function counted(row: Row): Sums {
  const number = (column: string): number => Number(row[column] ?? 0);
  const bounded = (value: number): number => Math.min(Math.max(Math.trunc(value), 0), 1e12);
  const [tokensIn, tokensOut] = [number('tokens_in'), number('tokens_out')];
  const items = Math.max(number('request_items'), 1);
  const state = String(row['state']);
  if (state === 'denied') return { ...NOTHING, denied: Math.max(number('denied_count'), 1) };
  if (state === 'reserved') {
    return { ...NOTHING, held: bounded(number('reserved_tokens')), requests: items };
  }
  return {
    ...NOTHING,
    tokensIn: bounded(tokensIn),
    tokensOut: bounded(tokensOut),
    used: bounded(Math.max(number('total_tokens'), tokensIn + tokensOut)),
    requests: items,
    failed: [false, 0, 'false'].includes(row['success'] as number) ? items : 0,
  };
}

/** Text in a token column counts as SQLite reads it as a number. */
const INTEGERS = ['tokens_in', 'tokens_out', 'total_tokens']
  .map((column) => `CAST(${column} AS BIGINT) AS ${column}`)
  .join(', ');

/** What the rows and adjustments add up to: windows by scope and start, rollups by hour|AI type|model|request type. */
export async function expectedCounts(
  target: DatabaseTarget,
): Promise<{ windows: Record<string, Sums>; rollups: Record<string, Partial<Sums>> }> {
  const windows: Record<string, Sums> = {};
  const rolled: Record<string, Sums> = {};
  const add = (to: Record<string, Sums>, key: string, amounts: Sums): void => {
    const sum = to[key] ?? NOTHING;
    to[key] = Object.fromEntries(
      Object.entries(sum).map(([column, value]) => [column, value + amounts[column as keyof Sums]]),
    ) as Sums;
  };
  const logs = await query(
    target,
    `SELECT counted_as, counted_at_ms, state, reserved_tokens, request_items, denied_count, success,
       model_used, request_type, ${INTEGERS} FROM token_usage_logs`,
  );
  for (const row of logs) {
    const hour = new Date(Number(row['counted_at_ms'])).toISOString().slice(0, 13);
    const aiType = String(row['counted_as']);
    const amounts = counted(row);
    for (const scope of ['(global)', aiType]) {
      for (const length of [7, 10, 13]) add(windows, `${scope} ${hour.slice(0, length)}`, amounts);
    }
    const name = [hour, aiType, row['model_used'], row['request_type']].map(nameOf).join('|');
    add(rolled, name, { ...amounts, held: 0 });
  }
  for (const row of await query(target, 'SELECT * FROM usage_adjustments')) {
    const scope = row['scope_kind'] === 'global' ? '(global)' : String(row['scope_name']);
    const requests = Number(row['requests']);
    add(windows, `${scope} ${String(row['window_start'])}`, {
      ...NOTHING,
      tokensIn: Number(row['tokens_in']),
      tokensOut: Number(row['tokens_out']),
      used: Number(row['used']),
      requests: row['reset_id'] === null ? requests : 0,
      requestsReset: row['reset_id'] === null ? 0 : requests,
      failed: Number(row['failed']),
      denied: Number(row['denied']),
    });
  }
  return { windows: withoutZeros(windows), rollups: withoutZeros(rolled) };
}

const nameOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function withoutZeros(sums: Record<string, Sums>): Record<string, Sums> {
  return Object.fromEntries(
    Object.entries(sums).filter(([, row]) => Object.values(row).some((value) => value !== 0)),
  );
}

async function rollups(target: DatabaseTarget): Promise<Record<string, Sums>> {
  const rows = await query(target, 'SELECT * FROM usage_rollups');
  return withoutZeros(
    Object.fromEntries(
      rows.map((row) => [
        [row['hour_start'], row['ai_type'], row['model_used'], row['request_type']]
          .map(nameOf)
          .join('|'),
        {
          ...NOTHING,
          tokensIn: Number(row['tokens_in']),
          tokensOut: Number(row['tokens_out']),
          used: Number(row['used']),
          requests: Number(row['requests']),
          failed: Number(row['failed']),
          denied: Number(row['denied']),
        },
      ]),
    ),
  );
}
