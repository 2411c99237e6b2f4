import { TokenctlError } from '../budget/errors.ts';
import { pause } from '../platform/timers.ts';
import type { Guard, SettleUsage } from './guard.ts';

/**
 * Settles a call that is over, and never throws: the call's own answer matters more. Usage that can't
 * be read charges the hold. A ledger that did not answer is told again once; after that the hold is
 * charged when its time is over.
 * @param warn told when it could not be settled at first
 */
export async function settleOrWarn(
  guard: Pick<Guard, 'settle'>,
  reservationId: string,
  usage: SettleUsage,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await guard.settle(reservationId, usage);
  } catch (cause) {
    warn(`reservation ${reservationId} could not be settled: ${String(cause)}`);
    const unreadable = cause instanceof TokenctlError && cause.code === 'invalid_input';
    const again = unreadable ? ({ unknown: true, error: cause } as const) : usage;
    await guard.settle(reservationId, again).catch(() => undefined);
  }
}

/** How long a caller is held up at most for the end of its reservation to be durable, in ms. */
const HELD_UP_MS = 250;

/**
 * Waits until an end is durable, so that who exits after a last call leaves nothing held, but 250 ms at
 * most: the ledger may be slow, and the end is queued.
 */
export async function durableSoon(end: Promise<void>): Promise<void> {
  const waiting = new AbortController();
  await Promise.race([
    end.finally(() => waiting.abort()),
    pause(HELD_UP_MS, waiting.signal).catch(() => undefined),
  ]);
}
