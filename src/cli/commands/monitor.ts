import type { App, MonitorCheck } from '../../app.ts';
import { parseCount } from '../../budget/tokens.ts';
import { isoTime, type IsoTime } from '../../budget/windows.ts';
import type { Alert } from '../../ledger/alerts.ts';
import { pause, stopSignal } from '../../platform/process.ts';
import { alertLogOf, channelsOf } from '../alert-channels.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { isLost, KeptApp } from '../kept-app.ts';
import type { Output } from '../output.ts';
import type { LiveAlert } from '../views/live/blocks.ts';
import { hang } from '../views/text.ts';
import { lostLine, monitorLine, monitorText, type MonitorLine } from '../views/monitor.ts';

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
  const alertLog = alerts ? await alertLogOf(context) : null;
  if (!once && !context.output.json && context.output.drawable) {
    const { liveMonitor } = await import('../live/session.ts');
    return liveMonitor(context, {
      intervalMs: seconds * 1_000,
      check: async (app, aiType, output) => {
        const { open, lookAgainInMs } = await check(app, alertLog, output);
        return { pulse: await app.pulse(aiType), alerts: open.map(liveAlert), lookAgainInMs };
      },
    });
  }
  const watch = new Watch(context, alertLog);
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

interface Checked extends MonitorCheck {
  /** When the next check must be at the latest, in ms; Infinity leaves it to the interval. */
  readonly lookAgainInMs: number;
}

/** One check: says what could not be told. Without an alert log it only looks. @throws ledger_unavailable */
async function check(app: App, alertLog: string | null, output: Output): Promise<Checked> {
  const channels = alertLog === null ? null : await channelsOf(alertLog, output);
  const found = await app.watch(channels);
  for (const { channel, error, last } of found.failed) {
    const next = last ? 'it is given up' : 'it is tried again';
    output.warn(`an alert could not be told by the channel ${channel}: ${error}; ${next}`);
  }
  const { lookAgainAtMs, report } = found;
  const lookAgainInMs = lookAgainAtMs === null ? Infinity : lookAgainAtMs - Date.parse(report.time);
  return { ...found, lookAgainInMs };
}

function liveAlert({ level, message, state, seenAtMs, raisedAtMs }: Alert): LiveAlert {
  const at = isoTime(raisedAtMs ?? seenAtMs);
  return { level, message, at, state: state === 'pending' ? 'by holds alone, waiting' : state };
}

/** The line of each check of a monitor without a screen. */
class Watch {
  readonly #context: CommandContext;
  readonly #alertLog: string | null;
  readonly #kept: KeptApp;
  #lostSince: IsoTime | null = null;

  constructor(context: CommandContext, alertLog: string | null) {
    this.#context = context;
    this.#alertLog = alertLog;
    this.#kept = new KeptApp(context, { sayLost: false });
  }

  async check(): Promise<{ readonly line: MonitorLine; readonly lookAgainInMs: number }> {
    const { output, runtime } = this.#context;
    try {
      const found = await this.#kept.use((app) => check(app, this.#alertLog, output));
      this.#lostSince = null;
      return { line: monitorLine(found), lookAgainInMs: found.lookAgainInMs };
    } catch (error) {
      if (!isLost(error)) throw error;
      const now = isoTime(runtime.nowMs());
      this.#lostSince ??= now;
      return { line: lostLine(now, this.#lostSince, error), lookAgainInMs: Infinity };
    }
  }

  close(): Promise<void> {
    return this.#kept.close();
  }
}
