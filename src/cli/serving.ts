import type { App } from '../app.ts';
import { TokenctlError } from '../budget/errors.ts';
import { pause, stopSignal } from '../platform/process.ts';
import { targetOf, warnOfDrift, type CommandContext } from './context.ts';

/** What the commands that serve have in common: how they begin with a lost database, and how they end. */

interface Open {
  /** How many requests are open. */
  readonly open: number;
  /** Resolves when they are over, or soon after the signal. */
  stop(cutShort: AbortSignal): Promise<void>;
}

/** Lets open requests finish, until the time is over or a second signal comes. */
export async function drain(
  { output }: CommandContext,
  server: Open,
  drainMs: number,
): Promise<void> {
  if (server.open > 0) output.note(`stopping when ${String(server.open)} open calls are over`);
  const second = stopSignal();
  const over = new AbortController();
  const stopped = new AbortController();
  void pause(drainMs, AbortSignal.any([stopped.signal, second.signal])).then(() => over.abort());
  await server.stop(over.signal);
  stopped.abort();
  second.forget();
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** A database that does not answer now is asked again by each call. Whether it answered. */
export async function sayIfLost(context: CommandContext, app: App): Promise<boolean> {
  const { output } = context;
  const { wanted } = await targetOf(context);
  try {
    await app.limits();
    if (wanted !== null) await warnOfDrift(output, app, wanted);
    return true;
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.code !== 'ledger_unavailable') throw error;
    output.warn(`${error.message}; calls are answered with 503 until it does`);
    return false;
  }
}
