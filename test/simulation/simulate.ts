import { setTimeout as sleep } from 'node:timers/promises';
import { replay, EXPIRED_AT_ONCE, type Answered, type Burst, type Operated } from './bursts.ts';
import type { Answer, Command } from './commands.ts';
import { compareCounters, compareRows, Disagreement } from './compare.ts';
import { text } from './foreign.ts';
import { ForeignSide } from './foreign-side.ts';
import { ForeignGenerator } from './foreign-generator.ts';
import { Generator } from './generator.ts';
import { Model } from './model.ts';
import { OperatorSide } from './operator-side.ts';
import { Random } from './random.ts';
import { Tally, type Scene } from './scene.ts';
import { SimulationFailed, type SimulationOptions } from './simulation-failed.ts';
import { openWorld, type Process } from './world.ts';
import { planWorld } from './world-plan.ts';

const CHECKPOINT_STEPS = 2_000;
const HANG_MS = 60_000;
/** Commands of a burst whose batches may be lost: what is known of a lost batch is that it was all that waited. */
const LOSABLE = 60;

/** Runs one world to its end. @throws SimulationFailed at the first disagreement */
export async function simulateWorld(options: SimulationOptions): Promise<Tally> {
  const random = new Random(options.seed, options.world);
  const plan = planWorld(random);
  const world = await openWorld(options.target, plan, random, options.tamper);
  const model = new Model(plan.settings, plan.cacheReadPercent);
  const generator = new Generator(random, model, plan);
  const foreign = new ForeignGenerator(random, model, plan, options.target.kind, generator);
  const tally = new Tally();
  try {
    await new Simulation({ world, model, plan, random, generator, foreign, tally }).run(
      options.steps,
    );
  } catch (error) {
    throw new SimulationFailed(options, tally.done, error);
  } finally {
    await world.close();
  }
  return tally;
}

class Simulation {
  readonly #scene: Scene;
  readonly #foreign: ForeignSide;
  readonly #operator: OperatorSide;
  /** Hardly anything was admitted, so that something should change. */
  #stuck = false;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#foreign = new ForeignSide(scene);
    this.#operator = new OperatorSide(scene);
  }

  async run(steps: number): Promise<void> {
    const { world, model, generator, tally } = this.#scene;
    let checkpoint = CHECKPOINT_STEPS;
    while (tally.done < steps) {
      await this.#between();
      await this.#chargeDue();
      await this.#burst(generator.commands(world.clock.nowMs));
      if (tally.done < checkpoint) continue;
      checkpoint = tally.done + CHECKPOINT_STEPS;
      await this.#checkpoint();
    }
    await this.#checkpoint();
    await compareRows(model, world.operator.app, world.writer);
  }

  /** What happens while no command is under way. */
  async #between(): Promise<void> {
    const { world, generator, random, tally } = this.#scene;
    const { clock } = world;
    const nowMs = generator.nextTime(clock.nowMs, this.#stuck);
    if (nowMs !== clock.nowMs) tally.step(nowMs < clock.nowMs ? 'clock back' : 'clock step');
    clock.nowMs = nowMs;
    if (random.chance(0.4)) await this.#foreign.write();
    if (random.chance(0.1)) await this.#foreign.changeOpenTransaction();
    if (random.chance(0.05)) await this.#foreign.tryToReplace();
    if (random.chance(this.#stuck ? 0.15 : 0.02)) await this.#operator.changeLimits();
    if (random.chance(this.#stuck ? 0.1 : 0.03)) {
      await this.#foreign.endOpenTransaction();
      await this.#chargeDue();
      this.#replay({ operated: [await this.#operator.reset()] });
    }
    if (random.chance(0.3)) await this.#operator.look();
  }

  #replay(burst: Partial<Burst>): void {
    const { world, model } = this.#scene;
    const nothing = { answered: [], operated: [], charged: null };
    replay(model, world.target.kind, { happenings: world.order.take(), ...nothing, ...burst });
  }

  /**
   * A batch charges at most 256 holds that are due, and of equals it is not said which. So where more
   * are due, they are charged batch by batch, and the database says which of the equals were.
   */
  async #chargeDue(): Promise<void> {
    const { world, model, random, tally } = this.#scene;
    const { clock } = world;
    while (model.chargeable(clock.nowMs + 5_000).length > EXPIRED_AT_ONCE) {
      const due = model.chargeable(clock.nowMs);
      if (due.length === 0) {
        clock.nowMs += 5_000;
        continue;
      }
      tally.outcome('more due than a batch charges');
      const answered = await this.#ask(world.backends, [nobody(random)]);
      const ids = due.map(({ id }) => text(id)).join(', ');
      const charged = await world.writer.query(
        `SELECT id FROM token_usage_logs WHERE state = 'expired' AND id IN (${ids})`,
      );
      const expired = new Set(charged.map(({ id }) => String(id)));
      this.#replay({
        answered,
        charged: (tied) => new Set(tied.map(({ id }) => id).filter((id) => expired.has(id))),
      });
      if (random.chance(0.3)) await this.#operator.look();
    }
  }

  async #ask(processes: readonly Process[], commands: readonly Command[]): Promise<Answered[]> {
    const { random, tally } = this.#scene;
    for (const { kind } of commands) tally.step(kind);
    return Promise.all(
      commands.map(async (command): Promise<Answered> => {
        const process = random.pick(processes);
        const answer = await process.ask(command);
        return { command, seat: process.seat, ticket: process.seat.ticket, answer };
      }),
    );
  }

  /** Commands of several processes at once, with what may befall them. */
  async #burst(commands: readonly Command[]): Promise<void> {
    const { world, random, tally } = this.#scene;
    const { clock, backends } = world;
    for (const { seat } of backends) {
      if (commands.length <= LOSABLE && random.chance(0.02)) {
        seat.fault = random.pick(['before', 'after'] as const);
        tally.outcome(`connection lost ${seat.fault} COMMIT`);
      }
      if (random.chance(0.1)) this.#foreign.intrude(seat);
    }
    const isLost = backends.some(({ seat }) => seat.fault !== null);
    const unlock = !isLost && random.chance(0.04) ? await this.#foreign.lockSome(commands) : null;
    const resets = random.chance(0.02);
    // A reset waits for writers whose transaction is open.
    if (resets) await this.#foreign.endOpenTransaction();
    clock.ticking = true;
    const asked = this.#ask(backends, commands);
    const operated: Operated[] = [];
    const resetting = async (): Promise<void> => {
      if (resets) operated.push(await this.#operator.reset());
    };
    const meanwhile = [resetting(), this.#foreign.comeBetween(), unlock?.()];
    const [answered] = await inTime(Promise.all([asked, ...meanwhile]));
    clock.ticking = false;
    this.#replay({ answered, operated });
    for (const { seat } of backends) {
      const { intrusion } = seat;
      seat.intrusion = null;
      seat.fault = null;
      if (intrusion !== null) (await intrusion.write())();
    }
    const names = answered.map(({ answer }) => nameOf(answer));
    for (const name of names) tally.outcome(name);
    const denied = names.filter((name) => name.startsWith('denied')).length;
    this.#stuck = denied > 4 * names.filter((name) => name === 'admitted').length;
  }

  /** Everything is counted as the model counts it. */
  async #checkpoint(): Promise<void> {
    const { world, model, random, tally } = this.#scene;
    await this.#foreign.endOpenTransaction();
    tally.step('checkpoint');
    // On PostgreSQL token_usage and the rollups are set when the next batch folds the deltas.
    await this.#chargeDue();
    this.#replay({ answered: await this.#ask(world.backends, [nobody(random)]) });
    await compareCounters(model, world.operator.app, world.writer);
  }
}

/** An end of no reservation: a batch that does nothing but what each batch does. */
function nobody(random: Random): Command {
  return { kind: 'release', id: random.uuid(), error: null };
}

function nameOf(answer: Answer): string {
  if ('error' in answer) return answer.error;
  if ('ending' in answer) return `ended ${answer.ending.state}`;
  const [reason] = answer.verdict.reasons;
  return reason === undefined ? 'admitted' : `denied ${reason.code}`;
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
