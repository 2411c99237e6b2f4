import type { App } from '../../app.ts';
import { tokenState } from '../../budget/access-token.ts';
import { invalidInput } from '../../budget/errors.ts';
import type { Suggest } from '../../budget/suggest.ts';
import type { Guard } from '../../guard/guard.ts';
import { readTextFile } from '../../platform/files.ts';
import { stopSignal } from '../../platform/process.ts';
import { AccessTokens } from '../../server/access.ts';
import { ApiServer, type ApiServerOptions } from '../../server/api/server.ts';
import { Metrics } from '../../server/metrics/metrics.ts';
import { configOf, withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import type { GatewaySettings } from '../gateway/flags.ts';
import type { RunningGateway } from '../gateway/running.ts';
import {
  gatewayBeside,
  serveSettings,
  type ServeFlags,
  type ServeSettings,
} from '../serve/flags.ts';
import { ServeSupervision } from '../serve/supervision.ts';
import { aborted, drain, sayWhenLost, servingGuard, suggestElsewhere } from '../serving.ts';
import { startTelemetry, telemetrySettings } from '../telemetry.ts';
import { requestLine, servingLines, type ServeDocument } from '../views/serve.ts';

/** How long a client may take to send its headers, and its whole request. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/** How long open requests may go on when it is asked to stop. */
const DRAIN_MS = 10_000;

/** Serves until it is asked to stop: the API, and with `--gateway` the gateway, on one connection to the ledger. */
export async function serve(context: CommandContext, flags: ServeFlags): Promise<number> {
  const { host, runtime } = context;
  const settings = serveSettings(flags);
  const beside = gatewayBeside(flags, settings.port, { ...host, readSecret: readTextFile });
  const sending = telemetrySettings(flags, host.environment);
  const { estimator } = await configOf(context);
  context.takeInterrupts();
  const first = stopSignal();
  return withApp(
    context,
    async (app) => {
      const answers = await sayWhenLost(context, app);
      if (!settings.local && answers) await requireToken(context, settings, app);
      const tokens = new AccessTokens(app.ledger, runtime);
      const guardOf = (requestType: string): Guard =>
        servingGuard(context, app, estimator, requestType);
      const supervision = new ServeSupervision(context, app);
      const metrics = new Metrics(app, runtime);
      const telemetry = await startTelemetry(context, sending, app, metrics);
      const suggest = await suggestElsewhere(context);
      const api = await startApi(context, settings, {
        ...{ app, tokens, metrics, suggest },
        guard: guardOf('api'),
      });
      const gateway =
        beside === null
          ? null
          : await startBeside(context, beside, { api, tokens, suggest, guard: guardOf('gateway') });
      sayStarted(context, {
        ...{ url: api.url, openReads: settings.local, database: app.location },
        gateway: gateway?.listening ?? null,
      });
      supervision.listening(api.url, gateway?.url ?? null);
      await aborted(first.signal);
      first.forget();
      const draining = [
        { server: api, drainMs: DRAIN_MS },
        ...(gateway === null ? [] : [{ server: gateway, drainMs: gateway.drainMs }]),
      ];
      // At once, so that no second signal is missed.
      await Promise.all([supervision.stopping(), drain(context, ...draining)]);
      await telemetry.stop();
      await tokens.close();
      return first.signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
    },
    { compareEnvironment: false },
  );
}

/** @throws invalid_input where nobody could call it */
async function requireToken(
  { runtime }: CommandContext,
  { host }: ServeSettings,
  app: App,
): Promise<void> {
  const nowMs = runtime.nowMs();
  if ((await app.tokens()).some((token) => tokenState(token, nowMs) === 'active')) return;
  throw invalidInput(
    '--host',
    `on ${host} every caller needs a token, and there is none that is good`,
    'tokenctl token create --name "python backend"',
  );
}

function startApi(
  { output, runtime }: CommandContext,
  settings: ServeSettings,
  parts: Pick<ApiServerOptions, 'app' | 'guard' | 'tokens' | 'metrics' | 'suggest'>,
): Promise<ApiServer> {
  return ApiServer.start({
    ...settings,
    ...parts,
    runtime,
    headersMs: HEADERS_MS,
    requestMs: REQUEST_MS,
    onServed: (served) => {
      if (output.debug) output.message(requestLine(served));
    },
    onError: (error) => {
      output.warn(`a request failed by a defect: ${String(error)}`);
      if (output.debug && error instanceof Error) output.message(error.stack ?? '');
    },
  });
}

interface BesideParts {
  readonly api: ApiServer;
  readonly guard: Guard;
  readonly tokens: AccessTokens;
  readonly suggest: Suggest;
}

/** Where it may not listen, the API does not go on without it. */
async function startBeside(
  context: CommandContext,
  settings: GatewaySettings,
  { api, ...parts }: BesideParts,
): Promise<RunningGateway> {
  try {
    // Not loaded by who serves the API alone.
    const { RunningGateway } = await import('../gateway/running.ts');
    return await RunningGateway.start(context, settings, parts);
  } catch (error) {
    await api.stop(AbortSignal.abort());
    throw error;
  }
}

function sayStarted({ output }: CommandContext, started: ServeDocument): void {
  if (output.json) output.line(started);
  else for (const line of servingLines(started)) output.note(line);
}
