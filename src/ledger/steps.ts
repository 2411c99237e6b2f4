/**
 * Transactions are written once, as generators that yield each database operation, and run on both
 * drivers: better-sqlite3 answers at once (the whole transaction stays in one turn of the event
 * loop, so nothing can come between), pg answers later.
 */

export type Step<T> = Generator<unknown, T, unknown>;

/** One operation inside a transaction: `const rows = yield* step(ops.logsById(ids))`. */
export function* step<T>(operation: T | Promise<T>): Step<T> {
  return (yield operation) as T;
}

export function runSync<T>(steps: Step<T>): T {
  let next = steps.next();
  while (next.done !== true) next = steps.next(next.value);
  return next.value;
}

export async function runAsync<T>(steps: Step<T>): Promise<T> {
  let next = steps.next();
  while (next.done !== true) {
    let value: unknown;
    try {
      value = await next.value;
    } catch (error) {
      next = steps.throw(error);
      continue;
    }
    next = steps.next(value);
  }
  return next.value;
}
