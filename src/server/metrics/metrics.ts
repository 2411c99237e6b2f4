import type { App } from '../../app.ts';
import { TokenctlError } from '../../budget/errors.ts';
import { readMeasurements, type Measurements } from '../../ledger/measurements.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { later } from '../../platform/timers.ts';
import { version } from '../../version.ts';
import { SeriesLabels } from './series-labels.ts';
import { textOf, type Family } from './family.ts';
import { ledgerFamilies, LOST } from './ledger-families.ts';
import { ProcessMetrics, type EndedCall } from './process-metrics.ts';

/** How old an answer may be, in ms: the ledger is read once however many scrape. */
const FRESH_FOR_MS = 1_000;
/** How long the ledger may take, in ms: scrapers wait no longer than about 10 seconds. */
const ANSWERS_WITHIN_MS = 4_000;

/**
 * The ledger as it is, and what this process has answered since it was started: for Prometheus, which
 * scrapes it, and for what else sends it on.
 */
export class Metrics {
  readonly #app: App;
  readonly #runtime: Runtime;
  readonly #aiTypes = new SeriesLabels();
  readonly #process: ProcessMetrics;
  #newest: { readonly askedAtMs: number; readonly text: Promise<string> } | null = null;
  #reading: Promise<Measurements> | null = null;

  constructor(app: App, runtime: Runtime) {
    this.#app = app;
    this.#runtime = runtime;
    const { ledger } = app;
    this.#process = new ProcessMetrics({
      aiTypes: this.#aiTypes,
      build: { version, database: ledger.connection.kind },
      monotonicMs: () => runtime.monotonicMs(),
    });
    ledger.observe(this.#process);
  }

  /** Which AI types are shown by name. */
  get aiTypes(): SeriesLabels {
    return this.#aiTypes;
  }

  get contentType(): string {
    return this.#process.contentType;
  }

  /** At most a second old. A lost ledger is said as `tokenctl_ledger_up 0`, and nothing else of it. */
  text(): Promise<string> {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#newest === null || nowMs - this.#newest.askedAtMs >= FRESH_FOR_MS) {
      this.#newest = { askedAtMs: nowMs, text: this.#write() };
    }
    return this.#newest.text;
  }

  /** Tells this one of each call that this process admitted, once it has ended; there is one at most. */
  onEnded(listener: (call: EndedCall) => void): void {
    this.#process.onEnded = listener;
  }

  /** What this process has counted since it was started. */
  counters(): Promise<Family[]> {
    return this.#process.counters();
  }

  async #write(): Promise<string> {
    const ofLedger = await textOf(await this.gauges());
    return `${ofLedger}\n${await this.#process.text()}`;
  }

  /** The ledger as it is now. A lost one is said as `tokenctl_ledger_up 0`, and nothing else of it. */
  async gauges(): Promise<readonly Family[]> {
    try {
      const measured = await this.#measure();
      if (measured === null) return LOST;
      const families = ledgerFamilies(measured, this.#aiTypes);
      for (const aiType of this.#aiTypes.named) this.#process.introduce(aiType);
      return families;
    } catch (error) {
      if (error instanceof TokenctlError) return LOST;
      throw error;
    }
  }

  /** Null where the ledger takes too long; that read goes on, and no other is begun beside it. */
  #measure(): Promise<Measurements | null> {
    this.#reading ??= readMeasurements(this.#app.ledger).finally(() => {
      this.#reading = null;
    });
    return orNullAfter(ANSWERS_WITHIN_MS, this.#reading);
  }
}

function orNullAfter<T>(ms: number, work: Promise<T>): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const timer = later(ms, () => resolve(null));
    work.then(resolve, reject).finally(() => timer.callOff());
  });
}
