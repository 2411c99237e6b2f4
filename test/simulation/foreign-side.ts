import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from './commands.ts';
import { mustAgree } from './compare.ts';
import { effectOf, text, timedByDatabase, type Change, type ReadTimes } from './foreign.ts';
import type { Effect } from './model.ts';
import type { Scene } from './scene.ts';
import type { Seat } from './seats.ts';
import { turns } from './world.ts';

/** A foreign transaction that is still open, and what it will have done. */
interface OpenTransaction {
  readonly effects: readonly (Effect | null)[];
  readonly ids: readonly string[];
  readonly commits: boolean;
}

/** What other programs do to the same database: between batches, within them, and across them. */
export class ForeignSide {
  readonly #scene: Scene;
  readonly #isPostgres: boolean;
  #open: OpenTransaction | null = null;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#isPostgres = scene.world.target.kind === 'postgresql';
  }

  async write(): Promise<void> {
    const { world, foreign } = this.#scene;
    const changes = foreign.changes(world.clock.nowMs, false);
    (await this.#written(() => world.writer.write(changes), changes))();
  }

  /** Runs changes; what they mean for the model, to be applied when their turn has come. */
  async #written(write: () => Promise<ReadTimes>, changes: readonly Change[]): Promise<() => void> {
    const { model, tally } = this.#scene;
    const beforeMs = Date.now();
    const times = await write();
    for (const change of changes) tally.step(`foreign ${change.do}`);
    for (const [id, written] of timedByDatabase(changes)) {
      const read = times.get(id);
      const inTime = read !== undefined && read.atMs >= beforeMs && read.atMs <= Date.now();
      mustAgree('a row without a time counts when it is written', id, true, inTime);
      mustAgree('why it counts then', id, written.flag, read?.flag);
      tally.outcome(`foreign time ${written.flag ?? 'left out'}`);
    }
    return () => {
      for (const change of changes) {
        const effect = effectOf(model, change, times);
        if (effect !== null) model.apply(effect);
      }
    };
  }

  /** PostgreSQL: a transaction that stays open while batches go on, or the end of it. */
  async changeOpenTransaction(): Promise<void> {
    if (!this.#isPostgres) return;
    if (this.#open !== null) {
      await this.endOpenTransaction();
      return;
    }
    const { world, model, foreign, random, tally } = this.#scene;
    const changes = foreign
      .changes(world.clock.nowMs, false)
      // token_usage would stay locked, and a rollback leaves nothing that says so.
      .filter((change) => change.do !== 'usage')
      // What is corrected depends on the resets at its end.
      .filter(
        (change) =>
          change.do !== 'update' || model.rows.get(change.id)?.resetsBefore === model.resets.count,
      );
    let times: ReadTimes = new Map();
    await this.#written(async () => (times = await world.slowWriter.begin(changes)), changes);
    const effects = changes.map((change) => effectOf(model, change, times));
    const ids = touchedBy(changes);
    for (const id of ids) model.locked.add(id);
    this.#open = { effects, ids, commits: random.chance(0.7) };
    tally.outcome('foreign transaction left open');
  }

  async endOpenTransaction(): Promise<void> {
    if (this.#open === null) return;
    const { model, world } = this.#scene;
    const { effects, ids, commits } = this.#open;
    this.#open = null;
    await world.slowWriter.end(commits ? 'COMMIT' : 'ROLLBACK');
    for (const id of ids) model.locked.delete(id);
    if (!commits) return;
    for (const effect of effects) if (effect !== null) model.apply(effect);
  }

  /** SQLite fires no delete trigger for a row that is replaced, so that is refused. */
  async tryToReplace(): Promise<void> {
    const { model, world, tally } = this.#scene;
    const [row] = model.rows.values();
    if (this.#isPostgres || row === undefined) return;
    tally.step('foreign replace');
    const refusal = await world.writer
      .query(
        `INSERT OR REPLACE INTO token_usage_logs (id, ai_type, total_tokens) VALUES (${text(row.id)}, 'imperium', 1)`,
      )
      .then(
        () => 'replaced',
        (error: unknown) => String(error),
      );
    mustAgree('a row is never replaced', row.id, true, refusal.includes('never replaced'));
  }

  /** PostgreSQL: writes in the middle of the next batch of a ledger. */
  intrude(seat: Seat): void {
    const { world, model, foreign, random } = this.#scene;
    if (!this.#isPostgres) return;
    const changes = foreign.changes(world.clock.nowMs, true);
    const ids = touchedBy(changes);
    // So that the other ledger's intrusion leaves these rows alone.
    for (const id of ids) model.locked.add(id);
    seat.intrusion = {
      before: random.pick(['windows', 'insertLogs'] as const),
      write: () => {
        for (const id of ids) model.locked.delete(id);
        return this.#written(() => world.writer.write(changes), changes);
      },
    };
  }

  /** SQLite: writes between the batches of a burst, and sometimes keeps the lock for a while. */
  async comeBetween(): Promise<void> {
    const { world, foreign, random, tally } = this.#scene;
    if (this.#isPostgres || !random.chance(0.15)) return;
    const changes = foreign.changes(world.clock.nowMs, true);
    await turns(random.int(0, 4));
    const keeps = random.chance(0.1);
    if (keeps) tally.outcome('foreign writer kept the lock');
    const apply = await this.#written(async () => {
      if (!keeps) return world.writer.write(changes);
      const times = await world.writer.begin(changes);
      await turns(random.int(1, 30));
      await world.writer.end('COMMIT');
      return times;
    }, changes);
    world.order.happenings.push({ kind: 'foreign', apply });
  }

  /** PostgreSQL: locks rows that are about to be ended, and changes nothing. */
  async lockSome(commands: readonly Command[]): Promise<() => Promise<void>> {
    const { world, model, random, tally } = this.#scene;
    const soonMs = world.clock.nowMs + 60_000;
    // Of two ends of one row it is open which comes first where the row is let go between the two statements of a batch.
    const once = commands.filter(({ id }) => commands.filter((one) => one.id === id).length === 1);
    const ids = once.flatMap(({ id }) => {
      const row = model.open.get(id);
      return row !== undefined && row.expiresAtMs > soonMs ? [text(id)] : [];
    });
    if (!this.#isPostgres || this.#open !== null || ids.length === 0) return async () => undefined;
    tally.outcome('rows locked in a burst');
    await world.slowWriter.query('BEGIN');
    await world.slowWriter.query(
      `SELECT id FROM token_usage_logs WHERE id IN (${ids.slice(0, 3).join(', ')}) FOR UPDATE`,
    );
    return async () => {
      await sleep(random.int(5, 90));
      await world.slowWriter.end('ROLLBACK');
    };
  }
}

/** The rows that are there already. */
function touchedBy(changes: readonly Change[]): string[] {
  return changes.flatMap((change) =>
    change.do === 'update' || change.do === 'delete' ? [change.id] : [],
  );
}
