/** A budget on PostgreSQL, and a guard whose connection to it a test can disturb. */
import type { Guard } from '../../src/guard/guard.ts';
import { guardOn, idOf, openBudget, tokens, type Budget } from './budget.ts';
import { startProxy, type PostgresProxy } from './postgres-proxy.ts';

export interface Behind {
  readonly budget: Budget;
  readonly proxy: PostgresProxy;
  /** A guard whose connection goes through the proxy. */
  readonly guard: Guard;
}

/** One token is reserved through the proxy already, so that the guard is connected. */
export async function openBehindProxy(timeoutMs = 5_000): Promise<Behind> {
  const budget = await openBudget('postgresql');
  const proxy = await startProxy(budget.target);
  const { guard } = await guardOn(proxy.target, budget.clock, timeoutMs);
  idOf(await guard.reserve(tokens(1)));
  return { budget, proxy, guard };
}
