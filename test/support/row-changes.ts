/** Changes of rows as writers, guards and operators make them, at random. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import type { TestClock } from './clock.ts';
import { query } from './counts.ts';
import type { TestLedger } from './ledgers.ts';

export const START = '2025-05-31T22:30:00Z';
export const NOTE = { actor: null, reason: 'test', dryRun: false };

export type Action =
  | ({
      do: 'insert';
      aiType: string;
      tokens: number;
      at: string;
      state: string;
      ok: boolean;
    } & Named)
  | { do: 'update'; nth: number; set: string }
  | { do: 'delete'; nth: number }
  | { do: 'reserve'; aiType: string; tokens: number; ttl: number }
  | { do: 'settle'; nth: number; tokens: number | null }
  | { do: 'release'; nth: number }
  | { do: 'advance'; minutes: number }
  | { do: 'reset'; aiType: string | null; window: 'month' | 'day' | 'hour' | 'all'; to: number }
  | { do: 'undo'; nth: number }
  | { do: 'usage'; tokens: number };

/** What a row says of its call; as SQL. */
interface Named {
  model: string;
  requestType: string;
}

const aiType = fc.constantFrom('imperium', 'guardian', ' Imperium', 'global');
const known = fc.constantFrom('imperium', 'guardian');
const tokens = fc.oneof(fc.nat(500), fc.constantFrom(-7, 0, 2_000_000_000_000));
const at = fc.constantFrom(
  ...[
    '2025-04-15 10:00:00',
    '2025-05-31 22:10:00',
    '2025-05-31 21:59:59.999999',
    '2025-06-01 00:00:00',
    '2025-05-01',
  ],
);
const nth = fc.nat(20);
const set = fc.oneof(
  tokens.map((n) => `tokens_in = ${n}, tokens_out = 0, total_tokens = ${n}`),
  tokens.map((n) => `total_tokens = ${n}`),
  aiType.map((name) => `ai_type = '${name}'`),
  at.map((time) => `created_at = '${time}'`),
  fc
    .tuple(aiType, at, tokens)
    .map(([name, time, n]) => `ai_type = '${name}', created_at = '${time}', total_tokens = ${n}`),
  fc.constantFrom("state = 'settled'", "state = 'denied'", "state = 'released'"),
  fc.constant("state = 'reserved', expires_at = '2025-06-01 00:30:00', reserved_tokens = 50"),
  fc.boolean().map((ok) => `success = ${ok ? 'true' : 'false'}`),
  fc.constantFrom("model_used = 'm1'", 'model_used = NULL', "request_type = 'batch'"),
);

export const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('insert'),
      aiType,
      tokens,
      at,
      state: fc.constantFrom('settled', 'settled', 'released', 'denied'),
      ok: fc.boolean(),
      model: fc.constantFrom('NULL', "''", "'m1'", "'m2'"),
      requestType: fc.constantFrom('NULL', "'direct'", "'batch'"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('update'), nth, set }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete'), nth }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('reserve'),
      aiType: known,
      tokens: fc.integer({ min: 1, max: 300 }),
      ttl: fc.constantFrom(60, 7_200),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('settle'), nth, tokens: fc.option(fc.nat(400)) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release'), nth }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('advance'), minutes: fc.constantFrom(2, 40) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('reset'),
      aiType: fc.option(known),
      window: fc.constantFrom('month', 'day', 'hour', 'all'),
      to: fc.constantFrom(0, 0, 60),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('undo'), nth: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('usage'), tokens: fc.nat(99) }) },
);

export interface World extends TestLedger {
  readonly clock: TestClock;
  readonly reservations: string[];
  readonly resets: number[];
}

async function nthRow(target: DatabaseTarget, n: number): Promise<string | null> {
  const rows = await query(
    target,
    'SELECT CAST(id AS TEXT) AS id FROM token_usage_logs ORDER BY 1',
  );
  return rows.length === 0 ? null : String(rows[n % rows.length]!['id']);
}

/** Refusals (a reservation that is gone, a reset undone already) change nothing and are fine. */
export async function perform(world: World, act: Action): Promise<void> {
  const { app, guard, target, clock, reservations, resets } = world;
  const expected = (error: unknown): void => {
    expect(error).toMatchObject({ name: 'TokenctlError' });
  };
  switch (act.do) {
    case 'insert':
      await query(
        target,
        `INSERT INTO token_usage_logs (ai_type, month_year, tokens_in, tokens_out, total_tokens, created_at, state, success, model_used, request_type)
         VALUES ('${act.aiType}', 'x', ${act.tokens}, 1, 0, '${act.at}', '${act.state}', ${act.ok ? 'true' : 'false'}, ${act.model}, ${act.requestType})`,
      );
      return;
    case 'update':
    case 'delete': {
      const id = await nthRow(target, act.nth);
      if (id === null) return;
      const where = `WHERE CAST(id AS TEXT) = '${id}'`;
      await query(
        target,
        act.do === 'delete'
          ? `DELETE FROM token_usage_logs ${where}`
          : `UPDATE token_usage_logs SET ${act.set} ${where}`,
      );
      return;
    }
    case 'reserve': {
      const estimate = { input: act.tokens, output: 5 };
      const verdict = await guard.reserve({ aiType: act.aiType, estimate, ttlSeconds: act.ttl });
      reservations.push(verdict.reservation!.id);
      return;
    }
    case 'settle': {
      const id = reservations[act.nth % reservations.length];
      if (id === undefined) return;
      const usage =
        act.tokens === null
          ? { unknown: true as const }
          : { inputTokens: act.tokens, outputTokens: 3, model: 'm2' };
      await guard.settle(id, usage).catch(expected);
      return;
    }
    case 'release': {
      const id = reservations[act.nth % reservations.length];
      if (id !== undefined) await guard.release(id).catch(expected);
      return;
    }
    case 'advance':
      clock.advance(act.minutes * 60_000);
      return;
    case 'reset': {
      const reset = { aiTypes: act.aiType === null ? [] : [act.aiType], window: act.window };
      const toTokens = act.aiType === null ? 0 : act.to;
      const { id } = await app.reset({ ...reset, toTokens, ...NOTE });
      if (id !== null) resets.push(id);
      return;
    }
    case 'undo': {
      const id = resets[act.nth % resets.length];
      if (id !== undefined) await app.undoReset(id, NOTE).catch(expected);
      return;
    }
    case 'usage':
      await query(target, `UPDATE token_usage SET total_tokens = total_tokens + ${act.tokens}`);
  }
}
