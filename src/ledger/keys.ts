import { TokenctlError } from '../budget/errors.ts';
import type { Operations } from './port.ts';
import { step, type Step } from './steps.ts';

/** Gives a reservation a key, by which it is found again. @throws reservation_not_found, key_reused */
export function* giveKey(ops: Operations, id: string, key: string): Step<void> {
  const [row] = yield* step(ops.logsById([id]));
  if (row === undefined || row.state === 'denied') {
    throw new TokenctlError('reservation_not_found', `there is no reservation ${id}`);
  }
  const [holder] = yield* step(ops.logsByKey([key]));
  if (holder?.id === id) return;
  if (holder !== undefined || row.idempotencyKey !== null) {
    throw new TokenctlError(
      'key_reused',
      holder === undefined
        ? `reservation ${id} has another key`
        : `the key belongs to reservation ${holder.id}`,
    );
  }
  yield* step(ops.giveKey(id, key));
}

/** A reservation that is found by its key. */
export interface KeyedReservation {
  readonly id: string;
  /** How many requests it stands for. */
  readonly items: number;
}

/** The reservation with this key; null where there is none. */
export function* findByKey(ops: Operations, key: string): Step<KeyedReservation | null> {
  const [row] = yield* step(ops.logsByKey([key]));
  return row === undefined ? null : { id: row.id, items: row.requestItems };
}
