import { readTextFile } from '../../platform/files.ts';
import { stopSignal } from '../../platform/process.ts';
import { AccessTokens } from '../../server/access.ts';
import { configOf, withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { gatewaySettings, type GatewayFlags } from '../gateway/flags.ts';
import { RunningGateway } from '../gateway/running.ts';
import { aborted, drain, sayWhenLost, servingGuard, suggestElsewhere } from '../serving.ts';
import { startTelemetry, telemetrySettings } from '../telemetry.ts';
import { startedLine, type GatewayDocument } from '../views/gateway.ts';

/** Serves until it is asked to stop. */
export async function gateway(context: CommandContext, flags: GatewayFlags): Promise<number> {
  const { host, runtime } = context;
  const places = { ...host, readSecret: readTextFile };
  const settings = gatewaySettings(flags, { portFlag: '--port', port: flags.port }, places);
  const sending = telemetrySettings(flags, host.environment);
  const { estimator } = await configOf(context);
  context.takeInterrupts();
  const first = stopSignal();
  return withApp(
    context,
    async (app) => {
      await sayWhenLost(context, app);
      const tokens = new AccessTokens(app.ledger, runtime);
      const guard = servingGuard(context, app, estimator, 'gateway');
      const telemetry = await startTelemetry(context, sending, app);
      const suggest = await suggestElsewhere(context);
      const server = await RunningGateway.start(context, settings, { guard, tokens, suggest });
      sayStarted(context, { ...server.listening, database: app.location });
      await aborted(first.signal);
      first.forget();
      await drain(context, { server, drainMs: server.drainMs });
      await telemetry.stop();
      await tokens.close();
      return first.signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
    },
    { compareEnvironment: false },
  );
}

function sayStarted({ output }: CommandContext, started: GatewayDocument): void {
  if (output.json) output.line(started);
  else output.note(startedLine(started));
}
