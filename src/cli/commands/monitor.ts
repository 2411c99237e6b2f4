import type { App } from '../../app.ts';
import { TokenctlError } from '../../budget/errors.ts';
import { parseCount } from '../../budget/tokens.ts';
import { isoTime } from '../../budget/windows.ts';
import { pause, stopSignal } from '../../platform/process.ts';
import { openedApp, type CommandContext } from '../context.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { lostLine, monitorLine, monitorText, type MonitorLine } from '../views/monitor.ts';

export interface MonitorOptions {
  readonly interval?: string;
  readonly once?: boolean;
}

const DEFAULT_INTERVAL_S = 60;
const MAX_INTERVAL_S = 86_400;

export async function monitor(context: CommandContext, options: MonitorOptions): Promise<number> {
  const { interval, once = false } = options;
  const seconds =
    interval === undefined
      ? DEFAULT_INTERVAL_S
      : parseCount('--interval', interval, 1, MAX_INTERVAL_S);
  if (!once && !context.output.json && context.output.drawable) {
    const { liveMonitor } = await import('../live/session.ts');
    return liveMonitor(context, {
      intervalMs: seconds * 1_000,
      check: async (app, aiType) => ({ pulse: await app.pulse(aiType), alerts: [] }),
    });
  }
  const watch = new Watch(context);
  try {
    if (once) {
      const line = await watch.check();
      print(context, line);
      return line.lost ? EXIT.database : EXIT.done;
    }
    return await loop(context, watch, seconds * 1_000);
  } finally {
    await watch.close();
  }
}

/** A line a check until it is asked to stop, or nobody reads. A lost database is waited for. */
async function loop(context: CommandContext, watch: Watch, intervalMs: number): Promise<number> {
  const { output, runtime } = context;
  context.takeInterrupts();
  const { signal, forget } = stopSignal();
  try {
    while (!signal.aborted && !output.closed) {
      const startedMs = runtime.monotonicMs();
      print(context, await watch.check());
      await pause(Math.max(0, intervalMs - (runtime.monotonicMs() - startedMs)), signal);
    }
    return signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
  } finally {
    forget();
  }
}

function print({ output }: CommandContext, line: MonitorLine): void {
  if (output.json) output.line(line);
  else output.result(monitorText(line, output.screen));
}

/** Keeps the database open from check to check, and opens it anew after it was lost. */
class Watch {
  readonly #context: CommandContext;
  #app: App | null = null;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  async check(): Promise<MonitorLine> {
    try {
      this.#app ??= await openedApp(this.#context);
      return monitorLine(await this.#app.status());
    } catch (error) {
      if (!(error instanceof TokenctlError) || exitCodeOf(error.code) !== EXIT.database)
        throw error;
      await this.close();
      return lostLine(isoTime(this.#context.runtime.nowMs()), error.code, error.message);
    }
  }

  async close(): Promise<void> {
    const app = this.#app;
    this.#app = null;
    await app?.close();
  }
}
