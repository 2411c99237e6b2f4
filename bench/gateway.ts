import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseTarget } from '../src/config/database.ts';
import { openBudget, openGuard, sqliteTarget, startPostgresBench } from './databases.ts';
import { Client, startGateway, startProvider, type Served } from './gateway-parts.ts';
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

const ROUNDS = 3;
const ROUND_MS = 1_000 * Number(process.env['TOKENCTL_BENCH_SECONDS'] ?? 5);
const PROVIDER_MS = 250;
const OPEN = 64;
const STREAMS = 1_000;

/** What the gateway adds to a direct call of the same provider, and what streams cost it. */
export async function gateway(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'ignore' });
  const folder = temporaryFolder();
  const server = await startPostgresBench();
  try {
    const rows = [
      ...(await measured('SQLite', sqliteTarget(folder.path, 'gateway.db'), folder.path)),
      ...(await measured('PostgreSQL', await server.database('gateway'), folder.path)),
    ];
    printTable('Gateway: what it adds to a direct call of the same provider', rows);
  } finally {
    await server.stop();
    folder.remove();
  }
}

async function measured(name: string, target: DatabaseTarget, folder: string): Promise<Row[]> {
  const { app } = await openBudget(target);
  await app.close();
  const provider = await startProvider();
  const proxy = await startGateway(target, provider.url);
  const client = new Client();
  try {
    const at = (what: string): string => `${name}, ${what}`;
    const admissionMs = await admission(target);
    return [
      ...(await closedLoop(at, client, provider, proxy, 1)),
      ...(await closedLoop(at, client, provider, proxy, OPEN)),
      await scheduled(at, client, provider, proxy, folder),
      await firstByte(at, client, provider, proxy, admissionMs),
      await idleStreams(at, client, proxy),
    ];
  } finally {
    await client.close();
    await proxy.stop();
    await provider.stop();
  }
}

type Named = (what: string) => string;

/** Callers that call again as soon as they are answered, by a provider that answers at once. */
async function closedLoop(
  at: Named,
  client: Client,
  provider: Served,
  proxy: Served,
  callers: number,
): Promise<Row[]> {
  let direct: number[] = [];
  let through: number[] = [];
  const rates: number[] = [];
  for (let round = -1; round < ROUNDS; round += 1) {
    const bare = await loop(client, provider.url, callers);
    const ours = await loop(client, proxy.url, callers);
    // The first round warms everything up.
    if (round < 0) continue;
    direct = direct.concat(bare.ms);
    through = through.concat(ours.ms);
    rates.push(ours.rate);
  }
  const added = (q: number): string =>
    `${format(quantile(through, q) - quantile(direct, q), 2)} ms`;
  const what = callers === 1 ? '1 caller' : `${String(callers)} callers`;
  return [
    { what: at(`${what}: added at p50, p99`), value: `${added(0.5)}, ${added(0.99)}`, goal: '' },
    { what: at(`${what}: requests`), value: `${format(median(rates))} /s`, goal: '' },
  ];
}

async function loop(
  client: Client,
  url: string,
  callers: number,
): Promise<{ ms: number[]; rate: number }> {
  const ms: number[] = [];
  const start = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() - start < ROUND_MS) {
        const before = performance.now();
        await client.call(url);
        ms.push(performance.now() - before);
      }
    }),
  );
  return { ms, rate: (1_000 * ms.length) / (performance.now() - start) };
}

/**
 * Calls that arrive when they are due, whoever still waits: 64 are open at a time. Measured from when
 * they were due.
 */
async function scheduled(
  at: Named,
  client: Client,
  provider: Served,
  proxy: Served,
  folder: string,
): Promise<Row> {
  let direct: number[] = [];
  let through: number[] = [];
  const syncs: number[] = [];
  for (let round = -1; round < ROUNDS; round += 1) {
    const bare = await arrivals(client, provider.url);
    const ours = await arrivals(client, proxy.url);
    if (round < 0) continue;
    syncs.push(syncTimeMs(folder));
    direct = direct.concat(bare);
    through = through.concat(ours);
  }
  const added = median(through) - median(direct);
  return {
    what: at(
      `a call every ${format(PROVIDER_MS / OPEN, 1)} ms, answered after 250 ms: added at p50`,
    ),
    value: `${format(added, 2)} ms`,
    goal: `≤ two disk syncs + 2 ms: ${format(2 * median(syncs) + 2, 2)} ms`,
  };
}

async function arrivals(client: Client, url: string): Promise<number[]> {
  const everyMs = PROVIDER_MS / OPEN;
  const count = Math.floor(ROUND_MS / everyMs);
  const start = performance.now();
  const calls: Promise<number>[] = [];
  for (let index = 0; index < count; index += 1) {
    const dueMs = start + index * everyMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    calls.push(
      client.call(url, { 'x-delay': String(PROVIDER_MS) }).then(() => performance.now() - dueMs),
    );
  }
  return Promise.all(calls);
}

/** A stream's first byte, one stream after the other. */
async function firstByte(
  at: Named,
  client: Client,
  provider: Served,
  proxy: Served,
  admissionMs: number,
): Promise<Row> {
  const measure = async (url: string): Promise<number> => {
    const before = performance.now();
    return (await client.call(url, { 'x-stream': '1' })) - before;
  };
  const direct: number[] = [];
  const through: number[] = [];
  for (let index = 0; index < 400; index += 1) {
    direct.push(await measure(provider.url));
    through.push(await measure(proxy.url));
  }
  return {
    what: at("a stream's first byte: added at p50; an admission alone"),
    value: `${format(median(through) - median(direct), 2)} ms; ${format(admissionMs, 2)} ms`,
    goal: 'no more than the admission',
  };
}

/** What a reserve takes in a process that does nothing else, in ms. */
async function admission(target: DatabaseTarget): Promise<number> {
  const { app, guard } = await openGuard(target);
  await guardedPairs(guard, 1, 200);
  const { reserveMs } = await guardedPairs(guard, 1, 1_000);
  await app.close();
  return median(reserveMs);
}

async function idleStreams(at: Named, client: Client, proxy: Served): Promise<Row> {
  for (let opened = 0; opened < STREAMS; opened += 50) {
    await Promise.all(Array.from({ length: 50 }, () => client.open(proxy.url)));
  }
  const shown = execFileSync('ps', ['-o', 'rss=', '-p', String(proxy.process.pid)]).toString();
  return {
    what: at(`${format(STREAMS)} streams that are open and idle: resident`),
    value: `${format(Number(shown) / 1_024)} MiB`,
    goal: '< 200 MiB',
  };
}
