import type { Operated } from './bursts.ts';
import { compareStatus, mustAgree, plainVerdict, withoutMinute } from './compare.ts';
import { reset, sorted, undo, type ResetDone } from './model-reset.ts';
import type { Scene } from './scene.ts';
import { turns } from './world.ts';
import { someSettings } from './world-plan.ts';

const REST_TURNS = 100;

/** What an operator does: limits, resets, a look. */
export class OperatorSide {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async changeLimits(): Promise<void> {
    const { world, model, plan, random, tally } = this.#scene;
    const settings = someSettings(random, plan.aiTypes);
    tally.step('limit change');
    const note = { source: 'simulation', actor: null, reason: null };
    await world.operator.app.changeLimits(() => settings, note);
    // Prisma takes as long as it takes: the ledgers have come to rest, so that a seed repeats what follows.
    await turns(REST_TURNS);
    model.setLimits(settings);
  }

  /** A reset, or the undo of one, asked now; its place in the order is known when it is done. */
  async reset(): Promise<Operated> {
    const { world, model, generator, random, tally } = this.#scene;
    const { app, seat } = world.operator;
    if (model.resets.count > 0 && random.chance(0.4)) {
      // The number after the last is of none.
      const id = random.int(1, model.resets.count + 1);
      tally.step('undo');
      const done = await answered(app.undoReset(id, { actor: null, reason: null, dryRun: false }));
      tally.outcome(typeof done === 'string' ? done : 'undone');
      return {
        ticket: seat.ticket,
        what: `undo ${String(id)}`,
        expiresFirst: false,
        done,
        model: () => undo(model, id),
      };
    }
    const what = generator.reset();
    tally.step('reset');
    const done = await answered(
      app.reset({ ...what, actor: null, reason: 'simulation', dryRun: false }),
    );
    return {
      ticket: seat.ticket,
      what,
      expiresFirst: true,
      done,
      model: (nowMs) => reset(model, nowMs, what),
    };
  }

  /** A dry admission and a screen, of one instant. */
  async look(): Promise<void> {
    const { world, model, plan, random, tally } = this.#scene;
    const { app, seat } = world.operator;
    const aiType = random.pick(plan.aiTypes);
    const input = random.int(1, 2_000);
    tally.step('check');
    const estimate = { input, output: 0, total: input };
    const verdict = await app.check({ aiType, estimate, items: 1, largestItem: input });
    const nowMs = seat.readMs;
    const shown = model.check({ aiType, items: [{ input, output: 0 }] }, nowMs);
    const cut = model.recentIsUnclear(nowMs) ? withoutMinute : (same: object) => same;
    mustAgree('a check', aiType, cut({ verdict: shown }), cut({ verdict: plainVerdict(verdict) }));
    tally.step('status');
    const status = await app.status({ aiType });
    tally.outcome(`level ${status.level}`);
    compareStatus(model, seat.readMs, aiType, status);
  }
}

async function answered(asked: Promise<ResetDone>): Promise<ResetDone | string> {
  try {
    const { id, changes } = await asked;
    return { id, changes: sorted(changes) };
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
