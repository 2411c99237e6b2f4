import type { App } from '../../app.ts';
import { TokenctlError } from '../../budget/errors.ts';
import { Guard } from '../../guard/guard.ts';
import { readTextFile } from '../../platform/files.ts';
import { pause, stopSignal } from '../../platform/process.ts';
import { AccessTokens } from '../../server/access.ts';
import { callersWithKeys, callersWithTokens } from '../../server/gateway/callers.ts';
import { Gateway } from '../../server/gateway/gateway.ts';
import { Upstream } from '../../server/gateway/upstream.ts';
import { configOf, targetOf, warnOfDrift, withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { gatewaySettings, type GatewayFlags, type GatewaySettings } from '../gateway/flags.ts';
import { gatewayStarted, servedLine, startedLine } from '../views/gateway.ts';

/** As long as the API's own greatest request. */
const MOST_BODY_BYTES = 33_554_432;
/** How long a client may take to send its headers, and its whole request. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 120_000;
/** Longer than the official clients wait for an answer. */
const ANSWER_MS = 900_000;
/** The API says something at least every few seconds while it streams. */
const PAUSE_MS = 600_000;

/** Serves until it is asked to stop. */
export async function gateway(context: CommandContext, flags: GatewayFlags): Promise<number> {
  const settings = gatewaySettings(flags, { ...context.host, readSecret: readTextFile });
  const { estimator } = await configOf(context);
  context.takeInterrupts();
  const first = stopSignal();
  return withApp(
    context,
    async (app) => {
      await sayIfLost(context, app);
      const tokens = new AccessTokens(app.ledger, context.runtime);
      const upstream = new Upstream({
        url: settings.upstream,
        answerMs: ANSWER_MS,
        pauseMs: PAUSE_MS,
      });
      const guard = new Guard(app.ledger, context.runtime, {
        estimator: estimator ?? 'words',
        cacheReadPercent: 100,
        requestType: 'gateway',
      });
      const server = await startServer(context, settings, { guard, tokens, upstream });
      sayStarted(context, settings, server.url, app.location);
      await aborted(first.signal);
      first.forget();
      await drain(context, server, settings.drainMs);
      await upstream.close();
      await tokens.close();
      return first.signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
    },
    { compareEnvironment: false },
  );
}

interface Parts {
  readonly guard: Guard;
  readonly tokens: AccessTokens;
  readonly upstream: Upstream;
}

function startServer(
  { output, runtime }: CommandContext,
  { host, port, aiType, key, hosts, passUnknown, maxWaitMs }: GatewaySettings,
  { guard, tokens, upstream }: Parts,
): Promise<Gateway> {
  return Gateway.start({
    host,
    port,
    headersMs: HEADERS_MS,
    requestMs: REQUEST_MS,
    serving: {
      budget: guard,
      runtime,
      upstream,
      callers: key === null ? callersWithKeys(aiType) : callersWithTokens(tokens, key, aiType),
      hosts,
      passUnknown,
      mostBodyBytes: MOST_BODY_BYTES,
      maxWaitMs,
      warn: (message) => output.warn(message),
    },
    onServed: (served, ms) => {
      if (output.debug) output.message(servedLine(served, ms));
    },
    onError: (error) => {
      output.warn(`a call failed by a defect: ${String(error)}`);
      if (output.debug && error instanceof Error) output.message(error.stack ?? '');
    },
  });
}

function sayStarted(
  { output }: CommandContext,
  settings: GatewaySettings,
  url: string,
  database: string,
): void {
  const started = gatewayStarted(settings, url, database);
  if (output.json) output.line(started);
  else output.note(startedLine(started));
}

/** Lets open calls finish, until the time is over or a second signal comes. */
async function drain({ output }: CommandContext, server: Gateway, drainMs: number): Promise<void> {
  if (server.open > 0) output.note(`stopping when ${String(server.open)} open calls are over`);
  const second = stopSignal();
  const over = new AbortController();
  const stopped = new AbortController();
  void pause(drainMs, AbortSignal.any([stopped.signal, second.signal])).then(() => over.abort());
  await server.stop(over.signal);
  stopped.abort();
  second.forget();
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** A database that does not answer now is asked again by each call. */
async function sayIfLost(context: CommandContext, app: App): Promise<void> {
  const { output } = context;
  const { wanted } = await targetOf(context);
  try {
    await app.limits();
    if (wanted !== null) await warnOfDrift(output, app, wanted);
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.code !== 'ledger_unavailable') throw error;
    output.warn(`${error.message}; calls are answered with 503 until it does`);
  }
}
