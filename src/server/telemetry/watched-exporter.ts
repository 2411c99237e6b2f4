import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';

type Settings = ConstructorParameters<typeof OTLPMetricExporter>[0];
type Exported = Parameters<OTLPMetricExporter['export']>;

export interface Watcher {
  /** Told when exports begin to fail, and when one has arrived again. */
  readonly onLost: (reason: string) => void;
  readonly onBack: () => void;
}

/** Says once that exports fail, and once that they don't any more. */
export class WatchedExporter extends OTLPMetricExporter {
  readonly #watcher: Watcher;
  #lost = false;

  constructor(settings: Settings, watcher: Watcher) {
    super(settings);
    this.#watcher = watcher;
  }

  override export(metrics: Exported[0], done: Exported[1]): void {
    super.export(metrics, (result) => {
      this.#watch(result.error);
      done(result);
    });
  }

  #watch(error: Error | undefined): void {
    const lost = error !== undefined;
    if (lost === this.#lost) return;
    this.#lost = lost;
    if (lost) this.#watcher.onLost(reasonOf(error));
    else this.#watcher.onBack();
  }
}

/** In a few words, of what Node or OpenTelemetry's library says. */
function reasonOf({ message, code }: Error & { readonly code?: number | string }): string {
  if (typeof code === 'number') return `it answers HTTP ${String(code)} ${message}`.trimEnd();
  // What is to be tried again, such as 503, comes without its status; several addresses come without text.
  if (message.includes('retryable status')) return 'it answers that it can take nothing now';
  return message !== '' ? message : (code ?? 'no answer');
}
