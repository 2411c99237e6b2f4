import { describe, expect, it } from 'vitest';
import { windowsAt } from '../../src/budget/windows.ts';
import { openBudget, sql, type Budget } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { expectCountsAgree, windowsOf } from '../support/counts.ts';
import { DATABASES } from '../support/databases.ts';
import { clockAt, startBackend, untilHourLasts, type Backend } from '../support/processes.ts';

/** Daylight saving of an hour, on both sides of the ocean, and of half an hour; half past; ahead of UTC by half a day. */
const ZONES = [
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'Pacific/Apia',
];

/** Before and after the clocks of a zone change, or its month ends; each in another hour. */
const INSTANTS = [
  ['2025-03-09T06:59:30', '2025-03-09T07:00:30'],
  ['2025-11-02T05:59:30', '2025-11-02T06:00:30'],
  ['2025-03-30T00:59:30', '2025-03-30T01:00:30', '2025-03-30T02:00:30'],
  ['2025-10-26T00:59:30', '2025-10-26T01:00:30', '2025-10-26T02:00:30'],
  ['2025-10-04T14:59:30', '2025-10-04T15:30:30'],
  ['2025-04-05T14:59:30', '2025-04-05T15:00:30'],
  ['2025-05-31T17:59:30', '2025-05-31T18:30:30'],
  ['2025-06-30T10:59:30', '2025-06-30T11:00:30'],
]
  .flat()
  .toSorted();

/** A process, and its sessions on a server, in a zone. */
function zoneEnvironment(zone: string): Record<string, string> {
  return { TZ: zone, PGTZ: zone, PGOPTIONS: `-c timezone=${zone}` };
}

function startIn(zones: readonly string[], budget: Budget, env = {}): Promise<Backend[]> {
  return Promise.all(
    zones.map((zone) => startBackend(budget.target, { env: { ...zoneEnvironment(zone), ...env } })),
  );
}

/** Reserves 10 tokens and settles them with 7, then reserves 5 more. */
async function spend(backend: Backend): Promise<void> {
  const reserve = (tokens: number): Promise<{ ids: string[] }> =>
    backend.ask({ do: 'spend', tokens, callers: 1, most: 1 });
  const { ids } = await reserve(10);
  await backend.ask({ do: 'end', endings: [{ id: ids[0], input: 7, output: 0 }] });
  await reserve(5);
}

/** The hour is full in the eyes of each. */
async function expectDenied(backends: readonly Backend[]): Promise<void> {
  for (const backend of backends) {
    const { codes } = await backend.ask<{ codes: object }>({
      do: 'spend',
      tokens: 1,
      callers: 1,
      most: 1,
    });
    expect(codes).toEqual({ window_exceeded: 1 });
  }
}

/** `{ window: [used, held] }` of the global scope. */
async function globalWindows({ app }: Budget): Promise<Record<string, [number, number]>> {
  const rows = (await windowsOf(app)).filter(({ aiType }) => aiType === null);
  return Object.fromEntries(rows.map(({ start, used, held }) => [start, [used, held]]));
}

/** What those windows hold when each of these instants had so much. */
function expectedAt(
  instants: readonly string[],
  used: number,
  held: number,
): Record<string, [number, number]> {
  const windows: Record<string, [number, number]> = {};
  for (const instant of instants) {
    for (const length of [7, 10, 13]) {
      const [usedBefore, heldBefore] = windows[instant.slice(0, length)] ?? [0, 0];
      windows[instant.slice(0, length)] = [usedBefore + used, heldBefore + held];
    }
  }
  return windows;
}

/** What `tokenctl status --json` shows in each zone: `[window, its start, used, held]`. */
async function statuses({ target }: Budget, env = {}): Promise<unknown[]> {
  const cli = temporaryCli();
  return Promise.all(
    ZONES.map(async (zone) => {
      const { stdout, stderr } = await cli.run(['status', '--json', '--database', target.url], {
        env: { ...zoneEnvironment(zone), ...env },
      });
      expect(stderr).toBe('');
      const { windows } = JSON.parse(stdout) as { windows: Record<string, unknown>[] };
      return windows.map(({ window, startsAt, used, held }) => [window, startsAt, used, held]);
    }),
  );
}

function shown(at: string, used: number, held: number): unknown[] {
  const windows = Object.values(windowsAt(Date.parse(at)));
  return windows.map(({ kind, startsAtMs }) => [
    kind,
    new Date(startsAtMs).toISOString(),
    used,
    held,
  ]);
}

describe('processes in five time zones, while clocks change', () => {
  it('count in the same windows on sqlite, and show the same', async () => {
    const budget = await openBudget('sqlite', { global: { hourly: (7 + 5) * ZONES.length } });
    const backends = await startIn(ZONES, budget, clockAt(Date.parse('2025-03-01T00:00:00Z')));
    for (const instant of INSTANTS) {
      for (const backend of backends) {
        await backend.ask({ do: 'clock', at: `${instant}Z` });
        await spend(backend);
      }
      await expectDenied(backends);
    }
    // When their time is over, the holds are charged where they were made.
    const last = '2026-01-01T00:00:30';
    await backends[0]!.ask({ do: 'clock', at: `${last}Z` });
    await spend(backends[0]!);
    expect(await globalWindows(budget)).toEqual({
      ...expectedAt(INSTANTS, (7 + 5) * ZONES.length, 0),
      ...expectedAt([last], 7, 5),
    });
    const rows = await sql(
      budget.target,
      'SELECT DISTINCT substr(created_at, 1, 16) AS at FROM token_usage_logs ORDER BY 1',
    );
    expect(rows.map(({ at }) => at)).toEqual(
      [...INSTANTS, last].map((instant) => instant.slice(0, 16).replace('T', ' ')),
    );
    await expectCountsAgree(budget.app, budget.target);
    const showing = await statuses(budget, clockAt(Date.parse(`${last}Z`)));
    expect(showing).toEqual(ZONES.map(() => shown(`${last}Z`, 7, 5)));
  });
});

describe.each(DATABASES)('processes in five time zones on %s', (kind) => {
  it("count in the same windows as the server's own time, and show the same", async () => {
    await untilHourLasts(20_000);
    const now = new Date().toISOString();
    const budget = await openBudget(kind, {
      start: now,
      global: { hourly: (7 + 5 + 3) * ZONES.length },
    });
    const backends = await startIn(ZONES, budget);
    await Promise.all(
      backends.map(async (backend) => {
        await spend(backend);
        await backend.ask({ do: 'log', tokens: 3 });
      }),
    );
    await expectDenied(backends);
    expect(await globalWindows(budget)).toEqual(expectedAt([now], 50, 25));
    expect(await statuses(budget)).toEqual(ZONES.map(() => shown(now, 50, 25)));
  });

  it('write times without a zone, which are UTC also where the local clock skips or repeats them', async () => {
    const budget = await openBudget(kind);
    const at = INSTANTS.map((instant) => instant.replace('T', ' '));
    const backends = await startIn(ZONES, budget);
    await Promise.all(backends.map((backend) => backend.ask({ do: 'log', tokens: 2, at })));
    expect(await globalWindows(budget)).toEqual(expectedAt(INSTANTS, 2 * ZONES.length, 0));
    await expectCountsAgree(budget.app, budget.target);
  });
});
