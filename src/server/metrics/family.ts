import { Gauge, Registry } from 'prom-client';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with its values at one instant. Without samples it is left out. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** A gauge without labels; null leaves it out. */
export function single(name: string, help: string, value: number | null): Family {
  return { name, help, samples: value === null ? [] : [{ labels: {}, value }] };
}

/** Gauges as Prometheus reads them. */
export function textOf(families: readonly Family[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, samples } of families) {
    if (samples.length === 0) continue;
    const labelNames = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
    const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
    for (const { labels, value } of samples) gauge.set(labels, value);
  }
  return registry.metrics();
}
