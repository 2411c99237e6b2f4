import { batchResultsMeter, type BatchAnswer } from '../anthropic/meter.ts';
import { isObject } from '../anthropic/json.ts';
import type { Budget } from './hold.ts';
import { loggedName } from './input.ts';
import type { Observer } from './passing.ts';
import { durableSoon, tellLedger } from './settling.ts';

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
  const failed = `reservation ${reservationId} of a batch could not be noted, so it will be charged in full`;
  if (typeof id !== 'string') warn(`${failed}: the answer has no id`);
  else await tellLedger(() => budget.giveKey(reservationId, keyOf(id)), failed, warn);
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
      const answer = meter.answer(how === 'whole');
      return durableSoon(settleBatch(budget, batchId, answer, warn));
    },
  };
}

/**
 * A batch that was not made under this budget has no reservation. Results that can't be read, or are not
 * those of every item, leave it held: the first settle holds for good.
 */
async function settleBatch(
  budget: Budget,
  batchId: string,
  { usage, model, items }: BatchAnswer,
  warn: (message: string) => void,
): Promise<void> {
  if (usage === null) return;
  const settle = async (): Promise<void> => {
    const reservation = await budget.findByKey(keyOf(batchId));
    if (reservation === null) return;
    if (reservation.items !== items) {
      warn(
        `batch ${batchId} stays held: its results are of ${String(items)} items, not of ${String(reservation.items)}`,
      );
      return;
    }
    const name = loggedName(model);
    await budget.settle(reservation.id, name === null ? usage : { ...usage, model: name });
  };
  await tellLedger(settle, `batch ${batchId} could not be settled`, warn);
}

function keyOf(batchId: string): string {
  return `anthropic batch ${batchId}`;
}
