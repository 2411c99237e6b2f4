import { Guard } from '../../guard/guard.ts';
import { readTextFile } from '../../platform/files.ts';
import { stopSignal } from '../../platform/process.ts';
import { AccessTokens } from '../../server/access.ts';
import { callersWithKeys, callersWithTokens } from '../../server/gateway/callers.ts';
import { startGateway } from '../../server/gateway/gateway.ts';
import type { Listener } from '../../server/listener.ts';
import { Upstream } from '../../server/gateway/upstream.ts';
import { configOf, withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { gatewaySettings, type GatewayFlags, type GatewaySettings } from '../gateway/flags.ts';
import { aborted, drain, sayIfLost } from '../serving.ts';
import { startTelemetry, telemetrySettings } from '../telemetry.ts';
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
  const sending = telemetrySettings(flags, context.host.environment);
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
      const telemetry = await startTelemetry(context, sending, app);
      const server = await startServer(context, settings, { guard, tokens, upstream });
      sayStarted(context, settings, server.url, app.location);
      await aborted(first.signal);
      first.forget();
      await drain(context, server, settings.drainMs);
      await telemetry.stop();
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
): Promise<Listener> {
  return startGateway({
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
