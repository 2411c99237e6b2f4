import { resolve } from 'node:path';
import type { App } from '../app.ts';
import { TokenctlError } from '../budget/errors.ts';
import type { EstimatorName } from '../budget/estimate.ts';
import type { Suggest } from '../budget/suggest.ts';
import { Guard } from '../guard/guard.ts';
import { pause, stopSignal } from '../platform/process.ts';
import { targetOf, warnOfDrift, type CommandContext } from './context.ts';

/**
 * What the commands that serve have in common: how they ask the ledger, the commands in their answers, a
 * lost database, and how they end.
 */

interface Server {
  /** How many requests are open. */
  readonly open: number;
  /** Resolves when they are over, or soon after the signal. */
  stop(cutShort: AbortSignal): Promise<void>;
}

interface Draining {
  readonly server: Server;
  /** How long its open requests may go on. */
  readonly drainMs: number;
}

/** @param requestType what the log says that requests came through: api, gateway */
export function servingGuard(
  { runtime }: CommandContext,
  app: App,
  estimator: EstimatorName | null,
  requestType: string,
): Guard {
  return new Guard(app.ledger, runtime, {
    estimator: estimator ?? 'words',
    cacheReadPercent: 100,
    requestType,
  });
}

/** Lets open requests of all servers finish, each until its time is over or a second signal comes. */
export async function drain(
  { output }: CommandContext,
  ...draining: readonly Draining[]
): Promise<void> {
  const open = draining.reduce((sum, { server }) => sum + server.open, 0);
  if (open > 0) output.note(`stopping when ${String(open)} open calls are over`);
  const second = stopSignal();
  await Promise.all(draining.map((each) => stopInTime(each, second.signal)));
  second.forget();
}

async function stopInTime({ server, drainMs }: Draining, second: AbortSignal): Promise<void> {
  const over = new AbortController();
  const stopped = new AbortController();
  void pause(drainMs, AbortSignal.any([stopped.signal, second])).then(() => over.abort());
  await server.stop(over.signal);
  stopped.abort();
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/**
 * For the commands in answers, which are read and pasted elsewhere: as those of this command line, with
 * whole paths.
 */
export async function suggestElsewhere(context: CommandContext): Promise<Suggest> {
  const { host, options, suggestFor } = context;
  const { database, config } = options;
  const { target } = await targetOf(context);
  return suggestFor({
    ...(database === undefined
      ? {}
      : { database: target.kind === 'sqlite' ? target.location : database }),
    ...(config === undefined ? {} : { config: resolve(host.directory, config) }),
  });
}

/**
 * Says when the database does not answer, now and later, and when it answers again: callers may be
 * strangers, who are told no more than that. Each call asks it again. Whether it answers now.
 */
export async function sayWhenLost(context: CommandContext, app: App): Promise<boolean> {
  const { output } = context;
  const lost = (why: string): void =>
    output.warn(`${why}; calls are answered with 503 until it does`);
  const answers = await answersNow(context, app, lost);
  app.ledger.watchReach({ lost, answersAgain: () => output.warn('the database answers again') });
  return answers;
}

async function answersNow(
  context: CommandContext,
  app: App,
  lost: (why: string) => void,
): Promise<boolean> {
  const { wanted } = await targetOf(context);
  try {
    await app.limits();
    if (wanted !== null) await warnOfDrift(context.output, app, wanted);
    return true;
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.code !== 'ledger_unavailable') throw error;
    lost(error.message);
    return false;
  }
}
