import { randomUUID } from 'node:crypto';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { replay, EXPIRED_AT_ONCE, type Answered, type Operated } from './bursts.ts';
import type { Command } from './commands.ts';
import {
  compareCounters,
  compareRows,
  compareStatus,
  Disagreement,
  mustAgree,
  plainVerdict,
  withoutMinute,
} from './compare.ts';
import { effectOf, text, timedByDatabase, type Change, type ReadTimes } from './foreign.ts';
import { Generator } from './generator.ts';
import type { Row } from './model-counts.ts';
import { reset, sorted, undo, type ResetDone } from './model-reset.ts';
import { Model, type Effect } from './model.ts';
import { Random } from './random.ts';
import { openWorld, type Process, type Tamper, type World } from './world.ts';
import { planWorld, someSettings } from './world-plan.ts';

export interface SimulationOptions {
  readonly target: DatabaseTarget;
  readonly seed: number;
  /** Which of the seed's worlds. */
  readonly world: number;
  readonly steps: number;
  readonly tamper?: Tamper;
}

/** How many steps of each kind were done. */
export type Steps = Map<string, number>;

/** The ledger gave a wrong answer, or counted wrong; the message says what, and how to see it again. */
export class SimulationFailed extends Error {
  override readonly name = 'SimulationFailed';

  constructor({ target, seed, world, steps }: SimulationOptions, step: number, cause: unknown) {
    const { kind } = target;
    const deep = (value: unknown): string => inspect(value, { depth: 8 });
    const lines =
      cause instanceof Disagreement
        ? [
            cause.message,
            `  about:  ${deep(cause.about)}`,
            `  model:  ${deep(cause.model)}`,
            `  ledger: ${deep(cause.ledger)}`,
          ]
        : [deep(cause)];
    super(
      [
        `${kind}: with seed ${String(seed)}, in step ${String(step)} of world ${String(world)}, they disagree: ${lines.join('\n')}`,
        `  again:  npm run simulate -- --database ${kind} --seed ${String(seed)} --world ${String(world)} --steps ${String(steps)}`,
      ].join('\n'),
      { cause },
    );
  }
}

const CHECKPOINT_STEPS = 2_000;
const HANG_MS = 60_000;

/** Runs one world to its end. @throws SimulationFailed at the first disagreement */
export async function simulateWorld(options: SimulationOptions): Promise<Steps> {
  const random = new Random(options.seed, options.world);
  const plan = planWorld(random);
  const world = await openWorld(options.target, plan, random, options.tamper);
  const simulation = new Simulation(world, random, plan);
  try {
    await simulation.run(options.steps);
  } catch (error) {
    throw new SimulationFailed(options, simulation.done, error);
  } finally {
    await world.close();
  }
  return simulation.steps;
}

class Simulation {
  readonly steps: Steps = new Map();
  done = 0;
  readonly #world: World;
  readonly #random: Random;
  readonly #model: Model;
  readonly #generator: Generator;
  readonly #plan: ReturnType<typeof planWorld>;
  /** What a foreign transaction that is still open will have done. */
  #open: {
    readonly effects: (Effect | null)[];
    readonly ids: string[];
    readonly commit: boolean;
  } | null = null;
  #stuck = false;

  constructor(world: World, random: Random, plan: ReturnType<typeof planWorld>) {
    this.#world = world;
    this.#random = random;
    this.#plan = plan;
    this.#model = new Model(plan.settings, plan.cacheReadPercent);
    this.#generator = new Generator(random, this.#model, plan, world.target.kind);
  }

  get #isPostgres(): boolean {
    return this.#world.target.kind === 'postgresql';
  }

  #count(kind: string, times = 1): void {
    this.done += times;
    this.steps.set(kind, (this.steps.get(kind) ?? 0) + times);
  }

  async run(steps: number): Promise<void> {
    let checkpoint = CHECKPOINT_STEPS;
    while (this.done < steps) {
      await this.#between();
      await this.#chargeDue();
      await this.#burst(this.#generator.commands(this.#world.clock.nowMs));
      if (this.done >= checkpoint) {
        checkpoint = this.done + CHECKPOINT_STEPS;
        await this.#checkpoint();
      }
    }
    await this.#checkpoint();
    await compareRows(this.#model, this.#world.operator.app, this.#world.writer);
  }

  /** What happens while no command is under way. */
  async #between(): Promise<void> {
    const random = this.#random;
    const { clock } = this.#world;
    const nowMs = this.#generator.nextTime(clock.nowMs, this.#stuck);
    if (nowMs !== clock.nowMs) this.#count(nowMs < clock.nowMs ? 'clock back' : 'clock step');
    clock.nowMs = nowMs;
    if (random.chance(0.4)) await this.#foreignWrite(this.#generator.foreign(nowMs, false));
    if (random.chance(0.1)) await this.#changeOpenTransaction();
    if (random.chance(0.05)) await this.#replaceIsRefused();
    if (random.chance(this.#stuck ? 0.15 : 0.02)) await this.#changeLimits();
    if (random.chance(this.#stuck ? 0.1 : 0.03)) await this.#operate(this.#someReset());
    if (random.chance(0.3)) await this.#look();
  }

  async #foreignWrite(changes: readonly Change[]): Promise<void> {
    const apply = await this.#written(() => this.#world.writer.write(changes), changes);
    apply();
  }

  /** Runs foreign writes; what they mean for the model, to be applied when their turn has come. */
  async #written(write: () => Promise<ReadTimes>, changes: readonly Change[]): Promise<() => void> {
    const beforeMs = Date.now();
    const times = await write();
    this.#count('foreign write', changes.length);
    for (const [id, written] of timedByDatabase(changes)) {
      const read = times.get(id);
      const inTime = read !== undefined && read.atMs >= beforeMs && read.atMs <= Date.now();
      mustAgree('a row without a time counts when it is written', id, true, inTime);
      mustAgree('why it counts then', id, written.flag, read?.flag);
    }
    return () => {
      for (const change of changes) {
        const effect = effectOf(this.#model, change, times);
        if (effect !== null) this.#model.apply(effect);
      }
    };
  }

  /** PostgreSQL: a foreign transaction stays open for a while, and then ends one way or the other. */
  async #changeOpenTransaction(): Promise<void> {
    if (!this.#isPostgres) return;
    if (this.#open !== null) {
      await this.#endOpenTransaction();
      return;
    }
    const model = this.#model;
    const changes = this.#generator
      .foreign(this.#world.clock.nowMs, false)
      // What is corrected depends on the resets at its end; token_usage would stay locked.
      .filter((change) => change.do !== 'usage')
      .filter(
        (change) =>
          change.do !== 'update' || model.rows.get(change.id)?.resetsBefore === model.resets.count,
      );
    let times: ReadTimes = new Map();
    await this.#written(async () => (times = await this.#world.slowWriter.begin(changes)), changes);
    const effects = changes.map((change) => effectOf(model, change, times));
    const ids = changes.flatMap((change) =>
      change.do === 'update' || change.do === 'delete' ? [change.id] : [],
    );
    for (const id of ids) model.locked.add(id);
    this.#open = { effects, ids, commit: this.#random.chance(0.7) };
  }

  async #endOpenTransaction(): Promise<void> {
    if (this.#open === null) return;
    const { effects, ids, commit } = this.#open;
    this.#open = null;
    await this.#world.slowWriter.end(commit ? 'COMMIT' : 'ROLLBACK');
    for (const id of ids) this.#model.locked.delete(id);
    if (!commit) return;
    for (const effect of effects) if (effect !== null) this.#model.apply(effect);
  }

  /** SQLite fires no delete trigger for a row that is replaced, so that is refused. */
  async #replaceIsRefused(): Promise<void> {
    const [row] = this.#model.rows.values();
    if (this.#isPostgres || row === undefined) return;
    this.#count('foreign replace');
    const refusal = await this.#world.writer
      .query(
        `INSERT OR REPLACE INTO token_usage_logs (id, ai_type, total_tokens) VALUES (${text(row.id)}, 'imperium', 1)`,
      )
      .then(
        () => 'replaced',
        (error: unknown) => String(error),
      );
    mustAgree('a row is never replaced', row.id, true, refusal.includes('never replaced'));
  }

  async #changeLimits(): Promise<void> {
    const settings = someSettings(this.#random, this.#plan.aiTypes);
    this.#count('limit change');
    await this.#world.operator.app.changeLimits(() => settings, {
      source: 'simulation',
      actor: null,
      reason: null,
    });
    this.#model.setLimits(settings);
  }

  /** A reset, or the undo of one, asked now; its place in the order is known when it is done. */
  #someReset(): () => Promise<Operated> {
    const { app, seat } = this.#world.operator;
    const answered = async (asked: Promise<ResetDone>): Promise<ResetDone | string> => {
      try {
        const { id, changes } = await asked;
        return { id, changes: sorted(changes) };
      } catch (error) {
        return error instanceof Error && 'code' in error ? String(error.code) : String(error);
      }
    };
    if (this.#model.resets.count > 0 && this.#random.chance(0.4)) {
      const id = this.#random.int(1, this.#model.resets.count + 1);
      return async () => {
        this.#count('undo');
        const done = await answered(
          app.undoReset(id, { actor: null, reason: null, dryRun: false }),
        );
        const { ticket } = seat;
        const model = (): ResetDone | string => undo(this.#model, id);
        return { ticket, what: `undo ${String(id)}`, expiresFirst: false, done, model };
      };
    }
    const what = this.#generator.reset();
    return async () => {
      this.#count('reset');
      const done = await answered(
        app.reset({ ...what, actor: null, reason: 'simulation', dryRun: false }),
      );
      const { ticket } = seat;
      const model = (nowMs: number): ResetDone => {
        const { id, changes } = reset(this.#model, nowMs, what);
        return { id, changes: sorted(changes) };
      };
      return { ticket, what, expiresFirst: true, done, model };
    };
  }

  async #operate(start: () => Promise<Operated>): Promise<void> {
    await this.#chargeDue();
    const operated = await start();
    const happenings = this.#world.order.take();
    replay(this.#model, this.#world.target.kind, {
      happenings,
      answered: [],
      operated: [operated],
      charged: null,
    });
  }

  /** A dry admission and a screen, of one instant. */
  async #look(): Promise<void> {
    const random = this.#random;
    const { app, seat } = this.#world.operator;
    const aiType = random.pick(this.#plan.aiTypes);
    const input = random.int(1, 2_000);
    const estimate = { input, output: 0, total: input };
    this.#count('check');
    const verdict = await app.check({ aiType, estimate, items: 1, largestItem: input });
    const nowMs = seat.readMs;
    const shown = this.#model.check({ aiType, items: [{ input, output: 0 }] }, nowMs);
    const cut = this.#model.recentIsUnclear(nowMs) ? withoutMinute : (same: object) => same;
    mustAgree('a check', aiType, cut({ verdict: shown }), cut({ verdict: plainVerdict(verdict) }));
    this.#count('status');
    const status = await app.status({ aiType });
    compareStatus(this.#model, seat.readMs, aiType, status);
  }

  /**
   * A batch charges at most 256 holds that are due, and of equals it is not said which. So where more
   * are due, they are charged batch by batch, and the database says which of the equals were.
   */
  async #chargeDue(): Promise<void> {
    const { clock, backends, writer } = this.#world;
    while (this.#model.due(clock.nowMs + 5_000).length > EXPIRED_AT_ONCE) {
      const due = this.#model.due(clock.nowMs);
      if (due.length === 0) {
        clock.nowMs += 5_000;
        continue;
      }
      const [answered] = await this.#ask(backends.slice(0, 1), [
        { kind: 'release', id: this.#random.uuid(), error: null },
      ]);
      const states = await writer.query(
        `SELECT id FROM token_usage_logs WHERE state = 'expired' AND id IN (${due.map(({ id }) => text(id)).join(', ')})`,
      );
      const expired = new Set(states.map(({ id }) => String(id)));
      replay(this.#model, this.#world.target.kind, {
        happenings: this.#world.order.take(),
        answered: [answered!],
        operated: [],
        charged: (tied: readonly Row[]) =>
          new Set(tied.map(({ id }) => id).filter((id) => expired.has(id))),
      });
      if (this.#random.chance(0.3)) await this.#look();
    }
  }

  async #ask(processes: readonly Process[], commands: readonly Command[]): Promise<Answered[]> {
    for (const { kind } of commands) this.#count(kind);
    return Promise.all(
      commands.map(async (command): Promise<Answered> => {
        const process = this.#random.pick(processes);
        const { seat } = process;
        const answer = await process.ask(command);
        return { command, seat, ticket: seat.ticket, answer };
      }),
    );
  }

  /** Commands of several processes at once, with what may befall them. */
  async #burst(commands: readonly Command[]): Promise<void> {
    const random = this.#random;
    const { clock, backends, order, target } = this.#world;
    // A lost batch is known by what was answered later, so it must have been all that waited.
    const small = commands.length <= 60;
    for (const { seat } of backends) {
      if (small && random.chance(0.02)) {
        seat.fault = random.pick(['before', 'after'] as const);
        this.#count(`lost ${seat.fault} COMMIT`);
      }
      if (this.#isPostgres && random.chance(0.1)) this.#intrude(seat);
    }
    clock.ticking = true;
    const asked = this.#ask(backends, commands);
    const others: Promise<void>[] = [];
    const operated: Operated[] = [];
    if (random.chance(0.02)) {
      others.push(
        this.#someReset()().then((one) => {
          operated.push(one);
        }),
      );
    }
    if (!this.#isPostgres) others.push(this.#comeBetween());
    const [answered] = await inTime(Promise.all([asked, ...others]));
    clock.ticking = false;
    replay(this.#model, target.kind, {
      happenings: order.take(),
      answered,
      operated,
      charged: null,
    });
    for (const { seat } of backends) {
      const { intrusion } = seat;
      seat.intrusion = null;
      seat.fault = null;
      if (intrusion !== null) (await intrusion.write())();
    }
    const verdicts = answered.flatMap(({ answer }) =>
      'verdict' in answer ? [answer.verdict] : [],
    );
    this.#stuck = verdicts.filter(({ admitted }) => admitted).length * 5 < verdicts.length;
  }

  #intrude(seat: Process['seat']): void {
    const changes = this.#generator.foreign(this.#world.clock.nowMs, true);
    seat.intrusion = {
      before: this.#random.pick(['windows', 'insertLogs'] as const),
      write: () => this.#written(() => this.#world.writer.write(changes), changes),
    };
  }

  /** SQLite: foreign writes between batches, and one that keeps the lock for a while. */
  async #comeBetween(): Promise<void> {
    const random = this.#random;
    const { order, writer } = this.#world;
    if (!random.chance(0.15)) return;
    const changes = this.#generator.foreign(this.#world.clock.nowMs, true);
    for (let turns = random.int(0, 4); turns > 0; turns -= 1) await turn();
    const keeps = random.chance(0.1);
    const apply = await this.#written(async () => {
      if (!keeps) return writer.write(changes);
      const times = await writer.begin(changes);
      for (let turns = random.int(1, 30); turns > 0; turns -= 1) await turn();
      await writer.end('COMMIT');
      return times;
    }, changes);
    order.happenings.push({ kind: 'foreign', apply });
  }

  /** Everything is counted as the model counts it. */
  async #checkpoint(): Promise<void> {
    await this.#endOpenTransaction();
    const { operator, writer, order, target } = this.#world;
    this.#count('checkpoint');
    if (this.#isPostgres) {
      // token_usage is set when the deltas are folded, which the next batch does.
      await this.#chargeDue();
      await this.#ask([operator], [{ kind: 'release', id: randomUUID(), error: null }]).then(
        (answered) =>
          replay(this.#model, target.kind, {
            happenings: order.take(),
            answered,
            operated: [],
            charged: null,
          }),
      );
    }
    await compareCounters(this.#model, operator.app, writer);
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const hung = sleep(HANG_MS, null, { signal: late.signal }).then(() => {
    throw new Disagreement('the burst hangs', null, 'answers', `nothing for ${String(HANG_MS)} ms`);
  });
  try {
    return await Promise.race([work, hung]);
  } finally {
    late.abort();
    hung.catch(() => undefined);
  }
}
