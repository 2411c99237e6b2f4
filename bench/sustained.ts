import { barePairs as barePostgres } from './bare-postgres.ts';
import { barePairs as bareSqlite } from './bare-sqlite.ts';
import { openBudget, sqliteTarget, startPostgresBench } from './databases.ts';
import { format, printTable, syncTimeMs, temporaryFolder, type Row } from './measure.ts';
import { guardedPairs } from './pairs.ts';
import type { DatabaseTarget } from '../src/config/database.ts';

/** Each side runs this long in all, in turns, on a database of its own. */
const SECONDS = Number(process.env['TOKENCTL_BENCH_SECONDS'] ?? 120);
const TURNS = 6;

type Probe = (
  target: DatabaseTarget,
  batch: number,
  forMs: number,
) => Promise<{ pairs: number; ms: number }> | { pairs: number; ms: number };

/** The ledger against a bare driver loop of its own statements, long enough for bloat and checkpoints. */
export async function sustained(): Promise<void> {
  const folder = temporaryFolder();
  const server = await startPostgresBench();
  try {
    const rows: Row[] = [];
    for (const [callers, goal] of [
      [64, 0.7],
      [1, 0.75],
    ] as const) {
      const sqlite = (name: string) => sqliteTarget(folder.path, `${name}${String(callers)}.db`);
      rows.push(
        ...(await compared('SQLite, synchronous=FULL', callers, goal, {
          ours: sqlite('ours'),
          bare: sqlite('bare'),
          probe: ({ url }, batch, forMs) => bareSqlite(url, batch, forMs),
        })),
        ...(await compared('PostgreSQL, durable', callers, goal, {
          ours: await server.database(`ours${String(callers)}`),
          bare: await server.database(`bare${String(callers)}`),
          probe: barePostgres,
        })),
      );
    }
    printTable(
      `Reserve + settle pairs over ${format(SECONDS)} s, against a bare driver loop of the same statements`,
      [
        ...rows,
        { what: "disk's own sync", value: `${format(syncTimeMs(folder.path), 2)} ms`, goal: '' },
      ],
    );
  } finally {
    await server.stop();
    folder.remove();
  }
}

interface Sides {
  readonly ours: DatabaseTarget;
  readonly bare: DatabaseTarget;
  readonly probe: Probe;
}

async function compared(
  name: string,
  callers: number,
  goal: number,
  { ours, bare, probe }: Sides,
): Promise<Row[]> {
  const { app, guard } = await openBudget(ours);
  await (await openBudget(bare)).app.close();
  const turnMs = (SECONDS * 1000) / TURNS;
  await guardedPairs(guard, callers, 500);
  await probe(bare, callers, 500);
  const rates: { ours: number; bare: number }[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const theirs = await probe(bare, callers, turnMs);
    const mine = await guardedPairs(guard, callers, turnMs);
    rates.push({
      ours: (mine.pairs / mine.ms) * 1000,
      bare: (theirs.pairs / theirs.ms) * 1000,
    });
  }
  await app.close();
  const mean = (of: (rate: { ours: number; bare: number }) => number): number =>
    rates.reduce((sum, rate) => sum + of(rate), 0) / rates.length;
  const [first, last] = [rates[0], rates.at(-1)];
  const who = `${name}, ${callers === 1 ? 'one caller' : `${String(callers)} callers`}`;
  return [
    {
      what: `${who}: pairs a second (first and last sixth)`,
      value: `${format(mean((rate) => rate.ours))} (${format(first?.ours ?? 0)}, ${format(last?.ours ?? 0)})`,
      goal: '',
    },
    {
      what: `${who}: the bare loop${callers === 1 ? '' : `, ${String(callers)} a transaction`}`,
      value: `${format(mean((rate) => rate.bare))} (${format(first?.bare ?? 0)}, ${format(last?.bare ?? 0)})`,
      goal: '',
    },
    {
      what: `${who}: against it`,
      value: `${format(mean((rate) => rate.ours) / mean((rate) => rate.bare), 2)} ×`,
      goal: `≥ ${String(goal)} ×`,
    },
  ];
}
