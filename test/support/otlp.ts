/** What an OpenTelemetry collector is sent, as OTLP's JSON has it, read as far as tests need it. */
import type { HttpReceiver } from './receivers.ts';

type Attributes = readonly { readonly key: string; readonly value: { stringValue: string } }[];

interface Point {
  readonly attributes: Attributes;
  readonly asDouble?: number;
  readonly count?: number;
  readonly sum?: number;
  readonly explicitBounds?: readonly number[];
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly sum?: {
    readonly dataPoints: readonly Point[];
    readonly isMonotonic: boolean;
    readonly aggregationTemporality: number;
  };
  readonly histogram?: {
    readonly dataPoints: readonly Point[];
    readonly aggregationTemporality: number;
  };
}

interface Export {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}

interface SentMetric {
  readonly kind: 'gauge' | 'counter' | 'histogram';
  readonly unit: string;
  readonly points: readonly {
    readonly attributes: Readonly<Record<string, string>>;
    /** Of a histogram the sum. */
    readonly value: number;
    /** Of a histogram how many were measured. */
    readonly count: number | null;
    readonly bounds: readonly number[] | null;
  }[];
}

export interface SentMetrics {
  readonly resource: Readonly<Record<string, string>>;
  readonly metrics: ReadonlyMap<string, SentMetric>;
}

/** The newest export that was taken. Sums that are not cumulative, or may fall, are refused. */
export function newestExport({ taken }: HttpReceiver): SentMetrics {
  const { resourceMetrics } = JSON.parse(taken.at(-1)!.body) as Export;
  const [{ resource, scopeMetrics }] = resourceMetrics as [Export['resourceMetrics'][0]];
  const metrics = scopeMetrics.flatMap((scope) => scope.metrics);
  return {
    resource: plain(resource.attributes),
    metrics: new Map(metrics.map((metric) => [metric.name, sentMetric(metric)])),
  };
}

const CUMULATIVE = 2;

function sentMetric({ name, unit, gauge, sum, histogram }: Metric): SentMetric {
  const summed = sum ?? histogram;
  if (summed !== undefined && summed.aggregationTemporality !== CUMULATIVE) {
    throw new Error(`${name} is not cumulative`);
  }
  if (sum?.isMonotonic === false) throw new Error(`${name} may fall`);
  return {
    kind: gauge !== undefined ? 'gauge' : sum !== undefined ? 'counter' : 'histogram',
    unit,
    points: (gauge ?? summed)!.dataPoints.map((point) => ({
      attributes: plain(point.attributes),
      value: point.asDouble ?? point.sum ?? Number.NaN,
      count: point.count ?? null,
      bounds: point.explicitBounds ?? null,
    })),
  };
}

function plain(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
}
