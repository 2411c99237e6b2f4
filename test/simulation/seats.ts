import type { Connection, Mode, Operations } from '../../src/ledger/port.ts';
import type { Step } from '../../src/ledger/steps.ts';

/**
 * Makes the order of concurrent batches known without fixing it: each transaction takes a ticket as
 * its first step, which is under the ledger's lock, so that tickets are in the order of commits.
 */

/** A foreign write that came between, or a batch. */
export type Happening =
  | {
      readonly kind: 'batch';
      readonly seat: Seat;
      readonly ticket: number;
      readonly nowMs: number;
      /** lost: committed, but its COMMIT got no answer. */
      outcome: 'failed' | 'lost' | 'committed';
      /** Foreign writes that this batch saw, and those it could not see. */
      readonly seen: (() => void)[];
      readonly unseen: (() => void)[];
    }
  | { readonly kind: 'foreign'; readonly apply: () => void };
type Batch = Extract<Happening, { kind: 'batch' }>;

/** A foreign write in the middle of a batch: before it reads the counts, or before it writes its rows. */
interface Intrusion {
  readonly before: 'windows' | 'insertLogs';
  /** Writes and commits; answers with what it means for the model. */
  readonly write: () => Promise<() => void>;
}

/** One process's place at the ledger. */
export interface Seat {
  readonly name: string;
  /** The last transaction that this ledger has had an answer of. */
  ticket: number;
  /** The time of its last read. */
  readMs: number;
  /** What happens to the next transaction: its connection is lost before or after its COMMIT. */
  fault: 'before' | 'after' | null;
  intrusion: Intrusion | null;
}

export class Order {
  happenings: Happening[] = [];
  #tickets = 0;

  enter(seat: Seat, nowMs: number): Batch {
    this.#tickets += 1;
    const batch: Batch = {
      kind: 'batch',
      seat,
      ticket: this.#tickets,
      nowMs,
      outcome: 'failed',
      seen: [],
      unseen: [],
    };
    this.happenings.push(batch);
    return batch;
  }

  /** Everything since the last call. */
  take(): Happening[] {
    const { happenings } = this;
    this.happenings = [];
    return happenings;
  }
}

export function newSeat(name: string): Seat {
  return { name, ticket: 0, readMs: 0, fault: null, intrusion: null };
}

class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly code = 'ECONNRESET';
}

/** The connection, with its transactions' tickets taken, and its faults. */
export function watched(connection: Connection, seat: Seat, order: Order): Connection {
  return {
    kind: connection.kind,
    location: connection.location,
    classify: (error) => (error instanceof ConnectionLost ? 'lost' : connection.classify(error)),
    explain: (error) => connection.explain(error),
    close: () => connection.close(),
    async transaction<T>(mode: Mode, work: (ops: Operations) => Step<T>): Promise<T> {
      if (mode === 'read') {
        return connection.transaction(mode, (ops) => {
          seat.readMs = ops.nowMs;
          return work(ops);
        });
      }
      const { fault } = seat;
      seat.fault = null;
      let entered: Batch | null = null;
      const result = await connection.transaction(mode, function* (ops): Step<T> {
        const batch = order.enter(seat, ops.nowMs);
        entered = batch;
        if (fault === 'before') throw new ConnectionLost('the connection was lost');
        return yield* work(intruded(ops, seat, batch));
      });
      const batch = entered as Batch | null;
      if (batch === null) return result;
      batch.outcome = fault === 'after' ? 'lost' : 'committed';
      if (fault === 'after') throw new ConnectionLost('COMMIT got no answer');
      seat.ticket = batch.ticket;
      return result;
    },
  };
}

function intruded(ops: Operations, seat: Seat, batch: Batch): Operations {
  const come = async (before: Intrusion['before']): Promise<void> => {
    const { intrusion } = seat;
    if (intrusion?.before !== before) return;
    seat.intrusion = null;
    const apply = await intrusion.write();
    (before === 'windows' ? batch.seen : batch.unseen).push(apply);
  };
  if (seat.intrusion === null) return ops;
  return {
    ...ops,
    windows: async (...named) => {
      await come('windows');
      return ops.windows(...named);
    },
    insertLogs: async (rows) => {
      await come('insertLogs');
      return ops.insertLogs(rows);
    },
  };
}
