import { batchResultsMeter } from '../anthropic/meter.ts';
import { isObject } from '../anthropic/json.ts';
import type { Budget } from './hold.ts';
import type { Usage } from './input.ts';
import type { Observer } from './passing.ts';
import { durableSoon, settleOrWarn } from './settling.ts';

/**
 * What a batch is held and settled by: the id that Anthropic gives it is the reservation's key, so that
 * any process may read its results.
 */

/** A batch ends within 24 hours. It is held an hour longer, for who reads its results at once. */
export const BATCH_TTL_SECONDS = 25 * 3_600;

/** Takes note of the batch that a reservation was made for. Never throws. */
export async function noteBatch(
  budget: Budget,
  reservationId: string,
  batch: unknown,
  warn: (message: string) => void,
): Promise<void> {
  const id = isObject(batch) ? batch['id'] : null;
  try {
    if (typeof id !== 'string') throw new Error('the answer has no id');
    await budget.giveKey(reservationId, keyOf(id));
  } catch (cause) {
    const end = 'so it will be charged in full';
    warn(`reservation ${reservationId} of a batch could not be noted, ${end}: ${String(cause)}`);
  }
}

/** Settles a batch as its results pass, once they were read to their end. */
export function resultsObserver(
  budget: Budget,
  batchId: string,
  warn: (message: string) => void,
): Observer {
  const meter = batchResultsMeter();
  return {
    take: (bytes) => meter.take(bytes),
    end: (how) => {
      const { usage, model } = meter.answer(how === 'whole', 0);
      if (usage === null) return Promise.resolve();
      const used = model === null ? usage : { ...usage, model };
      return durableSoon(settleBatch(budget, batchId, used, warn));
    },
  };
}

/** A batch that was not made under this budget has no reservation. */
async function settleBatch(
  budget: Budget,
  batchId: string,
  usage: Usage,
  warn: (message: string) => void,
): Promise<void> {
  try {
    const reservationId = await budget.findByKey(keyOf(batchId));
    if (reservationId !== null) await settleOrWarn(budget, reservationId, usage, warn);
  } catch (cause) {
    warn(`batch ${batchId} could not be settled: ${String(cause)}`);
  }
}

function keyOf(batchId: string): string {
  return `anthropic batch ${batchId}`;
}
