import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type MetricValue,
} from 'prom-client';
import type { Verdict } from '../../budget/verdict.ts';
import type { EndCommand, Ending, ReserveCommand } from '../../ledger/commands.ts';
import type { LedgerObserver } from '../../ledger/observer.ts';
import { RecentMap } from '../recent-map.ts';
import type { Family, Sample } from './family.ts';
import type { SeriesLabels } from './series-labels.ts';

/** Admissions whose ends are counted under their AI type, at most. */
const REMEMBERED = 100_000;
const RESULTS = ['settled', 'failed', 'released', 'denied'] as const;
type Result = (typeof RESULTS)[number];

/** Of prom-client's own: gauges that are named as counters. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

type Admitted = Pick<ReserveCommand, 'aiType' | 'estimate' | 'items' | 'model'> & {
  /** When it was admitted, on the clock that never goes back. */
  readonly atMs: number;
};

/** A call that this process admitted, and that has ended. */
export interface EndedCall extends Omit<Admitted, 'atMs'> {
  readonly end: EndCommand;
  readonly result: Exclude<Result, 'denied'>;
  /** From the answer to its reserve until the answer to its end, in ms. */
  readonly ms: number;
}

export interface ProcessMetricsOptions {
  readonly aiTypes: SeriesLabels;
  /** What is running, as labels. */
  readonly build: Readonly<Record<string, string>>;
  /** A clock that never goes back. */
  readonly monotonicMs: () => number;
}

/** Counts what this process answers since it was started. Nothing of it survives a restart. */
export class ProcessMetrics implements LedgerObserver {
  /** Told of each call that this process admitted, once it has ended. It must not throw. */
  onEnded: ((call: EndedCall) => void) | null = null;
  readonly #registry = new Registry();
  readonly #aiTypes: SeriesLabels;
  readonly #monotonicMs: () => number;
  readonly #admitted = new RecentMap<string, Admitted>(REMEMBERED);
  readonly #requests: Counter;
  readonly #reasons: Counter;
  readonly #tokens: Counter;
  readonly #admission: Histogram;
  readonly #batches: Histogram;

  constructor({ aiTypes, build, monotonicMs }: ProcessMetricsOptions) {
    this.#aiTypes = aiTypes;
    this.#monotonicMs = monotonicMs;
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: 'tokenctl_requests_total',
      help: 'Requests that this process denied, or admitted and ended since: settled, failed (also charged in full, as what they cost is unknown) or released',
      labelNames: ['ai_type', 'result'],
      registers,
    });
    this.#reasons = new Counter({
      name: 'tokenctl_denial_reasons_total',
      help: 'Rules that requests broke which this process denied; a denial may have several. Window is month, day, hour, minute or none',
      labelNames: ['code', 'window'],
      registers,
    });
    this.#tokens = new Counter({
      name: 'tokenctl_tokens_total',
      help: 'Tokens charged for requests that this process admitted and ended',
      labelNames: ['ai_type', 'type'],
      registers,
    });
    this.#admission = new Histogram({
      name: 'tokenctl_admission_duration_seconds',
      help: 'How long a reserve took in this process until its answer was durable, in seconds',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.#batches = new Histogram({
      name: 'tokenctl_batch_commands',
      help: 'Reserves, settles and releases in one transaction of this process (group commit)',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
    new Gauge({
      name: 'tokenctl_build_info',
      help: 'Always 1: the version of tokenctl, and the kind of its database',
      labelNames: Object.keys(build),
      registers,
    }).set({ ...build }, 1);
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
  }

  /** The media type of Prometheus's text. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** What it counts of requests, denials and tokens, as it is now. */
  counters(): Promise<Family[]> {
    const counters = [this.#requests, this.#reasons, this.#tokens];
    return Promise.all(
      counters.map(async (counter) => {
        const { name, help, values } = await counter.get();
        return { name, help, samples: values.map(sampleOf) };
      }),
    );
  }

  /** Has counters begin at 0 before anything is counted, so that the first request is an increase. */
  introduce(aiType: string): void {
    for (const result of RESULTS) this.#count(aiType, result, 0);
    this.#addTokens(aiType, 0, 0);
  }

  reserved(command: ReserveCommand, { reasons, reservation }: Verdict, ms: number): void {
    this.#admission.observe(ms / 1_000);
    const { id, aiType, estimate, items, model } = command;
    if (reservation === null) {
      this.#count(aiType, 'denied', items);
      for (const { code, window } of reasons) this.#reasons.inc({ code, window: window ?? 'none' });
    } else if (reservation.id === id) {
      // Another id is one that the same key got before.
      this.#admitted.set(id, { aiType, estimate, items, model, atMs: this.#monotonicMs() });
    }
  }

  ended(command: EndCommand, { id, charged }: Ending): void {
    const admitted = this.#admitted.get(id);
    // It was ended before, or another process has admitted it.
    if (admitted === undefined) return;
    this.#admitted.delete(id);
    const { atMs, ...call } = admitted;
    const { aiType, estimate, items } = call;
    const result = resultOf(command);
    this.#count(aiType, result, items);
    const usage = command.kind === 'settle' ? command.usage : null;
    if (usage !== null) this.#addTokens(aiType, usage.tokensIn, usage.tokensOut);
    else if (charged > 0) this.#addTokens(aiType, estimate.input, estimate.output);
    this.onEnded?.({ ...call, end: command, result, ms: this.#monotonicMs() - atMs });
  }

  committed(commands: number): void {
    this.#batches.observe(commands);
  }

  #count(aiType: string, result: Result, requests: number): void {
    this.#requests.inc({ ai_type: this.#aiTypes.of(aiType), result }, requests);
  }

  #addTokens(aiType: string, input: number, output: number): void {
    const label = this.#aiTypes.of(aiType);
    this.#tokens.inc({ ai_type: label, type: 'input' }, input);
    this.#tokens.inc({ ai_type: label, type: 'output' }, output);
  }
}

function sampleOf({ labels, value }: MetricValue<string>): Sample {
  const named = Object.entries(labels).map(([name, label]) => [name, String(label)] as const);
  return { labels: Object.fromEntries(named), value };
}

function resultOf(command: EndCommand): EndedCall['result'] {
  if (command.errorMessage !== null) return 'failed';
  if (command.kind === 'release') return 'released';
  return command.usage === null ? 'failed' : 'settled';
}
