import { TokenctlError } from '../budget/errors.ts';
import { CLOSED } from '../ledger/ledger.ts';
import { pause } from '../platform/timers.ts';
import type { Guard, SettleUsage } from './guard.ts';

/** The pauses after which a ledger that did not answer, or was busy, is told again, in ms: half a minute in all. */
const PAUSES_MS = [250, 1_000, 4_000, 10_000, 15_000];

/**
 * Tells the ledger something that may be told twice. While it does not answer, it is told again after
 * pauses, for which nobody waits. Never throws.
 * @param what such as 'reservation … could not be settled'
 * @param warn told when it failed at first, and when it is given up
 */
export async function tellLedger(
  work: () => Promise<unknown>,
  what: string,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await work();
  } catch (cause) {
    warn(`${what}: ${String(cause)}`);
    if (mayAnswerLater(cause)) void tellLater(work, what, warn);
  }
}

async function tellLater(
  work: () => Promise<unknown>,
  what: string,
  warn: (message: string) => void,
): Promise<void> {
  for (const [tries, pauseMs] of PAUSES_MS.entries()) {
    await pause(pauseMs);
    try {
      await work();
      return;
    } catch (cause) {
      if (mayAnswerLater(cause) && tries < PAUSES_MS.length - 1) continue;
      warn(`${what}: ${String(cause)}`);
      return;
    }
  }
}

function mayAnswerLater(cause: unknown): boolean {
  return (
    cause instanceof TokenctlError &&
    (cause.code === 'ledger_unavailable' || cause.code === 'ledger_busy') &&
    cause.message !== CLOSED
  );
}

/**
 * Settles a call that is over, and never throws: the call's own answer matters more. Usage that can't
 * be read charges the hold. A ledger that did not answer is told again for half a minute; after that the
 * hold is charged when its time is over.
 * @param warn told when it could not be settled at first
 */
export async function settleOrWarn(
  guard: Pick<Guard, 'settle'>,
  reservationId: string,
  usage: SettleUsage,
  warn: (message: string) => void,
): Promise<void> {
  let told = usage;
  const settle = async (): Promise<void> => {
    try {
      await guard.settle(reservationId, told);
    } catch (cause) {
      if (!(cause instanceof TokenctlError) || cause.code !== 'invalid_input') throw cause;
      warn(`what reservation ${reservationId} used can't be read: ${String(cause)}`);
      told = { unknown: true, error: cause };
      await guard.settle(reservationId, told);
    }
  };
  await tellLedger(settle, `reservation ${reservationId} could not be settled`, warn);
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
