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
import type { LedgerObserver } from './observer.ts';
import type { Connection, FailureKind, Mode, Operations } from './port.ts';
import { BoundedQueue, type Waiting } from './queue.ts';
import { Reach, type ReachWatcher } from './reach.ts';
import { applyDue, readSnapshot, type Snapshot, type SnapshotRequest } from './snapshot.ts';
import { step, type Step } from './steps.ts';

export interface LedgerOptions {
  readonly connection: Connection;
  readonly runtime: Runtime;
  /** How long a command may wait for its commit before it is refused, in ms; then at most one more statement time-out. */
  readonly timeoutMs?: number;
}

/** What a ledger that its owner has closed refuses with. */
export const CLOSED = 'this ledger was closed';
const REOPEN = 'open it again';
/** What shows why the database does not answer. */
const LOOK = 'tokenctl db info';
/** Commands in one transaction, at most. */
const BATCH_SIZE = 256;
/** Of which reserves always get this many, so that a flood of settles can't starve them. */
const RESERVES_AT_LEAST = 64;
const QUEUED_RESERVES = 10_000;
const QUEUED_ENDS = 50_000;
/** How long a batch of nothing but locked rows waits, in ms. */
const LOCKED_ROW_PAUSE_MS = 20;
/** How long a process that waited for the lock gives way to others after its commit, at most. */
const GIVE_WAY_MS = 10;
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
  /** When a batch was last committed, and how long it waited for the lock. */
  #lastWaitMs = 0;
  #lastCommitMs = Number.NEGATIVE_INFINITY;
  #draining: Promise<void> | null = null;
  #closed = false;
  #observer: LedgerObserver | null = null;
  readonly #reach = new Reach();

  constructor({ connection, runtime, timeoutMs = 5_000 }: LedgerOptions) {
    this.#connection = connection;
    this.#runtime = runtime;
    this.#timeoutMs = timeoutMs;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Tells this observer of what is answered from now on; there is one at most. */
  observe(observer: LedgerObserver): void {
    this.#observer = observer;
  }

  /** Tells this watcher when the database stops answering, and when it answers again; there is one at most. */
  watchReach(watcher: ReachWatcher): void {
    this.#reach.watch(watcher);
  }

  /**
   * Admits or denies one request. A ledger that can't answer denies (`ledger_unavailable`,
   * `ledger_busy`); it never throws for that.
   * @throws key_reused, reservation_ended
   */
  async reserve(command: ReserveCommand): Promise<Verdict> {
    const startedMs = this.#runtime.monotonicMs();
    const outcome = await this.#submit(command);
    if (outcome.kind === 'verdict') {
      const { verdict } = outcome;
      this.#observer?.reserved(command, verdict, this.#runtime.monotonicMs() - startedMs);
      return verdict;
    }
    throw outcome.kind === 'refused'
      ? outcome.error
      : new Error('a reserve was answered as an end');
  }

  /**
   * Settles or releases one reservation; durable when it resolves, and safe to repeat.
   * @throws reservation_not_found, reservation_ended, ledger_unavailable, ledger_busy
   */
  async end(command: EndCommand): Promise<Ending> {
    const outcome = await this.#submit(command);
    if (outcome.kind === 'ending') {
      this.#observer?.ended(command, outcome.ending);
      return outcome.ending;
    }
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
        const due = yield* step(ops.dueHolds());
        const rows = applyDue(yield* step(ops.windows(starts, [request.aiType])), due, starts);
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

  #submit(command: Command): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#runtime.monotonicMs() + this.#timeoutMs;
      const waiting: Waiting = { command, deadlineMs, replay: false, resolve, reject };
      if (this.#closed) {
        this.#refuse(waiting, 'ledger_unavailable', CLOSED, REOPEN);
      } else {
        const queue = command.kind === 'reserve' ? this.#reserves : this.#ends;
        if (queue.push(waiting)) this.#start();
        // Not at once: callers that try again at once must not keep the event loop to themselves.
        else void this.#runtime.yield().then(() => this.#refuseFull(waiting, queue.size));
      }
    });
  }

  #refuseFull(waiting: Waiting, queued: number): void {
    this.#refuse(
      waiting,
      'ledger_busy',
      `${String(queued)} requests wait for the ledger already`,
      'slow down, or spread the load over more processes',
    );
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
    let failingSinceMs = 0;
    let lockedRows = false;
    let cause: unknown = null;
    await this.#runtime.yield();
    for (;;) {
      if (failures === 0) await this.#giveWay();
      this.#refuseLate(cause);
      const batch = this.#take();
      if (batch.length === 0) return;
      try {
        const locked = await this.#commit(batch, failures > 0 || lockedRows);
        lockedRows = locked.length > 0;
        this.#putBack(locked);
        if (locked.length === batch.length) await this.#runtime.sleep(LOCKED_ROW_PAUSE_MS);
        this.#lastWaitMs = failures === 0 ? 0 : this.#lastCommitMs - failingSinceMs;
        failures = 0;
        cause = lockedRows ? new Error('another transaction has locked its row') : null;
        this.#queueUnanswered();
        await this.#runtime.yield();
      } catch (error) {
        const kind = this.#connection.classify(error);
        if (kind === 'busy' || kind === 'lost') {
          cause = error;
          if (kind === 'lost') for (const waiting of batch) waiting.replay = true;
          this.#putBack(batch);
          if (failures === 0) failingSinceMs = this.#runtime.monotonicMs();
          if (kind === 'lost') await this.#runtime.sleep(this.#reconnectPauseMs(failures));
          else await this.#awaitLock(this.#runtime.monotonicMs() - failingSinceMs);
          failures += 1;
        } else if (kind === 'content' && batch.length > 1) {
          for (const waiting of batch) await this.#commitAlone(waiting);
        } else {
          for (const waiting of batch) this.#fail(waiting, error, kind);
          await this.#runtime.yield();
        }
      }
    }
  }

  /** Commits and answers a batch, but for those whose row a foreign transaction has locked. */
  async #commit(batch: readonly Waiting[], careful: boolean): Promise<Waiting[]> {
    const { outcomes, seenDenials } = await this.#connection.transaction('write', (ops) =>
      runBatch(
        ops,
        batch.map((waiting) => waiting.command),
        {
          readLimits: this.#readLimits,
          newId: () => this.#runtime.newId(),
          seenDenials: this.#seenDenials,
          replay: batch.some((waiting) => waiting.replay),
          careful,
        },
      ),
    );
    this.#seenDenials = seenDenials;
    this.#lastCommitMs = this.#runtime.monotonicMs();
    this.#reach.answered('write');
    this.#observer?.committed(batch.length);
    const locked: Waiting[] = [];
    for (const [index, waiting] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome?.kind === 'locked') locked.push(waiting);
      else if (outcome !== undefined) waiting.resolve(outcome);
    }
    return locked;
  }

  /** One command of a batch that was refused for its content: only the culprit fails. */
  async #commitAlone(waiting: Waiting): Promise<void> {
    try {
      this.#putBack(await this.#commit([waiting], true));
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

  /** How long until the next try to reconnect, in ms: ever longer, with jitter. */
  #reconnectPauseMs(failures: number): number {
    return this.#runtime.random() * Math.min(500, 20 * 2 ** failures);
  }

  /**
   * Waits for the lock: with jitter, and the shorter the longer it has waited already, so that who
   * came first is most likely to be next, and nobody starves.
   */
  async #awaitLock(waitedMs: number): Promise<void> {
    const mostMs = 1 + 30 / (1 + (waitedMs / 20) ** 2);
    await this.#runtime.sleep(1 + this.#runtime.random() * mostMs);
  }

  /** Who has just had the lock, while others wanted it, lets them go first. */
  async #giveWay(): Promise<void> {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#lastWaitMs === 0 || nowMs - this.#lastCommitMs > GIVE_WAY_MS) return;
    await this.#runtime.sleep(this.#runtime.random() * Math.min(GIVE_WAY_MS, this.#lastWaitMs));
  }

  #refuseLate(cause: unknown): void {
    const nowMs = this.#runtime.monotonicMs();
    for (const queue of [this.#ends, this.#reserves]) {
      for (const waiting of queue.takeLate(nowMs)) this.#refuseLateOne(waiting, cause);
    }
  }

  #refuseLateOne(waiting: Waiting, cause: unknown): void {
    const kind = cause === null ? 'lost' : this.#connection.classify(cause);
    const forMs = `for ${String(this.#timeoutMs)} ms`;
    this.#refuseLost(
      waiting,
      kind,
      kind === 'busy'
        ? `the ledger (${this.#connection.location}) stayed locked ${forMs}`
        : `the ledger (${this.#connection.location}) could not be reached ${forMs}${this.#because(cause)}`,
    );
  }

  #fail(waiting: Waiting, error: unknown, kind: FailureKind): void {
    if (kind === 'content') {
      waiting.reject(error);
      return;
    }
    const where = this.#connection.location;
    this.#refuseLost(waiting, kind, `the ledger (${where}) can't be used${this.#because(error)}`);
  }

  #refuseLost(waiting: Waiting, kind: FailureKind, message: string): void {
    this.#reach.failed('write', kind, message);
    this.#refuse(waiting, 'ledger_unavailable', message, LOOK);
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

  async #attempt<T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> {
    if (this.#closed) {
      throw new TokenctlError('ledger_unavailable', CLOSED, { fix: REOPEN });
    }
    const startMs = this.#runtime.monotonicMs();
    const deadlineMs = startMs + this.#timeoutMs;
    for (let failures = 0; ; failures += 1) {
      try {
        const done = await this.#connection.transaction(mode, work);
        this.#reach.answered(mode);
        return done;
      } catch (error) {
        if (error instanceof TokenctlError) {
          this.#reach.refused(error);
          throw error;
        }
        const kind = this.#connection.classify(error);
        if (kind === 'content') throw error;
        // A lost change may have been made, so it is not made again; a lost read is tried once more.
        const givenUp = kind === 'lost' && (mode === 'write' || failures > 0);
        if (kind === 'unusable' || givenUp || this.#runtime.monotonicMs() >= deadlineMs) {
          const message =
            kind === 'busy'
              ? `the ledger (${this.#connection.location}) stayed locked for ${String(this.#timeoutMs)} ms`
              : `the ledger (${this.#connection.location}) can't be ${kind === 'lost' ? 'reached' : 'used'}${this.#because(error)}`;
          this.#reach.failed(mode, kind, message);
          throw new TokenctlError('ledger_unavailable', message, { cause: error, fix: LOOK });
        }
        if (kind === 'lost') await this.#runtime.sleep(this.#reconnectPauseMs(failures));
        else await this.#awaitLock(this.#runtime.monotonicMs() - startMs);
      }
    }
  }

  #because(error: unknown): string {
    return error === null ? '' : `: ${this.#connection.explain(error)}`;
  }
}
