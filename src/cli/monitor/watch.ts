import { isoTime, type IsoTime } from '../../budget/windows.ts';
import { alertLogOf } from '../alert-channels.ts';
import { targetOf, type CommandContext } from '../context.ts';
import { isLost, KeptApp } from '../kept-app.ts';
import { lostLine, monitorLine, type MonitorLine } from '../views/monitor.ts';
import { check } from './check.ts';

/** The line of each check of a monitor without a screen. */
export class Watch {
  readonly #context: CommandContext;
  readonly #kept: KeptApp;
  #alertLog: string | null;
  #lostSince: IsoTime | null = null;

  /** @param alertLog null only looks */
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

  /** Reads the configuration again; the next check uses it. @throws invalid_input, and nothing has changed */
  async reload(): Promise<void> {
    await targetOf(this.#context);
    if (this.#alertLog !== null) this.#alertLog = await alertLogOf(this.#context);
    await this.#kept.close();
  }

  close(): Promise<void> {
    return this.#kept.close();
  }
}
