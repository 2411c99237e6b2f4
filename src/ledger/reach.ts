import type { ErrorCode, TokenctlError } from '../budget/errors.ts';
import type { FailureKind, Mode } from './port.ts';

/** Told when the database stops answering a process, and when it answers again: once each. It must not throw. */
export interface ReachWatcher {
  /** @param why in words for an operator: with where the database is, without its password */
  lost(why: string): void;
  answersAgain(): void;
}

/** What a database that can't be used is refused with. */
const LOST: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['ledger_unavailable', 'database_missing', 'database_not_migrated'] as const),
  ...(['database_newer', 'database_unusable'] as const),
]);

/** Follows whether the database answers, by what becomes of each transaction. */
export class Reach {
  #watcher: ReachWatcher | null = null;
  /** What must be answered until the loss is over; null while nothing is lost. */
  #missing: Mode | null = null;

  watch(watcher: ReachWatcher): void {
    this.#watcher = watcher;
  }

  answered(mode: Mode): void {
    if (this.#missing === null || (this.#missing === 'write' && mode === 'read')) return;
    this.#missing = null;
    this.#watcher?.answersAgain();
  }

  /** A transaction was given up. */
  failed(mode: Mode, kind: FailureKind, why: string): void {
    // One row that another transaction keeps locked is not the database.
    if (kind === 'content') return;
    // A database that can't be reached is not read either; one that is locked or read-only is.
    this.#lose(kind === 'lost' ? 'read' : mode, why);
  }

  /** What a transaction was refused with; what does not say that the database is lost is let pass. */
  refused({ code, message }: TokenctlError): void {
    if (LOST.has(code)) this.#lose('read', message);
  }

  #lose(missing: Mode, why: string): void {
    const known = this.#missing !== null;
    if (this.#missing !== 'write') this.#missing = missing;
    if (!known) this.#watcher?.lost(why);
  }
}
