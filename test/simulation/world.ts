import { setImmediate as turn } from 'node:timers/promises';
import { App, migrateDatabase } from '../../src/app.ts';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { Guard } from '../../src/guard/guard.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import type { Connection } from '../../src/ledger/port.ts';
import { openPostgres } from '../../src/ledger/postgres.ts';
import { openSqlite } from '../../src/ledger/sqlite.ts';
import { systemRuntime, type Runtime } from '../../src/platform/runtime.ts';
import type { Answer, Command } from './commands.ts';
import { plainVerdict } from './compare.ts';
import { openWriter, type Writer } from './foreign.ts';
import { Random } from './random.ts';
import { newSeat, Order, watched, type Seat } from './seats.ts';
import type { WorldPlan } from './world-plan.ts';

/** A database, the processes at it (each with a ledger of its own), and their clock. */

interface Clock {
  nowMs: number;
  /** While commands run: each look at it finds a later time, or sometimes an earlier one. */
  ticking: boolean;
}

export interface Process {
  readonly seat: Seat;
  readonly app: App;
  readonly guard: Guard;
  /** Gives the command to the guard, at once. */
  ask(command: Command): Promise<Answer>;
}

export interface World {
  readonly target: DatabaseTarget;
  readonly clock: Clock;
  readonly order: Order;
  readonly backends: readonly Process[];
  /** Changes limits, resets and looks; reserves nothing. */
  readonly operator: Process;
  readonly writer: Writer;
  /** PostgreSQL: for transactions that stay open. */
  readonly slowWriter: Writer;
  close(): Promise<void>;
}

/** Waits for so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await turn();
}

/** Waiting by turns of the event loop and not by a clock: on SQLite a seed then repeats every order. */
function waitingByTurns(random: Random): Partial<Runtime> {
  let passedMs = 0;
  return {
    monotonicMs: () => passedMs,
    random: () => random.next(),
    async sleep(ms) {
      await turns(Math.ceil(ms));
      passedMs += ms;
    },
  };
}

/** Replaces a connection, to show that the simulation sees what is wrong. */
export type Tamper = (connection: Connection, seat: Seat) => Connection;

const BACKENDS = 2;
/** So long that only a hang reaches it. */
const TIMEOUT_MS = 30_000;

export async function openWorld(
  target: DatabaseTarget,
  plan: WorldPlan,
  random: Random,
  tamper: Tamper = (connection) => connection,
): Promise<World> {
  const clock: Clock = { nowMs: plan.startMs, ticking: false };
  const order = new Order();
  // Each has choices of its own: who comes first must not change what the others choose.
  const ticks = new Random(random.uuid());
  const nowMs = (): number => {
    if (clock.ticking) clock.nowMs += ticks.chance(0.05) ? -ticks.int(1, 300) : ticks.int(0, 20);
    return clock.nowMs;
  };
  const firstSettings = plan.settings;
  await migrateDatabase({
    target,
    runtime: { ...systemRuntime, nowMs },
    dryRun: false,
    firstSettings,
  });
  const open = (name: string): Process => {
    const seat = newSeat(name);
    const own = new Random(random.uuid());
    let nextId: string | null = null;
    const runtime: Runtime = {
      ...systemRuntime,
      ...(target.kind === 'sqlite' ? waitingByTurns(own) : {}),
      nowMs,
      newId: () => {
        const id = nextId ?? own.uuid();
        nextId = null;
        return id;
      },
    };
    const connection =
      target.kind === 'sqlite'
        ? openSqlite({ path: target.url, runtime })
        : openPostgres({ url: target.url, nowMs, timeoutMs: TIMEOUT_MS });
    const ledger = new Ledger({
      connection: watched(tamper(connection, seat), seat, order),
      runtime,
      timeoutMs: TIMEOUT_MS,
    });
    const guard = new Guard(ledger, runtime, {
      estimator: 'words',
      cacheReadPercent: plan.cacheReadPercent,
      requestType: 'sdk',
    });
    return {
      seat,
      app: new App(target, ledger, runtime, false),
      guard,
      ask(command) {
        if (command.kind === 'reserve') nextId = command.id;
        return answerOf(guard, command);
      },
    };
  };
  const processes = Array.from({ length: BACKENDS }, (_, index) =>
    open(`backend ${String(index + 1)}`),
  );
  const operator = open('operator');
  const writer = await openWriter(target);
  const slowWriter = await openWriter(target);
  return {
    target,
    clock,
    order,
    backends: processes,
    operator,
    writer,
    slowWriter,
    async close() {
      for (const { app } of [...processes, operator]) await app.close();
      await writer.close();
      await slowWriter.close();
    },
  };
}

/** The answer to a command, without its words. */
async function answerOf(guard: Guard, command: Command): Promise<Answer> {
  try {
    if (command.kind === 'reserve') return { verdict: plainVerdict(await reserve(guard, command)) };
    const ending =
      command.kind === 'release'
        ? await guard.release(command.id, { error: command.error })
        : await guard.settle(
            command.id,
            command.usage === null
              ? { unknown: true }
              : { ...command.usage, ...(command.model === null ? {} : { model: command.model }) },
          );
    return { ending };
  } catch (error) {
    return {
      error: error instanceof Error && 'code' in error ? String(error.code) : String(error),
    };
  }
}

function reserve(
  guard: Guard,
  command: Extract<Command, { kind: 'reserve' }>,
): ReturnType<Guard['reserve']> {
  const { aiType, items, key, model, ttlSeconds } = command;
  return guard.reserve({
    aiType,
    estimate: items.length === 1 ? items[0]! : { items },
    ...(key === null ? {} : command.keyIsRequestId ? { requestId: key } : { idempotencyKey: key }),
    ...(model === null ? {} : { model }),
    ...(ttlSeconds === null ? {} : { ttlSeconds }),
  });
}
