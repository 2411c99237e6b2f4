import { isoTime, type IsoTime } from '../../budget/windows.ts';
import { targetOf, type CommandContext } from '../context.ts';
import { isLost, KeptApp } from '../kept-app.ts';
import { lostLine, monitorLine, type MonitorLine } from '../views/monitor.ts';
import type { Alerting } from './alerting.ts';
import { check, sayFailed } from './check.ts';

/** The line of each check of a monitor without a screen. */
export class Watch {
  readonly #context: CommandContext;
  readonly #kept: KeptApp;
  readonly #alerting: Alerting | null;
  #lostSince: IsoTime | null = null;

  /** @param alerting null only looks */
  constructor(context: CommandContext, alerting: Alerting | null) {
    this.#context = context;
    this.#alerting = alerting;
    this.#kept = new KeptApp(context, { sayLost: false });
  }

  async check(): Promise<{ readonly line: MonitorLine; readonly lookAgainInMs: number }> {
    const { output, runtime } = this.#context;
    const startedMs = runtime.monotonicMs();
    try {
      const found = await this.#kept.use((app) => check(app, this.#alerting, output));
      this.#lostSince = null;
      return { line: monitorLine(found), lookAgainInMs: found.lookAgainInMs };
    } catch (error) {
      if (!isLost(error)) throw error;
      const now = isoTime(runtime.nowMs());
      this.#lostSince ??= now;
      const lookAgainInMs =
        (await this.#alerting?.lost(error.message, startedMs, output)) ?? Infinity;
      const blind = this.#alerting?.blindWatch.alert ?? null;
      return { line: lostLine(now, this.#lostSince, error, blind), lookAgainInMs };
    }
  }

  /** Reads the configuration again; the next check uses it. @throws invalid_input, and nothing has changed */
  async reload(): Promise<void> {
    await targetOf(this.#context);
    await this.#alerting?.reload();
    await this.#kept.close();
  }

  /** Until what this check began to deliver has come back. */
  async delivered(): Promise<void> {
    sayFailed((await this.#alerting?.delivered()) ?? [], this.#context.output);
  }

  async close(): Promise<void> {
    await this.#alerting?.stop();
    await this.#kept.close();
  }
}
