import { inspect } from 'node:util';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { Disagreement } from './compare.ts';
import type { Tamper } from './world.ts';

export interface SimulationOptions {
  readonly target: DatabaseTarget;
  readonly seed: number;
  /** Which of the seed's worlds. */
  readonly world: number;
  readonly steps: number;
  readonly tamper?: Tamper;
}

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
