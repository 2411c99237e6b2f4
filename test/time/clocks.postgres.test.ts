import { describe, expect, it } from 'vitest';
import { openBudget, sql, type Budget } from '../support/budget.ts';
import {
  clockAt,
  startBackend,
  until,
  untilHourLasts,
  type Backend,
} from '../support/processes.ts';

const MINUTE_MS = 60_000;

interface Spent {
  readonly ids: readonly string[];
  readonly codes: Readonly<Record<string, number>>;
}

interface Pair {
  readonly budget: Budget;
  /** Its clock is so many minutes before the database's. */
  readonly early: Backend;
  readonly late: Backend;
}

/** Two processes whose clocks are apart by twice the minutes. */
async function openPair(minutes: number, global: object): Promise<Pair> {
  await untilHourLasts(20_000);
  const budget = await openBudget('postgresql', { start: new Date().toISOString(), global });
  const backendAt = async (shiftMs: number): Promise<Backend> => {
    const backend = await startBackend(budget.target, { env: clockAt(Date.now() + shiftMs) });
    const wrongMs = (await backend.ask<number>({ do: 'clock' })) - Date.now();
    expect(Math.abs(wrongMs - shiftMs)).toBeLessThan(MINUTE_MS);
    return backend;
  };
  const shiftMs = minutes * MINUTE_MS;
  const [early, late] = await Promise.all([backendAt(-shiftMs), backendAt(shiftMs)]);
  return { budget, early, late };
}

function spend(backend: Backend, most: number): Promise<Spent> {
  return backend.ask<Spent>({ do: 'spend', tokens: 100, callers: 1, most });
}

async function states({ target }: Budget): Promise<unknown[]> {
  const rows = await sql(target, 'SELECT state FROM token_usage_logs ORDER BY state');
  return rows.map(({ state }) => state);
}

describe.each([5, 70])(
  'two processes whose clocks are %i minutes wrong, one each way',
  (minutes) => {
    it("share the database's windows", async () => {
      const { budget, early, late } = await openPair(minutes, { hourly: 300 });
      const { ids } = await spend(early, 2);
      expect((await spend(late, 2)).codes).toEqual({ window_exceeded: 1 });
      expect((await spend(early, 1)).codes).toEqual({ window_exceeded: 1 });
      const endings = [{ id: ids[0], input: 40, output: 0 }];
      await late.ask({ do: 'end', endings });
      expect((await spend(early, 1)).codes).toEqual({ window_exceeded: 1 });
      const windows = await sql(
        budget.target,
        `SELECT window_start, sum(used) AS used, sum(held) AS held FROM usage_windows_now
       WHERE scope_kind = 'global' GROUP BY window_start ORDER BY window_start`,
      );
      const [now] = await sql(
        budget.target,
        `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24') AS hour`,
      );
      const hour = String(now!['hour']);
      expect(windows).toEqual(
        [hour.slice(0, 7), hour.slice(0, 10), hour].map((start) => ({
          window_start: start,
          used: '40',
          held: '200',
        })),
      );
      const [times] = await sql(
        budget.target,
        `SELECT bool_and(created_at BETWEEN utc - interval '1 minute' AND utc
         AND coalesce(settled_at, created_at) BETWEEN created_at AND utc) AS right
       FROM token_usage_logs, (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS utc) AS clock`,
      );
      expect(times).toEqual({ right: true });
    });

    it('let no hold expire before its time, nor live after it', async () => {
      const { budget, early, late } = await openPair(minutes, { reservationTtl: 60 });
      for (const backend of [early, late, early, late]) await spend(backend, 1);
      expect(await states(budget)).toEqual(Array(4).fill('reserved'));
      await sql(
        budget.target,
        `UPDATE token_usage_logs SET expires_at = clock_timestamp() AT TIME ZONE 'UTC' + interval '1 second'`,
      );
      await until(async () => {
        await Promise.all([early, late].map((backend) => spend(backend, 1)));
        return (await states(budget)).filter((state) => state === 'expired').length === 4;
      });
      const [expired] = await sql(
        budget.target,
        `SELECT bool_and(settled_at >= expires_at) AS right FROM token_usage_logs WHERE state = 'expired'`,
      );
      expect(expired).toEqual({ right: true });
    });

    it('keep the request rate of 60 seconds together', async () => {
      const { budget, early, late } = await openPair(minutes, { requestsPerMinute: 6 });
      const full = async (): Promise<void> => {
        for (const backend of [late, early]) {
          expect((await spend(backend, 1)).codes).toEqual({ rate_exceeded: 1 });
        }
      };
      await spend(late, 3);
      expect((await spend(early, 4)).codes).toEqual({ rate_exceeded: 1 });
      await full();
      const age = (seconds: number): Promise<unknown> =>
        sql(
          budget.target,
          `UPDATE token_usage_logs SET created_at = clock_timestamp() AT TIME ZONE 'UTC' - interval '${seconds} seconds'`,
        );
      await age(30);
      await full();
      await age(60);
      expect((await spend(early, 7)).ids).toHaveLength(6);
      await full();
    });
  },
);
