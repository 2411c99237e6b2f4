import type { App } from '../../app.ts';
import { later } from '../../platform/timers.ts';
import { serviceManager, type ServiceManager } from '../../platform/service-manager.ts';
import type { CommandContext } from '../context.ts';

/**
 * What the service manager hears of a server, where there is one. It is ready when it listens. Its
 * watchdog is fed while it gets an answer of the ledger or is refused one: a server that hangs is started anew,
 * a database that is lost is not the server's fault.
 */
export class ServeSupervision {
  readonly #manager: ServiceManager | null;
  readonly #app: App;
  #next: { callOff(): void } | null = null;
  #stopped = false;

  constructor({ host, output }: CommandContext, app: App) {
    this.#app = app;
    this.#manager = serviceManager(host, (problem) =>
      output.warn(`the service manager could not be told how things are: ${problem}`),
    );
  }

  /** @param gatewayUrl null where no gateway runs beside the API */
  listening(url: string, gatewayUrl: string | null): void {
    const beside = gatewayUrl === null ? '' : `, the gateway on ${gatewayUrl}`;
    this.#manager?.tell('READY=1', `STATUS=listening on ${url}${beside}`);
    this.#feedLater();
  }

  async stopping(): Promise<void> {
    this.#stopped = true;
    this.#next?.callOff();
    this.#manager?.tell('STOPPING=1', 'STATUS=stopping');
    await this.#manager?.flushed();
  }

  #feedLater(): void {
    const { watchdogMs } = this.#manager ?? { watchdogMs: null };
    if (watchdogMs === null || this.#stopped) return;
    this.#next = later(watchdogMs / 2, () => void this.#feed());
  }

  async #feed(): Promise<void> {
    // Refused or answered, it has come back.
    await this.#app.limits().catch(() => undefined);
    if (!this.#stopped) this.#manager?.tell('WATCHDOG=1');
    this.#feedLater();
  }
}
