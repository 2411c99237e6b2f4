import { usageOfAttempts, type Outcome } from '../anthropic/outcome.ts';
import type { Estimate, Verdict } from '../budget/verdict.ts';
import type { Ending } from '../ledger/commands.ts';
import type { SettleUsage } from './guard.ts';
import type { KeyedReservation } from '../ledger/keys.ts';
import { loggedName, type ReserveRequest } from './input.ts';
import { durableSoon, settleOrWarn, tellLedger } from './settling.ts';

/** What a call needs of the budget: a Tokenctl has it. */
export interface Budget {
  reserve(request: ReserveRequest): Promise<Verdict>;
  settle(reservationId: string, usage: SettleUsage): Promise<Ending>;
  release(reservationId: string, details?: { readonly error?: unknown }): Promise<Ending>;
  giveKey(reservationId: string, key: string): Promise<void>;
  findByKey(key: string): Promise<KeyedReservation | null>;
  check(request: Pick<ReserveRequest, 'aiType' | 'estimate' | 'model'>): Promise<Verdict>;
}

/** One call's reservation, over all attempts at it. It ends once. */
export class Hold {
  readonly id: string;
  readonly estimate: Estimate;
  readonly #budget: Budget;
  readonly #warn: (message: string) => void;
  #unknownAttempts = 0;
  #ended: Promise<void> | null = null;

  constructor(budget: Budget, id: string, estimate: Estimate, warn: (message: string) => void) {
    this.#budget = budget;
    this.id = id;
    this.estimate = estimate;
    this.#warn = warn;
  }

  /** Another attempt follows one whose charge nobody knows: it counts as the estimate beside the next. */
  countUnknownAttempt(): void {
    this.#unknownAttempts += 1;
  }

  /** Ends it by how the last attempt ended. Never throws, and holds nobody up for long. */
  async end(outcome: Outcome): Promise<void> {
    this.#ended ??= this.#end(outcome);
    await durableSoon(this.#ended);
  }

  async #end(outcome: Outcome): Promise<void> {
    const settle = (usage: SettleUsage): Promise<void> =>
      settleOrWarn(this.#budget, this.id, usage, this.#warn);
    if (outcome.kind === 'used') {
      const model = loggedName(outcome.model);
      const stopReason = loggedName(outcome.stopReason);
      const { error } = outcome;
      const usage = usageOfAttempts(outcome.usage, this.#unknownAttempts, this.estimate);
      return settle({ ...usage, stopReason, error, ...(model === null ? {} : { model }) });
    }
    const unknown = this.#unknownAttempts + (outcome.kind === 'unknown' ? 1 : 0);
    if (unknown > 1) return settle(usageOfAttempts(null, unknown, this.estimate));
    if (unknown === 1) return settle({ unknown: true, error: outcome.error });
    await tellLedger(
      () => this.#budget.release(this.id, { error: outcome.error }),
      `reservation ${this.id} could not be released`,
      this.#warn,
    );
  }
}
