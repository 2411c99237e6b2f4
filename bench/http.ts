import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { App } from '../src/app.ts';
import { MAX_TOKENS } from '../src/budget/tokens.ts';
import type { DatabaseTarget } from '../src/config/database.ts';
import type { Guard } from '../src/guard/guard.ts';
import { openBudget, openGuard, sqliteTarget, startPostgresBench } from './databases.ts';
import {
  load,
  reserveAndSettle,
  startBareHttp,
  startServe,
  type Pairs,
  type Server,
} from './http-parts.ts';
import {
  format,
  median,
  printTable,
  quantile,
  syncTimeMs,
  temporaryFolder,
  type Row,
} from './measure.ts';

const ROUNDS = 3;
const SECONDS = Number(process.env['TOKENCTL_BENCH_SECONDS'] ?? 5);
const CLIENTS = 50;
const LISTENERS = 500;
const HOUR_MS = 3_600_000;

/** What is polled, each by its path. */
const READS = [
  '/api/v1/status',
  '/api/v1/usage?by=day,ai-type',
  '/api/v1/denials',
  '/api/v1/alerts',
  '/api/v1/limits',
  '/api/token-usage/summary',
  '/api/token-usage/status/type-1',
  '/metrics',
];

/** The HTTP API with 50 clients, on two cores that server, database and clients share. */
export async function http(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'ignore' });
  const folder = temporaryFolder();
  const postgres = await startPostgresBench();
  try {
    const [sqlite, postgresql] = [
      sqliteTarget(folder.path, 'http.db'),
      await postgres.database('http'),
    ];
    const rows = [
      ...(await measured('SQLite', sqlite, folder.path)),
      ...(await measured('PostgreSQL', postgresql, folder.path)),
      await limitHeld('SQLite', sqliteTarget(folder.path, 'limit.db')),
      await limitHeld('PostgreSQL', await postgres.database('held')),
    ];
    printTable(`HTTP API: ${String(CLIENTS)} clients, one budget`, rows);
  } finally {
    await postgres.stop();
    folder.remove();
  }
}

async function measured(name: string, target: DatabaseTarget, folder: string): Promise<Row[]> {
  const { app, guard } = await openBudget(target);
  await addUsage(app);
  await addDenials(guard);
  const token = await tokenOf(app);
  await app.close();
  const server = await startServe(target);
  const bare = await startBareHttp();
  const at = (what: string): string => `${name}, ${what}`;
  try {
    return [
      ...(await reading(at, server)),
      ...(await spending(at, server, bare, token, folder)),
      ...(await listening(at, target)),
    ];
  } finally {
    await server.stop();
    await bare.stop();
  }
}

type Named = (what: string) => string;

/** Reserve and settle, in turn with the probe and the disk. */
async function spending(
  at: Named,
  server: Server,
  bare: Server,
  token: string,
  folder: string,
): Promise<Row[]> {
  let reserveMs: number[] = [];
  const rates: number[] = [];
  const bareRates: number[] = [];
  const syncs: number[] = [];
  for (let round = -1; round < ROUNDS; round += 1) {
    const probe = newPairs();
    const { requests, seconds: bareSeconds } = await load(
      bare.url,
      CLIENTS,
      { duration: SECONDS },
      [reserveAndSettle(token, probe)[0] ?? {}],
    );
    const pairs = newPairs();
    const { seconds } = await load(
      server.url,
      CLIENTS,
      { duration: SECONDS },
      reserveAndSettle(token, pairs),
    );
    // The first round warms everything up.
    if (round < 0) continue;
    if (pairs.denied > 0) throw new Error(`${String(pairs.denied)} reserves were denied`);
    syncs.push(syncTimeMs(folder));
    rates.push(pairs.settled / seconds);
    bareRates.push(requests / bareSeconds);
    reserveMs = reserveMs.concat(pairs.reserveMs);
  }
  const rate = median(rates);
  return [
    {
      what: at('reserves, each also settled'),
      value: `${format(rate)} /s`,
      goal: '≥ 2,000 /s',
    },
    {
      what: at('a reserve: p50, p99'),
      value: `${format(quantile(reserveMs, 0.5), 1)} ms, ${format(quantile(reserveMs, 0.99), 1)} ms`,
      goal: 'p99 < 60 ms',
    },
    {
      what: at('its requests (two a reserve) to those of node:http alone, which does nothing'),
      value: `${format((2 * rate) / median(bareRates), 2)} × of ${format(median(bareRates))} /s`,
      goal: '',
    },
    {
      what: at("the disk's own syncs, in turn with it"),
      value: `${format(1_000 / median(syncs))} /s`,
      goal: '',
    },
  ];
}

/** Each of the reads by itself, its whole answer each time. */
async function reading(at: Named, { url }: Server): Promise<Row[]> {
  const rows: Row[] = [];
  for (const path of READS) {
    const rates: number[] = [];
    for (let round = -1; round < ROUNDS; round += 1) {
      const { requests, seconds, statuses } = await load(
        url,
        CLIENTS,
        { duration: Math.ceil(SECONDS / 2) },
        [{ method: 'GET', path }],
      );
      if (requests !== statuses['200']) throw new Error(`${path}: ${JSON.stringify(statuses)}`);
      if (round >= 0) rates.push(requests / seconds);
    }
    rows.push({
      what: at(`GET ${path}`),
      value: `${format(median(rates))} /s`,
      goal: '≥ 5,000 /s',
    });
  }
  return rows;
}

/** What it costs a server that does nothing else to tell so many clients of each change. */
async function listening(at: Named, target: DatabaseTarget): Promise<Row[]> {
  const server = await startServe(target);
  const { app, guard } = await openGuard(target);
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  try {
    const beforeMiB = server.residentMiB();
    let bytes = 0;
    for (let opened = 0; opened < LISTENERS; opened += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const { body } = await request(`${server.url}/api/v1/events`, { dispatcher: agent });
          body.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => undefined);
        }),
      );
    }
    await sleep(2_000);
    const openMiB = server.residentMiB();
    const openBytes = bytes;
    let mostMiB = openMiB;
    for (let second = 0; second < 20; second += 1) {
      await guard.reserve({ aiType: 'bench', estimate: { input: 80, output: 20 } });
      await sleep(1_000);
      mostMiB = Math.max(mostMiB, server.residentMiB());
    }
    if (bytes - openBytes < 10 * LISTENERS * 1_000) throw new Error('the clients were not told');
    return [
      {
        what: at(`${String(LISTENERS)} clients of events: resident before, open, told each second`),
        value: `${format(beforeMiB)}, ${format(openMiB)}, ${format(mostMiB)} MiB`,
        goal: '< 150 MiB',
      },
    ];
  } finally {
    await agent.destroy();
    await app.close();
    await server.stop();
  }
}

/** A budget that is spent by all of them: what was admitted, and what was counted. */
async function limitHeld(name: string, target: DatabaseTarget): Promise<Row> {
  const admissible = 5_000;
  const { app } = await openBudget(target, 100 * admissible);
  const token = await tokenOf(app);
  const server = await startServe(target);
  const pairs = newPairs();
  // An admitted reserve is two requests, so 2.4 of them for each that may pass ask for more than that.
  const amount = 2.4 * admissible;
  await load(server.url, CLIENTS, { amount }, reserveAndSettle(token, pairs));
  await server.stop();
  const { used, held } = (await app.status()).windows[0] ?? { used: Number.NaN, held: 0 };
  await app.close();
  const over = used + held - 100 * admissible;
  return {
    what: `${name}, a budget of ${format(admissible)} such reserves: admitted, over the limit`,
    value: `${format(pairs.admitted)} and ${format(pairs.denied)} denied, ${format(over)} tokens`,
    goal: `${format(admissible)}, 0 tokens`,
  };
}

function newPairs(): Pairs {
  return { reserveMs: [], admitted: 0, settled: 0, denied: 0 };
}

async function tokenOf(app: App): Promise<string> {
  const { secret } = await app.createToken({
    ...{ name: 'bench', scopes: ['reserve'], aiTypes: null, expiresAtMs: null, actor: null },
  });
  return secret;
}

/** A month that has some history: 6 AI types with 3 models each in every hour of ten days, 4,320 hourly counts. */
async function addUsage(app: App): Promise<void> {
  const nowMs = Date.now();
  const rows = Array.from({ length: 6 * 3 * 240 }, (_, index) => ({
    atMs: nowMs - (Math.floor(index / 18) + 1) * HOUR_MS,
    aiType: `type-${String(index % 6)}`,
    model: `model-${String(Math.floor(index / 6) % 3)}`,
    ...{ inputTokens: 100, outputTokens: 20, requestId: null, success: true },
  }));
  await app.importRows(rows, () => undefined);
}

/** Some that were denied, before all that is admitted. */
async function addDenials(guard: Guard): Promise<void> {
  const asked = Array.from({ length: 20 }, (_, index) =>
    guard.reserve({
      aiType: `type-${String(index % 6)}`,
      estimate: { input: MAX_TOKENS, output: 0 },
    }),
  );
  for (const { admitted } of await Promise.all(asked)) {
    if (admitted) throw new Error('a reserve above the limit was admitted');
  }
}
