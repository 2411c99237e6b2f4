/** One crash run on one database: spend, kill, restart, and then look at what is left. */
import { migrateDatabase, openApp, type App } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { Guard } from '../../src/guard/guard.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { query } from '../support/counts.ts';
import { findWrongs, reservations, type Findings } from './checks.ts';
import type { JournaledCall, Journals } from './journal.ts';
import { planDeaths, type Death } from './plan.ts';
import { CALLERS, keepRoom, liveAndDie } from './supervisor.ts';
import { watch, type WatchedLimit } from './watcher.ts';

/** Tokens; small, so that the workers are denied again and again. */
const LIMIT = 1_000;
const OWN_LIMIT = 100;
const TTL_SECONDS = 2;
/** Due holds that one batch charges. */
const EXPIRED_AT_ONCE = 256;

/** All three windows have the same limit, so an hour, a day or a month may turn during a run. */
const SETTINGS: Settings = {
  global: {
    monthly: LIMIT,
    enforcedMonthly: LIMIT,
    daily: LIMIT,
    hourly: LIMIT,
    request: 'off',
    tokensPerRequest: 'off',
    criticalRequest: 'off',
    requestsPerMinute: 'off',
    requestsPerDay: 'off',
    warning: 'off',
    critical: 'off',
    emergency: 'off',
    reservationTtl: TTL_SECONDS,
  },
  aiTypes: { guardian: { hourly: OWN_LIMIT } },
};

const WATCHED: readonly WatchedLimit[] = [
  { aiType: null, window: 'month', tokens: LIMIT },
  { aiType: null, window: 'day', tokens: LIMIT },
  { aiType: null, window: 'hour', tokens: LIMIT },
  { aiType: 'guardian', window: 'hour', tokens: OWN_LIMIT },
];

export interface CrashRunOptions {
  /** An empty database. */
  readonly target: DatabaseTarget;
  /** For the journals. */
  readonly directory: string;
  readonly kills: number;
  readonly processes: number;
  /** Decides when and where workers die; how they interleave is up to the machine. */
  readonly seed: number;
}

export interface CrashReport extends Findings {
  readonly kind: DatabaseTarget['kind'];
  readonly died: readonly Death[];
  /** Workers that ended otherwise than by their kill. */
  readonly failures: readonly string[];
  readonly calls: readonly JournaledCall[];
  /** Calls made once more with their key, after the process had died. */
  readonly repeated: number;
  readonly states: Readonly<Record<string, number>>;
  /** Reservations that no worker lived to journal. */
  readonly unheard: number;
  readonly denied: number;
  readonly resets: number;
  readonly ms: number;
}

/** Creates the tables of a crash run, with its limits and its watcher. */
export async function prepare(target: DatabaseTarget): Promise<void> {
  await migrateDatabase({ target, runtime, dryRun: false, firstSettings: SETTINGS });
  await watch(target, WATCHED);
}

export async function crashRun(options: CrashRunOptions): Promise<CrashReport> {
  const { target, kills, seed } = options;
  const startMs = runtime.monotonicMs();
  await prepare(target);
  const app = await openApp({ target, runtime, timeoutMs: 30_000 });
  try {
    const room = keepRoom(app, LIMIT);
    const deaths = planDeaths(kills, seed);
    const lives = await liveAndDie({ ...options, deaths }).finally(() => room.stop());
    await chargeWhatIsLeft(app, target);
    const found = await findWrongs(app, target, lives.journals, kills * CALLERS);
    return {
      kind: target.kind,
      ...lives,
      ...found,
      ...(await tally(target, lives.journals)),
      resets: room.resets(),
      ms: runtime.monotonicMs() - startMs,
    };
  } finally {
    await app.close();
  }
}

/** When every hold's time is over, as many batches as it takes; each is one call of a living backend. */
async function chargeWhatIsLeft(app: App, target: DatabaseTarget): Promise<void> {
  await runtime.sleep(TTL_SECONDS * 1_000);
  const guard = new Guard(app.ledger, runtime, {
    estimator: 'words',
    cacheReadPercent: 100,
    requestType: 'sdk',
  });
  const rows = [...(await reservations(target)).values()];
  const open = rows.filter(({ state }) => state === 'reserved').length;
  for (let batch = 0; batch <= open / EXPIRED_AT_ONCE; batch += 1) {
    await guard.reserve({ aiType: 'imperium', estimate: { input: LIMIT + 1, output: 0 } });
  }
}

async function tally(target: DatabaseTarget, { calls, repeated }: Journals) {
  const [denials] = await query(
    target,
    "SELECT sum(denied_count) AS many FROM token_usage_logs WHERE state = 'denied'",
  );
  const states: Record<string, number> = { settled: 0, released: 0, expired: 0, reserved: 0 };
  let unheard = 0;
  for (const { id, state } of (await reservations(target)).values()) {
    states[state] = (states[state] ?? 0) + 1;
    if (!calls.has(id)) unheard += 1;
  }
  return {
    calls: [...calls.values()],
    repeated,
    states,
    unheard,
    denied: Number(denials?.['many'] ?? 0),
  };
}
