import type { App } from '../../app.ts';
import { tokenState } from '../../budget/access-token.ts';
import { invalidInput } from '../../budget/errors.ts';
import { Guard } from '../../guard/guard.ts';
import { stopSignal } from '../../platform/process.ts';
import { ApiServer, type ApiServerOptions } from '../../server/api/server.ts';
import { Metrics } from '../../server/metrics/metrics.ts';
import { configOf, withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { serveSettings, type ServeFlags, type ServeSettings } from '../serve/flags.ts';
import { ServeSupervision } from '../serve/supervision.ts';
import { aborted, drain, sayIfLost } from '../serving.ts';
import { startTelemetry, telemetrySettings } from '../telemetry.ts';
import { requestLine, servingLine, type ServeDocument } from '../views/serve.ts';

/** How long a client may take to send its headers, and its whole request. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/** How long open requests may go on when it is asked to stop. */
const DRAIN_MS = 10_000;

/** Serves until it is asked to stop. */
export async function serve(context: CommandContext, flags: ServeFlags): Promise<number> {
  const settings = serveSettings(flags);
  const sending = telemetrySettings(flags, context.host.environment);
  const { estimator } = await configOf(context);
  context.takeInterrupts();
  const first = stopSignal();
  return withApp(
    context,
    async (app) => {
      const answers = await sayIfLost(context, app);
      if (!settings.local && answers) await requireToken(context, settings, app);
      const guard = new Guard(app.ledger, context.runtime, {
        estimator: estimator ?? 'words',
        cacheReadPercent: 100,
        requestType: 'api',
      });
      const supervision = new ServeSupervision(context, app);
      const metrics = new Metrics(app, context.runtime);
      const telemetry = await startTelemetry(context, sending, app, metrics);
      const server = await startServer(context, settings, { app, guard, metrics });
      sayStarted(context, { url: server.url, openReads: settings.local, database: app.location });
      supervision.listening(server.url);
      await aborted(first.signal);
      first.forget();
      await supervision.stopping();
      await drain(context, server, DRAIN_MS);
      await telemetry.stop();
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

function startServer(
  { output, runtime }: CommandContext,
  settings: ServeSettings,
  parts: Pick<ApiServerOptions, 'app' | 'guard' | 'metrics'>,
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

function sayStarted({ output }: CommandContext, started: ServeDocument): void {
  if (output.json) output.line(started);
  else output.note(servingLine(started));
}
