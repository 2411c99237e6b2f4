import type { Command, End, Reserve } from './commands.ts';
import { startsOf } from './model-counts.ts';
import type { ResetAsked } from './model-reset.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';
import type { WorldPlan } from './world-plan.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** How many of the newest reservations, keys and foreign rows are chosen from again. */
const REMEMBERED = 300;

/** Chooses what happens next, from what the model knows. */
export class Generator {
  readonly #random: Random;
  readonly #model: Model;
  readonly #plan: WorldPlan;
  /** What a call usually costs, in tokens. */
  readonly typical: number;
  /** Reservations that were ended, or may have expired. */
  readonly ended: string[] = [];
  readonly #keyed: Reserve[] = [];
  #unique = 0;

  constructor(random: Random, model: Model, plan: WorldPlan) {
    this.#random = random;
    this.#model = model;
    this.#plan = plan;
    this.typical = random.pick([10, 60, 400]);
  }

  /** Commands that are given at once. */
  commands(nowMs: number): Command[] {
    const random = this.#random;
    const size = random.weighted({ few: 1, usual: 8, many: 0.3 });
    const count =
      size === 'few'
        ? random.int(1, 6)
        : size === 'usual'
          ? random.int(40, 90)
          : random.int(300, 900);
    const open = [...this.#model.open.keys()].filter((id) => !this.#model.locked.has(id));
    const ended: string[] = [];
    // Some of them will have expired when they are ended.
    if (open.length > 0) remember(this.ended, random.pick(open));
    const reserving = open.length > 1_500 ? 0.3 : open.length > 400 ? 0.45 : 0.6;
    const largest = new Map(
      this.#plan.aiTypes.map((aiType) => [aiType, this.#model.largest(aiType, nowMs)]),
    );
    return Array.from({ length: count }, (): Command => {
      if (open.length === 0 || random.chance(reserving)) return this.#reserve(largest);
      const again = ended.length > 0 && random.chance(0.03);
      const id = again ? random.pick(ended) : this.#idToEnd(open);
      ended.push(id);
      return this.#end(id);
    });
  }

  #idToEnd(open: string[]): string {
    const random = this.#random;
    if (random.chance(0.02)) return random.uuid();
    const before = this.ended.filter((id) => !this.#model.locked.has(id));
    if (before.length > 0 && random.chance(0.12)) return random.pick(before);
    const at = random.int(0, open.length - 1);
    const id = open[at]!;
    remember(this.ended, id);
    return id;
  }

  #end(id: string): End {
    const random = this.#random;
    const row = this.#model.rows.get(id);
    const held = row?.reserved ?? 10;
    const model = random.chance(0.1) ? random.pick(['m1', 'm2']) : null;
    const how = random.weighted({
      equal: 4,
      below: 5,
      above: 2,
      cached: 1,
      unknown: 1.5,
      release: 3,
    });
    const usage = (inputTokens: number, outputTokens: number, created = 0, read = 0): End => ({
      kind: 'settle',
      id,
      model,
      usage: {
        inputTokens,
        outputTokens,
        cacheCreationInputTokens: created,
        cacheReadInputTokens: read,
      },
    });
    switch (how) {
      case 'equal':
        return usage(row?.reservedInput ?? 0, held - (row?.reservedInput ?? 0));
      case 'below':
        return usage(random.int(0, Math.floor(held / 2)), random.int(0, Math.floor(held / 2)));
      case 'above':
        return usage(held + random.int(0, this.typical), random.int(0, this.typical));
      case 'cached':
        return usage(random.int(0, 20), random.int(0, 20), random.int(0, 50), random.int(0, 200));
      case 'unknown':
        return { kind: 'settle', id, usage: null, model: null };
      case 'release':
        return { kind: 'release', id, error: random.chance(0.3) ? 'the provider refused' : null };
    }
  }

  #reserve(largest: ReadonlyMap<string, number>): Reserve {
    const random = this.#random;
    if (this.#keyed.length > 0 && random.chance(0.06)) return this.#reuse();
    const aiType = random.pick(this.#plan.aiTypes);
    const passes = Math.min(largest.get(aiType) ?? 0, 5_000_000);
    const key = random.chance(0.15) ? `key ${String((this.#unique += 1))}` : null;
    const batch = random.chance(0.06);
    const items = batch
      ? Array.from({ length: random.int(1, 12) }, () => this.#split(random.int(1, this.typical)))
      : [this.#split(this.#size(passes))];
    const command: Reserve = {
      kind: 'reserve',
      id: random.uuid(),
      aiType,
      items,
      key,
      keyIsRequestId: key !== null && random.chance(0.3),
      model: random.chance(0.5) ? random.pick(['m1', 'm2', 'm3']) : null,
      ttlSeconds: random.chance(0.6) ? null : random.pick([1, 5, 30, 61, 600, 3_600, 90_000]),
    };
    if (key !== null) remember(this.#keyed, command);
    return command;
  }

  /** The same key again: for the same request, or for another. */
  #reuse(): Reserve {
    const random = this.#random;
    const before = random.pick(this.#keyed);
    const again = { ...before, id: random.uuid() };
    return random.weighted({ same: 4, aiType: 1, size: 1, items: 1 }) === 'same'
      ? again
      : random.pick<Reserve>([
          { ...again, aiType: random.pick(this.#plan.aiTypes) },
          { ...again, items: [this.#split(random.int(1, this.typical))] },
          { ...again, items: [...before.items, { input: 1, output: 0 }] },
        ]);
  }

  #size(passes: number): number {
    const random = this.#random;
    const { request } = this.#model.limits;
    const size = {
      usual: random.int(1, this.typical),
      at: passes,
      above: passes + 1,
      request: request ?? this.typical * 2,
      aboveRequest: (request ?? this.typical) + 1,
      large: random.int(1, this.typical * 30),
    };
    const kinds = { usual: 14, at: 0.7, above: 1, request: 0.7, aboveRequest: 0.7, large: 1 };
    return Math.max(1, size[random.weighted(kinds)]);
  }

  #split(tokens: number): { input: number; output: number } {
    const input = this.#random.chance(0.2) ? tokens : this.#random.int(0, tokens);
    return { input, output: tokens - input };
  }

  /** When it is next, in ms: mostly soon, sometimes at the turn of a window, or a little earlier. */
  nextTime(nowMs: number, stuck: boolean): number {
    const random = this.#random;
    const [month] = startsOf(nowMs);
    const turns = {
      none: 20,
      soon: 60,
      later: 20,
      hour: stuck ? 40 : 6,
      day: stuck ? 40 : 3,
      month: month >= '2025-11' ? 0 : stuck ? 30 : 1,
      year: month >= '2024-12' ? 0 : 0.3,
      leapDay: month >= '2024-02' ? 0 : 0.5,
      back: 5,
    };
    const edge = random.pick([-1, 0, 1, random.int(0, 5_000)]);
    const at = new Date(nowMs);
    switch (random.weighted(turns)) {
      case 'none':
        return nowMs;
      case 'soon':
        return nowMs + random.int(0, 4 * SECOND_MS);
      case 'later':
        return nowMs + random.int(5 * SECOND_MS, 200 * SECOND_MS);
      case 'hour':
        return Math.max(nowMs, (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS + edge);
      case 'day':
        return Math.max(nowMs, (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS + edge);
      case 'month':
        return Math.max(nowMs, Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1) + edge);
      case 'year':
        return Math.max(nowMs, Date.UTC(at.getUTCFullYear() + 1, 0) + edge);
      case 'leapDay':
        return Math.max(nowMs, Date.UTC(2024, 1, 29) + edge);
      case 'back':
        return nowMs - random.int(1, random.pick([5, 2_000, 20_000]));
    }
  }

  reset(): ResetAsked {
    const random = this.#random;
    const some = this.#plan.aiTypes.filter(() => random.chance(0.4));
    const aiTypes = random.chance(0.3) ? [] : random.chance(0.1) ? ['unknown'] : some;
    return {
      aiTypes,
      window: random.pick(['all', 'all', 'month', 'day', 'hour'] as const),
      toTokens: aiTypes.length === 1 && random.chance(0.5) ? random.int(1, 3_000) : 0,
    };
  }
}

/** Keeps the newest. */
export function remember<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > REMEMBERED) list.shift();
}
