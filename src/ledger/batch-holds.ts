import type { Ledger } from './ledger.ts';
import type { PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/**
 * Which reservation a batch of the provider has: its row's idempotency key names the batch, once the
 * provider has given it an id. So its results find it hours later, also after a restart.
 */

const NAME: PlainStatement = {
  name: 'name_batch_hold',
  sql: 'UPDATE token_usage_logs SET idempotency_key = @key WHERE id = @id',
};

const keyOf = (batchId: string): string => `anthropic-batch:${batchId}`;

/** @throws ledger_unavailable */
export async function nameBatchHold(
  ledger: Ledger,
  reservationId: string,
  batchId: string,
): Promise<void> {
  await ledger.write((ops) => step(ops.query(NAME, { id: reservationId, key: keyOf(batchId) })));
}

/** The reservation's id; null where the batch was created by somebody else. @throws ledger_unavailable */
export function batchHold(ledger: Ledger, batchId: string): Promise<string | null> {
  return ledger.read(function* (ops): Step<string | null> {
    const [row] = yield* step(ops.logsByKey([keyOf(batchId)]));
    return row?.id ?? null;
  });
}
