import { barePairs } from './bare-sqlite.ts';
import { openBudget, sqliteTarget, startPostgresBench } from './databases.ts';
import {
  format,
  median,
  printTable,
  quantile,
  syncTimeMs,
  temporaryFolder,
  type Row,
} from './measure.ts';
import { guardedPairs } from './pairs.ts';
import { rateLimiterPrisma } from './peer-prisma.ts';

const CALLERS = 64;
const ROUNDS = 3;
const ROUND_MS = 5_000;

/** Pairs a second with 64 callers: against the bare driver on SQLite, against a peer on PostgreSQL. */
export async function throughput(): Promise<void> {
  const folder = temporaryFolder();
  try {
    printTable('Reserve + settle pairs, 64 concurrent callers in one process, durable', [
      ...(await onSqlite(folder.path)),
      ...(await onPostgres()),
      { what: "disk's own sync", value: `${format(syncTimeMs(folder.path), 2)} ms`, goal: '' },
    ]);
  } finally {
    folder.remove();
  }
}

async function onSqlite(folder: string): Promise<Row[]> {
  const ours = await openBudget(sqliteTarget(folder, 'ours.db'));
  const probeTarget = sqliteTarget(folder, 'bare.db');
  const probe = await openBudget(probeTarget);
  await probe.app.close();
  const ratios: number[] = [];
  const rates: number[] = [];
  const latencies: number[] = [];
  await guardedPairs(ours.guard, CALLERS, 500);
  for (let round = 0; round < ROUNDS; round += 1) {
    const bare = barePairs(probeTarget.url, CALLERS, ROUND_MS);
    const guarded = await guardedPairs(ours.guard, CALLERS, ROUND_MS);
    const rate = guarded.pairs / guarded.ms;
    rates.push(rate * 1000);
    ratios.push(rate / (bare.pairs / bare.ms));
    latencies.push(quantile(guarded.reserveMs, 0.99));
  }
  await ours.app.close();
  return [
    { what: 'SQLite, synchronous=FULL', value: `${format(median(rates))} pairs/s`, goal: '' },
    { what: 'SQLite, p99 of a reserve', value: `${format(median(latencies), 1)} ms`, goal: '' },
    {
      what: 'SQLite, against a bare better-sqlite3 loop of the same statements, 64 a transaction',
      value: `${format(median(ratios), 2)} ×`,
      goal: '≥ 0.6 ×',
    },
  ];
}

async function onPostgres(): Promise<Row[]> {
  const server = await startPostgresBench();
  try {
    const { app, guard } = await openBudget(await server.database('ours'));
    const peer = await rateLimiterPrisma((await server.database('peer')).url);
    await guardedPairs(guard, CALLERS, 500);
    await peer.consume(CALLERS, 500);
    const ratios: number[] = [];
    const rates: number[] = [];
    const peers: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const theirs = await peer.consume(CALLERS, ROUND_MS);
      const ours = await guardedPairs(guard, CALLERS, ROUND_MS);
      rates.push((ours.pairs / ours.ms) * 1000);
      peers.push((theirs.calls / theirs.ms) * 1000);
      ratios.push(ours.pairs / ours.ms / (theirs.calls / theirs.ms));
    }
    await app.close();
    await peer.close();
    return [
      { what: 'PostgreSQL, durable', value: `${format(median(rates))} pairs/s`, goal: '' },
      {
        what: "rate-limiter-flexible's Prisma store on the same server (one window, no settle)",
        value: `${format(median(peers))} calls/s`,
        goal: '',
      },
      { what: 'PostgreSQL, against that', value: `${format(median(ratios), 1)} ×`, goal: '≥ 10 ×' },
    ];
  } finally {
    await server.stop();
  }
}
