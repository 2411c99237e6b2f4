import {
  alertsDocument,
  caredDocument,
  retryDocument,
  silenceDocument,
} from '../../alerts/care-documents.ts';
import { parseDuration } from '../../budget/duration.ts';
import { invalidInput } from '../../budget/errors.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { ackedText, alertsView, retryText, silenceText } from '../views/alerts.ts';

export async function listAlerts(context: CommandContext): Promise<number> {
  const { output } = context;
  const report = await withApp(context, (app) => app.alerts());
  if (output.json) output.document(alertsDocument(report));
  else output.result(alertsView(report, output.screen));
  return EXIT.done;
}

export async function ackAlert(context: CommandContext, named: string): Promise<number> {
  const { output, host } = context;
  const alert = await withApp(context, (app) => app.ackAlert(named, host.actor));
  if (output.json) output.document(caredDocument(alert));
  else output.result(ackedText(alert));
  return EXIT.done;
}

export async function retryAlerts(
  context: CommandContext,
  named: string | undefined,
): Promise<number> {
  const { output } = context;
  const retried = await withApp(context, (app) => app.retryDeliveries(named ?? null));
  if (output.json) output.document(retryDocument(retried));
  else output.result(retryText(retried));
  return EXIT.done;
}

interface SilenceOptions {
  readonly for?: string;
  readonly reason?: string;
  readonly off?: boolean;
}

const LONGEST = '7d';
const LONGEST_REASON = 500;

export async function silenceAlerts(
  context: CommandContext,
  options: SilenceOptions,
): Promise<number> {
  const { output, host } = context;
  const { off = false } = options;
  if (off && (options.for !== undefined || options.reason !== undefined)) {
    throw invalidInput('--off', 'stands beside --for or --reason', 'leave it, or them, out');
  }
  const wanted = off ? null : wantedSilence(options);
  const silence = await withApp(context, (app) =>
    wanted === null ? app.endSilence() : app.silenceAlerts({ ...wanted, actor: host.actor }),
  );
  if (output.json) output.document(silenceDocument(silence, !off));
  else output.result(silenceText(silence, !off, output.screen));
  return EXIT.done;
}

function wantedSilence({ for: length, reason }: SilenceOptions): {
  readonly forMs: number;
  readonly reason: string;
} {
  const example = 'tokenctl alerts silence --for 2h --reason "load test"';
  if (length === undefined) throw invalidInput('--for', 'is needed', example);
  const forMs = parseDuration('--for', length, LONGEST);
  const text = reason?.trim() ?? '';
  if (text === '') throw invalidInput('--reason', 'is needed', example);
  if (text.length > LONGEST_REASON) {
    throw invalidInput('--reason', `must be at most ${String(LONGEST_REASON)} characters`);
  }
  return { forMs, reason: text };
}
