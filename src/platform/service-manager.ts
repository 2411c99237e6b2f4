import type { Host } from './process.ts';
import { runProgram } from './program.ts';

/** How long one message may take to be taken, in ms. */
const TELL_MS = 5_000;

/**
 * The service manager (systemd) that has started this process and waits to hear from it: sd_notify(3).
 * Node.js has no unix datagram sockets, and the packages that have them are compiled when they are
 * installed; so systemd's own program tells it, which costs about 4 ms of processor time a message.
 */
export class ServiceManager {
  /** A sign of life must come within this time, in ms; null where none is waited for. */
  readonly watchdogMs: number | null;
  readonly #environment: Host['environment'];
  readonly #onFailure: (problem: string) => void;
  #last: Promise<void> = Promise.resolve();
  #failed = false;

  constructor({ environment, pid }: Host, onFailure: (problem: string) => void) {
    this.watchdogMs = watchdogMs(environment, pid);
    this.#environment = environment;
    this.#onFailure = onFailure;
  }

  /**
   * Sends `READY=1`, `STATUS=…` and the like as one message, after those before it. The first that fails
   * is told to `onFailure`.
   */
  tell(...fields: readonly string[]): void {
    this.#last = this.#last.then(() => this.#send(fields));
  }

  /** When all that was told has arrived. */
  flushed(): Promise<void> {
    return this.#last;
  }

  async #send(fields: readonly string[]): Promise<void> {
    const problem = await runProgram(
      'systemd-notify',
      fields,
      this.#environment,
      AbortSignal.timeout(TELL_MS),
    ).then(
      (end) => {
        if (end === null) return 'there is no program systemd-notify';
        return end.code === 0 ? null : end.errors.trim() || 'systemd-notify was not heard';
      },
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (problem === null || this.#failed) return;
    this.#failed = true;
    this.#onFailure(problem);
  }
}

/** The service manager that waits to hear from this process; null where none does. */
export function serviceManager(
  host: Host,
  onFailure: (problem: string) => void,
): ServiceManager | null {
  return (host.environment['NOTIFY_SOCKET'] ?? '') === ''
    ? null
    : new ServiceManager(host, onFailure);
}

function watchdogMs(environment: Host['environment'], pid: number): number | null {
  const ms = Number(environment['WATCHDOG_USEC'] ?? '') / 1_000;
  const meant = environment['WATCHDOG_PID'] ?? String(pid);
  return ms > 0 && Number.isFinite(ms) && meant === String(pid) ? ms : null;
}
