import type { App } from '../app.ts';
import { parseCount } from '../budget/tokens.ts';
import { counted } from '../budget/words.ts';
import { parseHttpUrl } from '../config/http-url.ts';
import { setVariable } from '../config/secret.ts';
import type { Metrics } from '../server/metrics/metrics.ts';
import type { CommandContext } from './context.ts';

/** `--otlp`: the metrics of a command that serves, sent to a collector. */

/** `--otlp`, or `--otlp URL`. */
export interface TelemetryFlags {
  readonly otlp?: string | true;
}

export interface TelemetrySettings {
  readonly url: URL;
  readonly intervalMs: number;
}

export interface Telemetry {
  /** Sends what has come since, and resolves when it was taken, or a few seconds later. */
  stop(): Promise<void>;
}

const LOCAL_COLLECTOR = 'http://localhost:4318';
const PATH = '/v1/metrics';
const DEFAULT_INTERVAL_MS = '60000';

/**
 * Where to send metrics, and how often; null without the flag, whatever the environment says.
 * @throws invalid_input naming the flag or variable
 */
export function telemetrySettings(
  { otlp }: TelemetryFlags,
  environment: CommandContext['host']['environment'],
): TelemetrySettings | null {
  if (otlp === undefined) return null;
  const interval = 'OTEL_METRIC_EXPORT_INTERVAL';
  const intervalText = setVariable(environment[interval]) ?? DEFAULT_INTERVAL_MS;
  return {
    url: collectorUrl(otlp, environment),
    intervalMs: parseCount(interval, intervalText, 1_000, 3_600_000),
  };
}

/** As OpenTelemetry has it: the variable for metrics names the whole URL, the one for all signals its base. */
function collectorUrl(
  otlp: string | true,
  environment: CommandContext['host']['environment'],
): URL {
  if (otlp !== true) {
    const url = parseHttpUrl('--otlp', otlp, LOCAL_COLLECTOR);
    return url.pathname === '/' ? metricsBelow(url) : url;
  }
  const whole = 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT';
  const wholeUrl = setVariable(environment[whole]);
  if (wholeUrl !== null) return parseHttpUrl(whole, wholeUrl, LOCAL_COLLECTOR + PATH);
  const base = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  const baseUrl = setVariable(environment[base]) ?? LOCAL_COLLECTOR;
  return metricsBelow(parseHttpUrl(base, baseUrl, LOCAL_COLLECTOR));
}

function metricsBelow(base: URL): URL {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/$/, '') + PATH;
  return url;
}

/**
 * Sends metrics from now on; without settings it does nothing, and loads nothing.
 * @param metrics those that the server shows already
 */
export async function startTelemetry(
  { output, runtime }: CommandContext,
  settings: TelemetrySettings | null,
  app: App,
  metrics: Metrics | null = null,
): Promise<Telemetry> {
  if (settings === null) return { stop: () => Promise.resolve() };
  const { OtlpSender } = await import('../server/telemetry/otlp-sender.ts');
  const sent = metrics ?? new (await import('../server/metrics/metrics.ts')).Metrics(app, runtime);
  const { url, intervalMs } = settings;
  const pace = `every ${counted(intervalMs / 1_000, 'second')}`;
  const sender = new OtlpSender({
    ...{ url, intervalMs, runtime, metrics: sent },
    onLost: (reason) =>
      output.warn(`metrics do not reach ${url.href}: ${reason}; tried again ${pace}`),
    onBack: () => output.note(`metrics reach ${url.href} again`),
  });
  output.note(`sending metrics to ${url.href} ${pace}`);
  return sender;
}
