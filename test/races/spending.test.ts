import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { openBudget, sql, type Budget } from '../support/budget.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import { startBackends, untilHourLasts } from '../support/processes.ts';

/** `npm run races` asks for ten runs in place of the usual suite's one. */
const RUNS = Number(process.env['TOKENCTL_RACES_RUNS'] ?? 1);
const PROCESSES = 16;
const LIMIT = 50_000;

interface Spent {
  readonly ids: string[];
  readonly codes: Record<string, number>;
}

async function openRace(kind: DatabaseName): Promise<Budget> {
  await untilHourLasts(30_000);
  const clock = new Date().toISOString();
  return openBudget(kind, { start: clock, global: { hourly: LIMIT, daily: LIMIT } });
}

/** What the global windows hold: `[used, held]` of month, day and hour. */
async function held({ another }: Budget): Promise<(readonly [number, number])[]> {
  const { app } = await another(systemRuntime);
  return (await app.status()).windows.map((window) => [window.used, window.held] as const);
}

const together = (spent: Spent[]) => spent.flatMap(({ ids }) => ids);

describe.each(DATABASES)('16 processes that spend one budget on %s', (kind) => {
  it.each(Array.from({ length: RUNS }, (_, run) => run + 1))(
    'reserve exactly what it holds, and not one token more (run %i)',
    async () => {
      const budget = await openRace(kind);
      const backends = await startBackends(PROCESSES, budget.target);
      const spent = await Promise.all(
        backends.map((backend) => backend.ask<Spent>({ do: 'spend', tokens: 100, callers: 2 })),
      );
      expect(together(spent)).toHaveLength(500);
      expect(new Set(together(spent)).size).toBe(500);
      for (const { codes } of spent) expect(codes).toEqual({ window_exceeded: 4 });
      expect(await held(budget)).toEqual(Array(3).fill([0, LIMIT]));
      const rows = await sql(
        budget.target,
        `SELECT state, sum(denied_count) AS denied, count(*) AS many FROM token_usage_logs GROUP BY state ORDER BY state`,
      );
      expect(rows.map(({ state, many }) => [state, Number(many)])).toEqual([
        ['denied', 32],
        ['reserved', 500],
      ]);
    },
    120_000,
  );
});

describe('16 processes beside a writer that has one transaction open after another', () => {
  it.each(Array.from({ length: RUNS }, (_, run) => run + 1))(
    'reserve exactly what it left, and neither waits for the other (run %i)',
    async () => {
      const budget = await openRace('postgresql');
      const backends = await startBackends(PROCESSES, budget.target);
      const writer = await startWriter(budget.target.url);
      const first = await Promise.all(
        backends.map((backend) =>
          backend.ask<Spent>({ do: 'spend', tokens: 100, callers: 2, most: 10 }),
        ),
      );
      const logged = await writer.stop();
      expect(together(first)).toHaveLength(320);
      expect(logged.transactions).toBeGreaterThan(3);
      const rest = await Promise.all(
        backends.map((backend) => backend.ask<Spent>({ do: 'spend', tokens: 100, callers: 1 })),
      );
      const admitted = 320 + together(rest).length;
      expect(admitted).toBe(Math.floor((LIMIT - logged.tokens) / 100));
      expect(await held(budget)).toEqual(Array(3).fill([logged.tokens, admitted * 100]));
      const [database] = await sql(
        budget.target,
        'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
      );
      expect(database).toEqual({ deadlocks: '0' });
    },
    120_000,
  );
});

/** Logs for two AI types in transactions that stay open for a while, the two in turns of order. */
async function startWriter(url: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  // It would fail where anything made it wait.
  await client.query("SET lock_timeout = '200ms'");
  const logged = { tokens: 0, transactions: 0 };
  const asked = { stop: false };
  const log = (aiType: string, tokens: number) =>
    client.query(
      `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens)
       VALUES ($1, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM'), $2, 0, $2)`,
      [aiType, tokens],
    );
  const writing = (async () => {
    while (!asked.stop || logged.transactions < 4) {
      await client.query('BEGIN');
      const aiTypes = ['imperium', 'guardian'];
      if (logged.transactions % 2 === 1) aiTypes.reverse();
      for (const [index, aiType] of aiTypes.entries()) {
        await log(aiType, 7 + index * 6);
        await systemRuntime.sleep(10);
      }
      await client.query('COMMIT');
      logged.tokens += 20;
      logged.transactions += 1;
    }
    await client.end();
    return logged;
  })();
  return {
    stop() {
      asked.stop = true;
      return writing;
    },
  };
}
