import { stripVTControlCharacters } from 'node:util';
import { onReload, pause, stopSignal } from '../../platform/process.ts';
import { serviceManager, type ServiceManager } from '../../platform/service-manager.ts';
import type { CommandContext } from '../context.ts';
import { monitorText, type MonitorLine } from '../views/monitor.ts';
import { oneLine } from '../views/text.ts';

/**
 * How a monitor without a screen is told to stop or to reload, and what the service manager hears of it,
 * where there is one. It is ready after the first check that the database answered, and its watchdog is fed by
 * such checks only: a monitor that sees nothing must not look healthy.
 */
export class Supervision {
  readonly #context: CommandContext;
  readonly #manager: ServiceManager | null;
  readonly #stop = stopSignal();
  readonly #undo: (() => unknown)[] = [];
  #waking = new AbortController();
  #ready = false;
  #reloadAsked = false;

  constructor(context: CommandContext) {
    const { host, output } = context;
    this.#context = context;
    this.#manager = serviceManager(host, (problem) =>
      output.warn(`the service manager could not be told how things are: ${problem}`),
    );
    const { signal, forget } = this.#stop;
    signal.addEventListener('abort', () => {
      this.#manager?.tell('STOPPING=1', 'STATUS=stopping');
      this.#waking.abort();
    });
    this.#undo.push(forget);
    if (this.#manager === null) return;
    const ask = (): void => {
      this.#reloadAsked = true;
      this.#waking.abort();
    };
    this.#undo.push(onReload(ask));
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get interrupted(): boolean {
    return this.#stop.signal.reason === 'SIGINT';
  }

  /** Reads the configuration again if that was asked for. One that is wrong is said, and not taken over. */
  async reloadIfAsked(reload: () => Promise<void>): Promise<void> {
    // What is asked for from now on is not lost: the next pause ends at once.
    this.#waking = new AbortController();
    if (this.stopped) this.#waking.abort();
    if (!this.#reloadAsked) return;
    this.#reloadAsked = false;
    // A service that is not up yet would say by READY=1 that it is.
    if (this.#ready) this.#manager?.tell('RELOADING=1', 'STATUS=reading the configuration again');
    try {
      await reload();
      this.#context.output.note('the configuration was read again');
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#context.output.warn(`the configuration stays as it was: ${problem}`);
    }
    if (this.#ready) this.#manager?.tell('READY=1');
  }

  checked(line: MonitorLine): void {
    if (this.#manager === null) return;
    const { screen } = this.#context.output;
    const status = `STATUS=${oneLine(stripVTControlCharacters(monitorText(line, screen)))}`;
    if (line.lost) {
      this.#manager.tell(status);
      return;
    }
    this.#manager.tell(...(this.#ready ? [] : ['READY=1']), 'WATCHDOG=1', status);
    this.#ready = true;
  }

  /** Waits until the next check: at most half the time in which the watchdog must be fed. */
  async pause(ms: number): Promise<void> {
    const watchdogMs = this.#manager?.watchdogMs ?? Infinity;
    await pause(Math.max(0, Math.min(ms, watchdogMs / 2)), this.#waking.signal);
  }

  /** Gives the signals back, when the service manager has heard everything. */
  async close(): Promise<void> {
    await this.#manager?.flushed();
    for (const undo of this.#undo) undo();
  }
}
