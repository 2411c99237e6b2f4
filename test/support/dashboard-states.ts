/** Databases as the dashboard meets them, made by the ledger itself and by rows of other programs. */
import Sqlite from 'better-sqlite3';
import { migrateDatabase, openApp, type App } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { Guard } from '../../src/guard/guard.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { LEVELS_ONLY } from './alerts.ts';

export const STATES = ['empty', 'normal', 'critical', 'emergency', 'hostile'] as const;
export type State = (typeof STATES)[number];

const MONTHLY = 1_400_000;
const LIMITS: Settings = {
  global: {
    ...{ monthly: 2_000_000, enforcedMonthly: MONTHLY, daily: 70_000, hourly: 9_000 },
    ...{ request: 2_000, tokensPerRequest: 17_000, requestsPerMinute: 42, requestsPerDay: 3_400 },
  },
  aiTypes: { sandbox: { monthly: 160_000 } },
};

/** Who spends, and which part of an hour's tokens. */
const SHARES = {
  ...{ imperium: 0.34, guardian: 0.22, concierge: 0.15, sandbox: 0.1, summarizer: 0.08 },
  ...{ tutor: 0.06, translator: 0.03, 'night-watch': 0.02 },
};
const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
const DAY_MS = DAY_HOURS * HOUR_MS;
/** What a month comes to, of its limit, when it goes on like this. */
const PACE = 0.82;

export const HOSTILE = '<img src=x onerror="document.title=1"><script>alert(1)</script>';

/** Makes an SQLite database at this path. */
export async function makeState(state: State, path: string): Promise<void> {
  const target = parseDatabase(path, 'test', 'flag', '/');
  const firstSettings = state === 'empty' ? null : LIMITS;
  const created = { ...runtime, nowMs: () => Date.now() - (state === 'empty' ? 0 : 36 * DAY_MS) };
  await migrateDatabase({ target, runtime: created, dryRun: false, firstSettings });
  if (state === 'empty') return;
  fillHistory(path);
  const app = await openApp({ target, runtime });
  try {
    await useNow(app);
    const percent = { normal: null, hostile: null, critical: 96.4, emergency: 98.3 }[state];
    if (percent !== null) {
      await raiseTo(app, path, 81);
      await app.watch([], null, LEVELS_ONLY);
      await raiseTo(app, path, percent);
      await app.watch([], null, LEVELS_ONLY);
    }
    if (state === 'emergency') await takeOver(app, 'maria@ops');
    if (state === 'hostile') await beHostile(app, path);
  } finally {
    await app.close();
  }
}

/** A row as a backend without the guard writes it. */
export function logRow(path: string, aiType: string, tokens: number, more: object = {}): void {
  const row = { at: new Date().toISOString(), model: 'claude-opus-4', error: null, ...more };
  const database = new Sqlite(path, { timeout: 5_000 });
  database
    .prepare(
      `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, model_used, created_at, success, error_message)
       VALUES (@aiType, @tokens, 0, @tokens, @model, @at, @error IS NULL, @error)`,
    )
    .run({ aiType, tokens, ...row });
  database.close();
}

/** A year: hour by hour of the last five weeks, a row a month before. */
function fillHistory(path: string): void {
  const database = new Sqlite(path);
  const insert = database.prepare(
    `INSERT INTO token_usage_logs (ai_type, tokens_in, tokens_out, total_tokens, model_used, created_at, success, error_message)
     VALUES (?, ?, ?, ?, 'claude-sonnet-4', ?, ?, ?)`,
  );
  const now = Date.now();
  const hourly = (MONTHLY * PACE) / (30 * DAY_HOURS);
  const add = (aiType: string, tokens: number, atMs: number): void => {
    const output = Math.floor(tokens / 4);
    const failed = aiType === 'tutor' && tokens % 7 === 0;
    const at = new Date(atMs).toISOString();
    insert.run(
      aiType,
      tokens - output,
      output,
      tokens,
      at,
      failed ? 0 : 1,
      failed ? 'overloaded' : null,
    );
  };
  database.transaction(() => {
    for (let back = 35 * DAY_HOURS; back >= 0; back -= 1) {
      const atMs = now - back * HOUR_MS;
      const hour = new Date(atMs).getUTCHours();
      Object.entries(SHARES).forEach(([aiType, share], place) => {
        // By day more than by night, each AI type in its own rhythm.
        const rhythm = 1 + 0.6 * Math.sin(((hour - 8 + place) * Math.PI) / 12);
        const tokens = Math.round(hourly * share * rhythm * (0.7 + 0.6 * noise(back * 31 + place)));
        if (tokens > 0 && (back + place) % (place < 4 ? 1 : 3) === 0)
          add(aiType, tokens, atMs - 1_000);
      });
    }
    const month = new Date(now);
    for (let back = 2; back < 12; back += 1) {
      const at = Date.UTC(month.getUTCFullYear(), month.getUTCMonth() - back, 12, 10);
      Object.entries(SHARES).forEach(([aiType, share], place) => {
        add(
          aiType,
          Math.round(MONTHLY * share * (0.3 + 0.05 * (12 - back) * noise(back + place))),
          at,
        );
      });
    }
  })();
  database.close();
}

/** From 0 to 1, the same each time. */
function noise(seed: number): number {
  const value = Math.sin(seed * 12.9898) * 43_758.5453;
  return value - Math.floor(value);
}

/** Calls of this minute: settled, open, and denied. */
async function useNow(app: App): Promise<void> {
  const guard = guardOf(app);
  for (const [aiType, tokens] of [
    ['imperium', 420],
    ['guardian', 260],
  ] as const) {
    const { reservation } = await guard.reserve({
      aiType,
      estimate: { input: tokens, output: 200 },
    });
    if (reservation === null) continue;
    await guard.settle(reservation.id, { inputTokens: tokens, outputTokens: 80 });
  }
  await guard.reserve({ aiType: 'imperium', estimate: { input: 900, output: 600 } });
  await guard.reserve({ aiType: 'concierge', estimate: { input: 300, output: 500 } });
  for (let time = 0; time < 4; time += 1) {
    await guard.reserve({
      aiType: 'sandbox',
      estimate: { input: 4_000, output: 1_000 },
      model: 'claude-opus-4',
    });
  }
}

function guardOf(app: App): Guard {
  return new Guard(app.ledger, runtime, {
    ...{ estimator: 'words', cacheReadPercent: 100, requestType: 'sdk' },
  });
}

/** Other programs use what is missing to this percentage of the month. */
async function raiseTo(app: App, path: string, percent: number): Promise<void> {
  const { windows } = await app.status();
  const { used, held } = windows[0] ?? { used: 0, held: 0 };
  const missing = Math.ceil((MONTHLY * percent) / 100) - used - held;
  if (missing > 0) logRow(path, 'imperium', missing);
  await guardOf(app).reserve({ aiType: 'tutor', estimate: { input: 1_500, output: 300 } });
}

async function takeOver(app: App, by: string): Promise<void> {
  const { alerts } = await app.alerts();
  const id = alerts.at(-1)?.id;
  if (id !== undefined) await app.ackAlert(id, by);
}

/** Names and messages that would do harm if they were read as HTML. */
async function beHostile(app: App, path: string): Promise<void> {
  await guardOf(app).reserve({
    ...{ aiType: 'sandbox', model: HOSTILE, requestId: HOSTILE },
    estimate: { input: 90_000, output: 0 },
  });
  logRow(path, HOSTILE, 10, { model: HOSTILE, error: HOSTILE });
  const database = new Sqlite(path, { timeout: 5_000 });
  database
    .prepare(
      `INSERT INTO token_usage_logs (ai_type, total_tokens, model_used, state, success, error_message)
       VALUES ('tutor', 0, ?, 'denied', 0, ?)`,
    )
    .run(HOSTILE, HOSTILE);
  database.close();
  await app.silenceAlerts({ forMs: HOUR_MS, reason: HOSTILE, actor: HOSTILE });
  await raiseTo(app, path, 82);
  await app.watch([], null, LEVELS_ONLY);
  await takeOver(app, HOSTILE);
}
