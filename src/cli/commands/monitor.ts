import type { Channel } from '../../alerts/channel.ts';
import type { App } from '../../app.ts';
import { parseCount } from '../../budget/tokens.ts';
import { isoTime, type IsoTime } from '../../budget/windows.ts';
import { pause, stopSignal } from '../../platform/process.ts';
import { openedApp, type CommandContext } from '../context.ts';
import { channelsOf } from '../alert-channels.ts';
import { EXIT } from '../exit-codes.ts';
import { isLost } from '../kept-app.ts';
import { lostLine, monitorLine, monitorText, type MonitorLine } from '../views/monitor.ts';
import { hang } from '../views/text.ts';

export interface MonitorOptions {
  readonly interval?: string;
  readonly once?: boolean;
  /** false for `--no-alerts`. */
  readonly alerts: boolean;
}

const DEFAULT_INTERVAL_S = 60;
const MAX_INTERVAL_S = 86_400;

export async function monitor(context: CommandContext, options: MonitorOptions): Promise<number> {
  const { interval, once = false, alerts } = options;
  const seconds =
    interval === undefined
      ? DEFAULT_INTERVAL_S
      : parseCount('--interval', interval, 1, MAX_INTERVAL_S);
  const watch = new Watch(context, alerts ? await channelsOf(context) : null);
  try {
    if (once) {
      const { line } = await watch.check();
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
      const { line, lookAgainInMs } = await watch.check();
      print(context, line);
      const waitMs = Math.min(intervalMs, lookAgainInMs);
      await pause(Math.max(0, waitMs - (runtime.monotonicMs() - startedMs)), signal);
    }
    return signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
  } finally {
    forget();
  }
}

function print({ output }: CommandContext, line: MonitorLine): void {
  const { screen, stdoutIsTTY } = output;
  if (output.json) {
    output.line(line);
  } else {
    const text = monitorText(line, screen);
    // Off a terminal each check is one line, for log files and grep.
    output.result(stdoutIsTTY ? hang('', text, screen.width).join('\n') : text);
  }
}

interface Checked {
  readonly line: MonitorLine;
  /** When the next check must be at the latest, in ms; Infinity leaves it to the interval. */
  readonly lookAgainInMs: number;
}

/** Keeps the database open from check to check, and opens it anew after it was lost. */
class Watch {
  readonly #context: CommandContext;
  readonly #channels: readonly Channel[] | null;
  #app: App | null = null;
  #lostSince: IsoTime | null = null;

  constructor(context: CommandContext, channels: readonly Channel[] | null) {
    this.#context = context;
    this.#channels = channels;
  }

  async check(): Promise<Checked> {
    const { output, runtime } = this.#context;
    try {
      this.#app ??= await openedApp(this.#context);
      const found = await this.#app.watch(this.#channels);
      this.#lostSince = null;
      for (const { channel, error, last } of found.failed) {
        const next = last ? 'it is given up' : 'it is tried again';
        output.warn(`an alert could not be told by the channel ${channel}: ${error}; ${next}`);
      }
      const { lookAgainAtMs } = found;
      const lookAgainInMs =
        lookAgainAtMs === null ? Infinity : lookAgainAtMs - Date.parse(found.report.time);
      return { line: monitorLine(found), lookAgainInMs };
    } catch (error) {
      if (!isLost(error)) throw error;
      await this.close();
      const now = isoTime(runtime.nowMs());
      this.#lostSince ??= now;
      return { line: lostLine(now, this.#lostSince, error), lookAgainInMs: Infinity };
    }
  }

  async close(): Promise<void> {
    const app = this.#app;
    this.#app = null;
    await app?.close();
  }
}
