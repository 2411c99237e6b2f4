import type { DatabaseKind } from '../../src/ledger/port.ts';
import { text, type Change, type WrittenTime } from './foreign.ts';
import { remember, type Generator } from './generator.ts';
import { startsOf, type Row } from './model-counts.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';
import { nameOf, noTime, timeAt } from './times.ts';
import type { WorldPlan } from './world-plan.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Chooses what other programs write. */
export class ForeignGenerator {
  readonly #random: Random;
  readonly #model: Model;
  readonly #plan: WorldPlan;
  readonly #kind: DatabaseKind;
  readonly #typical: number;
  readonly #reservations: readonly string[];
  readonly #written: string[] = [];
  #unique = 0;

  constructor(
    random: Random,
    model: Model,
    plan: WorldPlan,
    kind: DatabaseKind,
    { typical, ended }: Generator,
  ) {
    this.#random = random;
    this.#model = model;
    this.#plan = plan;
    this.#kind = kind;
    this.#typical = typical;
    this.#reservations = ended;
  }

  /** Foreign writes; `plain` ones touch nothing that a batch has locked, and no charge that a reset may have taken. */
  changes(nowMs: number, plain: boolean): Change[] {
    const random = this.#random;
    const touched = new Set<string>();
    return Array.from({ length: random.int(1, 6) }, () =>
      random.weighted({ insert: 6, update: 3, delete: 1, usage: plain ? 0 : 0.5 }),
    ).flatMap((what): Change[] => {
      if (what === 'insert') return [this.#insert(nowMs)];
      if (what === 'usage') return [this.#usage(nowMs)];
      const row = this.#rowToChange(plain, touched);
      if (row === null) return [];
      touched.add(row.id);
      return [what === 'delete' ? { do: 'delete', id: row.id } : this.#update(row, nowMs)];
    });
  }

  #rowToChange(plain: boolean, touched: ReadonlySet<string>): Row | null {
    const ids = plain || this.#random.chance(0.7) ? this.#written : this.#reservations;
    if (ids.length === 0) return null;
    const row = this.#model.rows.get(this.#random.pick(ids));
    if (row === undefined || touched.has(row.id) || this.#model.locked.has(row.id)) return null;
    if (plain && (row.state === 'reserved' || row.resetsBefore !== this.#model.resets.count)) {
      return null;
    }
    return row;
  }

  #insert(nowMs: number): Change {
    const random = this.#random;
    const id = random.uuid();
    const rated = this.#model.limits.perMinute !== null;
    const wild = random.chance(0.01);
    const time = wild
      ? this.#time(nowMs - random.int(200, 900) * DAY_MS)
      : this.#someTime(nowMs, rated);
    const name = nameOf(random, random.pick(this.#plan.aiTypes));
    const tokensIn = wild
      ? random.pick([-5, -4e18, 1e12, 1e12 + 1, 4e18])
      : random.int(0, this.#typical);
    const tokensOut = wild ? random.pick([-7, 0, 1e12, 4e18]) : random.int(0, this.#typical);
    const held = !wild && random.chance(0.03);
    const reserved = held ? random.int(1, this.#typical) : 0;
    const row: Row = {
      id,
      aiType: name.countsAs,
      atMs: 0,
      flagged: time.atMs === null,
      state: held ? 'reserved' : 'settled',
      tokensIn: held ? 0 : tokensIn,
      tokensOut: held ? 0 : tokensOut,
      total: held ? 0 : random.pick([tokensIn + tokensOut, 0, tokensIn + tokensOut + 3]),
      reserved,
      reservedInput: held ? random.int(0, reserved) : 0,
      items: random.chance(0.1) ? random.pick([0, -3, 2, 5]) : 1,
      denials: 1,
      expiresAtMs: held ? nowMs + random.int(1, 900) * SECOND_MS : 0,
      success: !random.chance(0.1),
      model: random.chance(0.5) ? random.pick(['m1', 'claude-x']) : null,
      requestType: random.pick(['direct', 'batch', null]),
      key: null,
      resetsBefore: 0,
    };
    remember(this.#written, id);
    return { do: 'insert', row, name, time };
  }

  /** Where requests are rated, times to come stay recent for as long: so they are rare. */
  #someTime(nowMs: number, rated: boolean): WrittenTime {
    const random = this.#random;
    if (random.chance(rated ? 0.001 : 0.06)) {
      return noTime(random, this.#kind, (this.#unique += 1));
    }
    const near = random.weighted({ now: 6, hours: 4, days: 2, months: 1, ahead: rated ? 0.02 : 1 });
    const away = {
      now: -random.int(0, 50 * SECOND_MS),
      hours: -random.int(0, 3 * HOUR_MS),
      days: -random.int(0, 3 * DAY_MS),
      months: -random.int(0, 100 * DAY_MS),
      ahead: random.int(1, HOUR_MS),
    }[near];
    return this.#time(nowMs + away);
  }

  #time(atMs: number): WrittenTime {
    return timeAt(this.#random, this.#kind, atMs);
  }

  #update(row: Row, nowMs: number): Change {
    const random = this.#random;
    const set = (sql: string, to: Partial<Row>): Change => ({
      do: 'update',
      id: row.id,
      sql,
      to,
      time: null,
    });
    if (row.state === 'reserved' && random.chance(0.5)) {
      const tokens = random.int(0, this.#typical);
      return set(
        `state = 'settled', tokens_in = ${String(tokens)}, tokens_out = 1, total_tokens = ${String(tokens + 1)}`,
        { state: 'settled', tokensIn: tokens, tokensOut: 1, total: tokens + 1 },
      );
    }
    switch (random.weighted({ tokens: 4, time: 2, name: 1, labels: 1 })) {
      case 'tokens': {
        if (row.state === 'reserved') return set('request_id = NULL', {});
        const tokensIn = random.int(0, this.#typical);
        const tokensOut = random.int(0, this.#typical);
        const total = random.pick([tokensIn + tokensOut, 0, tokensIn + tokensOut + 3]);
        return set(
          `tokens_in = ${String(tokensIn)}, tokens_out = ${String(tokensOut)}, total_tokens = ${String(total)}`,
          { tokensIn, tokensOut, total },
        );
      }
      case 'time': {
        const time = this.#someTime(nowMs, true);
        if (time.sql === null || (row.flagged && time.atMs === null))
          return set('error_message = NULL', {});
        return {
          do: 'update',
          id: row.id,
          sql: `created_at = ${time.sql}`,
          to: { flagged: time.atMs === null },
          time,
        };
      }
      case 'name': {
        const name = nameOf(random, random.pick(this.#plan.aiTypes));
        return set(`ai_type = ${name.sql}`, { aiType: name.countsAs });
      }
      case 'labels': {
        const success = random.chance(0.5);
        return set(
          `success = ${success ? 'true' : 'false'}, model_used = ${text('m9')}, request_type = NULL`,
          {
            success,
            model: 'm9',
            requestType: null,
          },
        );
      }
    }
  }

  #usage(nowMs: number): Change {
    return {
      do: 'usage',
      aiType: this.#random.pick(this.#plan.aiTypes),
      month: startsOf(nowMs)[0],
      tokens: this.#random.int(1, 500),
    };
  }
}
