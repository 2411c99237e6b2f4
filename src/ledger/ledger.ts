import { decide, type AdmissionRequest } from '../budget/decide.ts';
import { TokenctlError } from '../budget/errors.ts';
import { ledgerDenial, type Verdict } from '../budget/verdict.ts';
import { windowsAt } from '../budget/windows.ts';
import type { Runtime } from '../platform/runtime.ts';
import { runBatch } from './batch.ts';
import type { Command, EndCommand, Ending, Outcome, ReserveCommand } from './commands.ts';
import { BatchCounters } from './counters.ts';
import type { SeenDenials } from './denials.ts';
import { limitsReader } from './limits-in-force.ts';
import type { Connection, Operations } from './port.ts';
import { BoundedQueue, type Waiting } from './queue.ts';
import { readSnapshot, type Snapshot, type SnapshotRequest } from './snapshot.ts';
import { step, type Step } from './steps.ts';

export interface LedgerOptions {
  readonly connection: Connection;
  readonly runtime: Runtime;
  /** How long a command may wait for its commit before it is refused, in ms; then at most one more statement time-out. */
  readonly timeoutMs?: number;
}

/** Commands in one transaction, at most. */
const BATCH_SIZE = 256;
/** Of which reserves always get this many, so that a flood of settles can't starve them. */
const RESERVES_AT_LEAST = 64;
const QUEUED_RESERVES = 10_000;
const QUEUED_ENDS = 50_000;
/** How long after a busy lock it counts as contended, and how long a process then gives way, at most. */
const CONTENDED_MS = 100;
const GIVE_WAY_MS = 4;
/** A pause before what a foreign transaction holds up is tried again, in ms. */
const HELD_UP_MS = 10;
/** Admissions that may have been committed without an answer, remembered to be released. */
const UNANSWERED = 10_000;

/**
 * Group commit: one connection, one transaction in flight, and what arrives meanwhile forms the next
 * one. Nothing is answered before it is durable; what can't be made durable in time is refused.
 */
export class Ledger {
  readonly #connection: Connection;
  readonly #runtime: Runtime;
  readonly #timeoutMs: number;
  readonly #readLimits = limitsReader();
  readonly #ends = new BoundedQueue(QUEUED_ENDS);
  readonly #reserves = new BoundedQueue(QUEUED_RESERVES);
  #unanswered: string[] = [];
  #seenDenials: SeenDenials = new Map();
  /** When the lock was last found taken, and when a batch was last committed. */
  #lastBusyMs = Number.NEGATIVE_INFINITY;
  #lastCommitMs = Number.NEGATIVE_INFINITY;
  #draining: Promise<void> | null = null;
  #closed = false;

  constructor({ connection, runtime, timeoutMs = 5_000 }: LedgerOptions) {
    this.#connection = connection;
    this.#runtime = runtime;
    this.#timeoutMs = timeoutMs;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /**
   * Admits or denies one request. A ledger that can't answer denies (`ledger_unavailable`,
   * `ledger_busy`); it never throws for that.
   * @throws key_reused, reservation_ended
   */
  async reserve(command: ReserveCommand): Promise<Verdict> {
    const outcome = await this.#submit(this.#reserves, command);
    if (outcome.kind === 'verdict') return outcome.verdict;
    throw outcome.kind === 'refused'
      ? outcome.error
      : new Error('a reserve was answered as an end');
  }

  /**
   * Settles or releases one reservation; durable when it resolves, and safe to repeat.
   * @throws reservation_not_found, reservation_ended, ledger_unavailable, ledger_busy
   */
  async end(command: EndCommand): Promise<Ending> {
    const outcome = await this.#submit(this.#ends, command);
    if (outcome.kind === 'ending') return outcome.ending;
    throw outcome.kind === 'refused'
      ? outcome.error
      : new Error('an end was answered as a reserve');
  }

  /** A dry admission: the verdict that a reserve would get now. Reserves and logs nothing. */
  async check(request: AdmissionRequest): Promise<Verdict> {
    const readLimits = this.#readLimits;
    try {
      return await this.read(function* (ops): Step<Verdict> {
        const { limits } = readLimits(yield* step(ops.newestRevision()));
        const windows = windowsAt(ops.nowMs);
        const starts = [windows.month.start, windows.day.start, windows.hour.start];
        const rows = yield* step(ops.windows(starts, [request.aiType]));
        const perMinute = limits.requestsPerMinute;
        const recent = perMinute === null ? [] : yield* step(ops.recentRequests(perMinute));
        const counters = new BatchCounters(rows, recent, ops.nowMs).of(request.aiType);
        const decision = decide(limits, counters, request, ops.nowMs);
        return {
          admitted: decision.admitted,
          aiType: request.aiType,
          estimate: request.estimate,
          reasons: decision.reasons,
          retryAt: decision.retryAt,
          largestAdmissible: decision.largestAdmissible,
          reservation: null,
        };
      });
    } catch (error) {
      if (!(error instanceof TokenctlError)) throw error;
      if (error.code !== 'ledger_unavailable' && error.code !== 'ledger_busy') throw error;
      const { aiType, estimate } = request;
      return ledgerDenial(error.code, aiType, estimate, error.message, error.fix ?? '');
    }
  }

  /** Everything that a screen shows, read in one transaction at one instant. */
  snapshot(request: SnapshotRequest = {}): Promise<Snapshot> {
    const readLimits = this.#readLimits;
    return this.read((ops) => readSnapshot(ops, readLimits, request));
  }

  /** Runs a read at one instant. @throws ledger_unavailable when it can't be had in time */
  read<T>(work: (ops: Operations) => Step<T>): Promise<T> {
    return this.#attempt('read', work);
  }

  /** Runs a change under the ledger's lock. When the connection is lost it may have been made. @throws ledger_unavailable when it can't be had in time */
  write<T>(work: (ops: Operations) => Step<T>): Promise<T> {
    return this.#attempt('write', work);
  }

  /** Ends after what is queued was answered. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#draining !== null) await this.#draining;
    await this.#connection.close();
  }

  #submit(queue: BoundedQueue, command: Command): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#runtime.monotonicMs() + this.#timeoutMs;
      const waiting: Waiting = { command, deadlineMs, replay: false, resolve, reject };
      if (this.#closed) {
        this.#refuse(waiting, 'ledger_unavailable', 'this ledger was closed', 'open it again');
      } else if (!queue.push(waiting)) {
        this.#refuse(
          waiting,
          'ledger_busy',
          `${String(queue.size)} requests wait for the ledger already`,
          'slow down, or spread the load over more processes',
        );
      } else {
        this.#start();
      }
    });
  }

  #start(): void {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
      // What arrived while the loop ended starts the next one.
      if (this.#ends.size + this.#reserves.size > 0) this.#start();
    });
  }

  /** Commits batch after batch until nothing waits. One bad request never fails its neighbours. */
  async #drain(): Promise<void> {
    let failures = 0;
    let cause: unknown = null;
    await this.#runtime.yield();
    for (;;) {
      if (failures === 0) await this.#giveWay();
      this.#refuseLate(cause);
      const batch = this.#take();
      if (batch.length === 0) return;
      try {
        const heldUp = await this.#commit(batch);
        failures = 0;
        cause = null;
        this.#queueUnanswered();
        if (heldUp === batch.length) await this.#runtime.sleep(HELD_UP_MS);
        else await this.#runtime.yield();
      } catch (error) {
        const kind = this.#connection.classify(error);
        if (kind === 'busy' || kind === 'lost') {
          cause = error;
          if (kind === 'busy') this.#lastBusyMs = this.#runtime.monotonicMs();
          if (kind === 'lost') for (const waiting of batch) waiting.replay = true;
          this.#putBack(batch);
          await this.#runtime.sleep(this.#pauseMs(kind, failures));
          failures += 1;
        } else if (kind === 'content' && batch.length > 1) {
          for (const waiting of batch) await this.#commitAlone(waiting);
        } else {
          for (const waiting of batch) this.#fail(waiting, error, kind);
        }
      }
    }
  }

  /** How many of the batch are held up by a foreign transaction, and wait on. */
  async #commit(batch: readonly Waiting[]): Promise<number> {
    const mode = batch.some(({ command }) => command.kind === 'reserve') ? 'write' : 'settle';
    const { outcomes, seenDenials } = await this.#connection.transaction(mode, (ops) =>
      runBatch(
        ops,
        batch.map((waiting) => waiting.command),
        {
          readLimits: this.#readLimits,
          newId: () => this.#runtime.newId(),
          seenDenials: this.#seenDenials,
          replay: batch.some((waiting) => waiting.replay),
        },
      ),
    );
    this.#seenDenials = seenDenials;
    this.#lastCommitMs = this.#runtime.monotonicMs();
    for (const [index, waiting] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined && outcome.kind !== 'held_up') waiting.resolve(outcome);
    }
    const heldUp = batch.filter((_, index) => outcomes[index]?.kind === 'held_up');
    this.#putBack(heldUp);
    for (const waiting of heldUp) waiting.heldUp = true;
    return heldUp.length;
  }

  /** One command of a batch that was refused for its content: only the culprit fails. */
  async #commitAlone(waiting: Waiting): Promise<void> {
    try {
      await this.#commit([waiting]);
    } catch (error) {
      const kind = this.#connection.classify(error);
      if (kind === 'busy' || kind === 'lost') {
        if (kind === 'lost') waiting.replay = true;
        this.#putBack([waiting]);
      } else {
        this.#fail(waiting, error, kind);
      }
    }
  }

  #take(): Waiting[] {
    const reserved = Math.min(RESERVES_AT_LEAST, this.#reserves.size);
    const ends = this.#ends.take(BATCH_SIZE - reserved);
    return [...ends, ...this.#reserves.take(BATCH_SIZE - ends.length)];
  }

  #putBack(batch: readonly Waiting[]): void {
    this.#ends.putBack(batch.filter((waiting) => waiting.command.kind !== 'reserve'));
    this.#reserves.putBack(batch.filter((waiting) => waiting.command.kind === 'reserve'));
  }

  /**
   * How long until the next try, in ms. For the lock: short, with jitter, and shorter for who has
   * waited long, so that nobody starves. To reconnect: ever longer.
   */
  #pauseMs(kind: 'busy' | 'lost', failures: number): number {
    const most = kind === 'lost' ? Math.min(500, 20 * 2 ** failures) : failures < 8 ? 4 : 1.5;
    return this.#runtime.random() * most;
  }

  /** Who has just had the lock, while others wanted it, lets them go first. */
  async #giveWay(): Promise<void> {
    const nowMs = this.#runtime.monotonicMs();
    const contended = nowMs - this.#lastBusyMs < CONTENDED_MS;
    if (contended && nowMs - this.#lastCommitMs < GIVE_WAY_MS) {
      await this.#runtime.sleep(this.#runtime.random() * GIVE_WAY_MS);
    }
  }

  #refuseLate(cause: unknown): void {
    const nowMs = this.#runtime.monotonicMs();
    for (const queue of [this.#ends, this.#reserves]) {
      for (const waiting of queue.takeLate(nowMs)) {
        const busy =
          waiting.heldUp === true ||
          (cause !== null && this.#connection.classify(cause) === 'busy');
        this.#refuse(
          waiting,
          'ledger_unavailable',
          busy
            ? `the ledger (${this.#connection.location}) stayed locked for ${String(this.#timeoutMs)} ms`
            : `the ledger (${this.#connection.location}) could not be reached for ${String(this.#timeoutMs)} ms${this.#because(cause)}`,
          'tokenctl db info',
        );
      }
    }
  }

  #fail(waiting: Waiting, error: unknown, kind: string): void {
    if (kind === 'content') {
      waiting.reject(error);
      return;
    }
    this.#refuse(
      waiting,
      'ledger_unavailable',
      `the ledger (${this.#connection.location}) can't be used${this.#because(error)}`,
      'tokenctl db info',
    );
  }

  #refuse(
    { command, replay, resolve }: Waiting,
    code: 'ledger_unavailable' | 'ledger_busy',
    message: string,
    fix: string,
  ): void {
    if (command.kind === 'reserve') {
      const { id, aiType, estimate, idempotencyKey } = command;
      // The caller was told no, so nothing will be spent: release it if it was committed after all.
      if (replay && idempotencyKey === null && this.#unanswered.length < UNANSWERED) {
        this.#unanswered.push(id);
      }
      resolve({
        kind: 'verdict',
        verdict: ledgerDenial(code, aiType, estimate, message, fix),
      });
    } else {
      resolve({ kind: 'refused', error: new TokenctlError(code, message, { fix }) });
    }
  }

  /** The ledger answers again: releases what may have been admitted without an answer. */
  #queueUnanswered(): void {
    if (this.#unanswered.length === 0) return;
    for (const id of this.#unanswered.splice(0, BATCH_SIZE)) {
      const queued = this.#ends.push({
        command: {
          kind: 'release',
          id,
          errorMessage: 'the caller was told that the ledger is unavailable',
        },
        deadlineMs: this.#runtime.monotonicMs() + this.#timeoutMs,
        replay: false,
        resolve: (outcome) => {
          const lost = outcome.kind === 'refused' && outcome.error.code === 'ledger_unavailable';
          if (lost && this.#unanswered.length < UNANSWERED) this.#unanswered.push(id);
        },
        reject: () => undefined,
      });
      if (!queued) this.#unanswered.push(id);
    }
  }

  async #attempt<T>(mode: 'read' | 'write', work: (ops: Operations) => Step<T>): Promise<T> {
    const deadlineMs = this.#runtime.monotonicMs() + this.#timeoutMs;
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#connection.transaction(mode, work);
      } catch (error) {
        if (error instanceof TokenctlError) throw error;
        const kind = this.#connection.classify(error);
        if (kind === 'content') throw error;
        // A lost change may have been made, so it is not made again; a lost read is tried once more.
        const givenUp = kind === 'lost' && (mode === 'write' || failures > 0);
        if (kind === 'unusable' || givenUp || this.#runtime.monotonicMs() >= deadlineMs) {
          throw new TokenctlError(
            'ledger_unavailable',
            kind === 'busy'
              ? `the ledger (${this.#connection.location}) stayed locked for ${String(this.#timeoutMs)} ms`
              : `the ledger (${this.#connection.location}) can't be ${kind === 'lost' ? 'reached' : 'used'}${this.#because(error)}`,
            { cause: error, fix: 'tokenctl db info' },
          );
        }
        await this.#runtime.sleep(this.#pauseMs(kind, failures));
      }
    }
  }

  #because(error: unknown): string {
    return error === null ? '' : `: ${this.#connection.explain(error)}`;
  }
}
