import type { Reservation, Verdict } from '../budget/verdict.ts';
import type { Guard } from './guard.ts';
import type { ReserveRequest, Usage } from './input.ts';
import { settleOrWarn } from './settling.ts';

/** Thrown by `run` when the ledger denies: nothing was called, nothing is charged. */
export class BudgetDeniedError extends Error {
  readonly code = 'budget_denied';
  readonly verdict: Verdict;

  constructor(verdict: Verdict) {
    super(verdict.reasons.map((reason) => reason.message).join('; ') || 'the budget denied it');
    this.name = 'BudgetDeniedError';
    this.verdict = verdict;
  }
}

/** What a call gives back: its value, and its usage as the provider reported it. */
export interface Called<T> {
  readonly value: T;
  /** Absent when the provider reported none: then the hold is charged. */
  readonly usage?: Usage | null;
}

/**
 * Reserves, calls, and ends the reservation on every path: settled on success; released where the
 * provider answered with an HTTP error, or the error is marked `notCharged`; charged in full where
 * what was charged is unknown (any other throw, abort or time-out). The call's own error is passed on.
 * @param warn told when the call succeeded but its settle did not: the hold is then charged in full
 *   once its time is over, and the value is still returned
 * @throws BudgetDeniedError, invalid_input, and whatever the call throws
 */
export async function runGuarded<T>(
  guard: Guard,
  request: ReserveRequest,
  call: (reservation: Reservation) => Promise<Called<T>>,
  warn: (message: string) => void,
): Promise<T> {
  const verdict = await guard.reserve(request);
  const { reservation } = verdict;
  if (!verdict.admitted || reservation === null) throw new BudgetDeniedError(verdict);
  let called: Called<T>;
  try {
    called = await call(reservation);
    if (typeof (called as unknown) !== 'object' || (called as unknown) === null) {
      throw new TypeError('the call given to run must return { value, usage }');
    }
  } catch (error) {
    const end = providerRefused(error)
      ? guard.release(reservation.id, { error })
      : guard.settle(reservation.id, { unknown: true, error });
    // The call's own error matters more; an open hold is charged in full when its time is over.
    await end.catch((cause: unknown) => {
      warn(`reservation ${reservation.id} could not be ended: ${String(cause)}`);
    });
    throw error;
  }
  const usage = called.usage ?? ({ unknown: true, error: 'the call reported no usage' } as const);
  await settleOrWarn(guard, reservation.id, usage, warn);
  return called.value;
}

/** Whether an error says that nothing was charged: an answer with an HTTP error status, or a mark. */
function providerRefused(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  if ('notCharged' in error && error.notCharged === true) return true;
  return 'status' in error && typeof error.status === 'number' && error.status >= 400;
}
