import type { ForeignGenerator } from './foreign-generator.ts';
import type { Generator } from './generator.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';
import type { WorldPlan } from './world-plan.ts';

/** What was done and what came of it, by name. */
export class Tally {
  readonly steps = new Map<string, number>();
  readonly outcomes = new Map<string, number>();
  /** Steps in all. */
  done = 0;

  step(name: string, times = 1): void {
    this.done += times;
    add(this.steps, name, times);
  }

  outcome(name: string, times = 1): void {
    add(this.outcomes, name, times);
  }

  addAll(other: Tally): void {
    for (const [name, times] of other.steps) this.step(name, times);
    for (const [name, times] of other.outcomes) this.outcome(name, times);
  }
}

function add(to: Map<string, number>, name: string, times: number): void {
  to.set(name, (to.get(name) ?? 0) + times);
}

/** A world and its model, and who chooses what happens. */
export interface Scene {
  readonly world: World;
  readonly model: Model;
  readonly plan: WorldPlan;
  readonly random: Random;
  readonly generator: Generator;
  readonly foreign: ForeignGenerator;
  readonly tally: Tally;
}
