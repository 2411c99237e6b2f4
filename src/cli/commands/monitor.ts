import { shortMatter } from '../../alerts/message.ts';
import { parseCount } from '../../budget/tokens.ts';
import { isoTime } from '../../budget/windows.ts';
import type { AlertCare } from '../../ledger/alert-status.ts';
import type { Alert } from '../../ledger/alerts.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { Alerting } from '../monitor/alerting.ts';
import { check } from '../monitor/check.ts';
import { Supervision } from '../monitor/supervision.ts';
import { Watch } from '../monitor/watch.ts';
import { ackText } from '../views/alert-care.ts';
import type { LiveAlert } from '../views/live/blocks.ts';
import { hang } from '../views/text.ts';
import { monitorText, severityOf, type MonitorLine } from '../views/monitor.ts';

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
  const alerting = alerts ? await Alerting.of(context) : null;
  if (!once && !context.output.json && context.output.drawable) {
    const { liveMonitor } = await import('../live/session.ts');
    return liveMonitor(context, {
      intervalMs: seconds * 1_000,
      check: async (app, aiType, output) => {
        const { open, care, lookAgainInMs } = await check(app, alerting, output);
        const alerts = open.map((alert) => liveAlert(alert, care));
        const silence = care?.silence ?? null;
        return { pulse: await app.pulse(aiType), alerts, silence, lookAgainInMs };
      },
      lost: async (reason, startedMs, output) => {
        await alerting?.lost(reason, startedMs, output);
        return alerting?.blindWatch.alert?.raisedAtMs ?? null;
      },
      beforeClose: async () => alerting?.stop(),
    });
  }
  const watch = new Watch(context, alerting);
  try {
    if (once) {
      const { line } = await watch.check();
      print(context, line);
      await watch.delivered();
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
  const supervision = new Supervision(context);
  try {
    while (!supervision.stopped && !output.closed) {
      const startedMs = runtime.monotonicMs();
      await supervision.reloadIfAsked(() => watch.reload());
      const { line, lookAgainInMs } = await watch.check();
      print(context, line);
      supervision.checked(line);
      const waitMs = Math.min(intervalMs, lookAgainInMs);
      await supervision.pause(waitMs - (runtime.monotonicMs() - startedMs));
    }
    return supervision.interrupted ? EXIT.interrupted : EXIT.done;
  } finally {
    await supervision.close();
  }
}

function print({ output }: CommandContext, line: MonitorLine): void {
  const { screen, stdoutIsTTY } = output;
  if (output.json) {
    output.line(line);
  } else {
    const text = monitorText(line, screen);
    // Off a terminal each check is one line, for log files and grep.
    output.result(stdoutIsTTY ? hang('', text, screen.width).join('\n') : text, severityOf(line));
  }
}

function liveAlert(alert: Alert, care: AlertCare | null): LiveAlert {
  const { id, kind, level, data, state, seenAtMs, raisedAtMs } = alert;
  const at = isoTime(raisedAtMs ?? seenAtMs);
  const acked = care?.open.find((each) => each.id === id && each.ackedAtMs !== null);
  return {
    ...{ level, percent: data.percent, at },
    about: kind === 'level' ? null : shortMatter(alert),
    state: state === 'pending' ? 'by holds alone, waiting' : state,
    acked: acked === undefined ? null : ackText(acked),
  };
}
