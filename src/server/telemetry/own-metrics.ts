import { ValueType, type HrTime } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { Runtime } from '../../platform/runtime.ts';
import type { Family } from '../metrics/family.ts';
import type { Metrics } from '../metrics/metrics.ts';

export interface OwnMetricsOptions {
  readonly metrics: Metrics;
  readonly runtime: Runtime;
  readonly resource: Resource;
  readonly scope: { readonly name: string; readonly version: string };
}

/** What `/metrics` shows of the ledger, and what this process has counted, by the same names. */
export class OwnMetrics implements MetricProducer {
  readonly #options: OwnMetricsOptions;
  readonly #startTime: HrTime;

  constructor(options: OwnMetricsOptions) {
    this.#options = options;
    this.#startTime = hrTime(options.runtime);
  }

  async collect(): Promise<CollectionResult> {
    const { metrics, runtime, resource, scope } = this.#options;
    const gauges = await metrics.gauges();
    const counters = await metrics.counters();
    const endTime = hrTime(runtime);
    const all = [
      ...gauges.filter(hasSamples).map((family) => this.#gauge(family, endTime)),
      ...counters.filter(hasSamples).map((family) => this.#sum(family, endTime)),
    ];
    return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: all }] }, errors: [] };
  }

  #gauge(family: Family, endTime: HrTime): MetricData {
    return { ...this.#dataOf(family, endTime), dataPointType: DataPointType.GAUGE };
  }

  #sum(family: Family, endTime: HrTime): MetricData {
    return {
      ...this.#dataOf(family, endTime),
      dataPointType: DataPointType.SUM,
      isMonotonic: true,
    };
  }

  #dataOf({ name, help, samples }: Family, endTime: HrTime) {
    return {
      descriptor: { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPoints: samples.map(({ labels, value }) => ({
        startTime: this.#startTime,
        endTime,
        attributes: { ...labels },
        value,
      })),
    };
  }
}

function hasSamples({ samples }: Family): boolean {
  return samples.length > 0;
}

/** By the end of its name, as Prometheus has it; what has none is a number. */
function unitOf(name: string): string {
  const base = name.replace(/_total$/, '');
  if (base.endsWith('_tokens')) return '{token}';
  if (base.endsWith('_requests')) return '{request}';
  if (base.endsWith('_seconds')) return 's';
  return base.endsWith('_ratio') ? '1' : '';
}

/** Seconds and nanoseconds since 1970. */
function hrTime(runtime: Runtime): HrTime {
  const ms = runtime.nowMs();
  return [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1_000_000)];
}
