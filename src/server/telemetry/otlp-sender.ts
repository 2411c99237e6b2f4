import { AggregationTemporalityPreference } from '@opentelemetry/exporter-metrics-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
  type Resource,
} from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import type { Runtime } from '../../platform/runtime.ts';
import { pause } from '../../platform/timers.ts';
import { version } from '../../version.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { GenAiMetrics } from './gen-ai-metrics.ts';
import { OwnMetrics } from './own-metrics.ts';
import { WatchedExporter, type Watcher } from './watched-exporter.ts';

/** How long one export may take, tries included, in ms; what it could not send, the next one does. */
const EXPORT_MS = 3_000;
/** How long stopping waits for the last one: it may have to read a ledger that does not answer. */
const STOP_MS = EXPORT_MS + 500;

export interface OtlpSenderOptions extends Watcher {
  /** Where the collector takes metrics. */
  readonly url: URL;
  /** From one export to the next, in ms, at least 1000. */
  readonly intervalMs: number;
  readonly metrics: Metrics;
  readonly runtime: Runtime;
}

/**
 * Sends metrics to an OpenTelemetry collector: OTLP over HTTP, JSON, cumulative. One export at a time, and
 * nothing is kept for later: sums go on. Headers, compression and certificates are taken from the
 * environment by OpenTelemetry's own library (`OTEL_EXPORTER_OTLP_…`), so is the resource
 * (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).
 */
export class OtlpSender {
  readonly #provider: MeterProvider;

  constructor({ url, intervalMs, metrics, runtime, ...watcher }: OtlpSenderOptions) {
    const exporter = new WatchedExporter(
      {
        url: url.href,
        timeoutMillis: Math.min(EXPORT_MS, intervalMs),
        concurrencyLimit: 1,
        temporalityPreference: AggregationTemporalityPreference.CUMULATIVE,
      },
      watcher,
    );
    const scope = { name: 'tokenctl', version };
    const resource = resourceOf(runtime);
    this.#provider = new MeterProvider({
      resource,
      readers: [
        new PeriodicExportingMetricReader({
          exporter,
          exportIntervalMillis: intervalMs,
          exportTimeoutMillis: intervalMs,
          metricProducers: [new OwnMetrics({ metrics, runtime, resource, scope })],
        }),
      ],
    });
    const meter = this.#provider.getMeter(scope.name, scope.version);
    const genAi = new GenAiMetrics(meter, metrics.aiTypes);
    metrics.onEnded((call) => genAi.ended(call));
    // At once, so that a wrong URL is told at once.
    void this.#provider.forceFlush();
  }

  /** Sends what has come since, and resolves when it was taken, or a few seconds later. */
  async stop(): Promise<void> {
    const over = new AbortController();
    const shutdown = this.#provider.shutdown().catch(() => undefined);
    const late = pause(STOP_MS, over.signal).catch(() => undefined);
    await Promise.race([shutdown, late]);
    over.abort();
  }
}

/** What the environment names goes before. */
function resourceOf(runtime: Runtime): Resource {
  const own = resourceFromAttributes({
    'service.name': 'tokenctl',
    'service.version': version,
    // Sums of two processes must not be taken for one that jumps.
    'service.instance.id': runtime.newId(),
  });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}
