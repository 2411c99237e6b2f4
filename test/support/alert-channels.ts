/** A channel of each type to the receivers of a test, and how its monitor goes out with what is due. */
import type { Channel } from '../../src/alerts/channel.ts';
import { emailChannel } from '../../src/alerts/channels/email.ts';
import { slackChannel } from '../../src/alerts/channels/slack.ts';
import { webhookChannel, type WebhookOptions } from '../../src/alerts/channels/webhook.ts';
import type { Postman } from '../../src/alerts/postman.ts';
import type { App } from '../../src/app.ts';
import type { Alert } from '../../src/ledger/alerts.ts';
import type { Runtime } from '../../src/platform/runtime.ts';
import { idOf, tokens, type Budget } from './budget.ts';
import { httpReceiver, smtpReceiver, type HttpReceiver, type SmtpReceiver } from './receivers.ts';

export interface Receivers {
  readonly web: HttpReceiver;
  readonly manager: HttpReceiver;
  readonly slack: HttpReceiver;
  readonly smtp: SmtpReceiver;
}

export async function receivers(): Promise<Receivers> {
  const [web, manager, slack, smtp] = await Promise.all([
    ...([httpReceiver(), httpReceiver(), httpReceiver()] as const),
    smtpReceiver(),
  ]);
  return { web, manager, slack, smtp };
}

/** @param url of a receiver, perhaps with a path */
export function webhookTo(
  url: string,
  runtime: Runtime,
  options: Partial<WebhookOptions> = {},
): Channel {
  return webhookChannel(
    {
      ...{ name: 'web', url: new URL(url), allowPrivate: ['127.0.0.1'], secret: null },
      ...{ format: 'standard', template: null, place: (key) => key },
      ...options,
    },
    runtime,
  );
}

export function slackTo(url: string, runtime: Runtime): Channel {
  return slackChannel({ name: 'slack', url: new URL(url), allowPrivate: ['127.0.0.1'] }, runtime);
}

export function mailTo(smtp: URL): Channel {
  return emailChannel({ name: 'mail', smtp, from: 't@example.com', to: ['o@example.com'] });
}

/** A channel of each type, and one with Alertmanager's body. */
export function channelsTo({ web, manager, slack, smtp }: Receivers, runtime: Runtime): Channel[] {
  return [
    webhookTo(web.url, runtime),
    webhookTo(manager.url, runtime, { name: 'manager', format: 'alertmanager' }),
    slackTo(slack.url, runtime),
    mailTo(smtp.url),
  ];
}

/** One check, and what it began to deliver. */
export async function check(app: App, postman: Postman): Promise<void> {
  await app.watch([], postman);
  await postman.idle();
}

export async function use({ guard }: Budget, used: number): Promise<void> {
  const id = idOf(await guard.reserve(tokens(used)));
  await guard.settle(id, { inputTokens: used, outputTokens: 0 });
}

export const resetMonth = (app: App): Promise<unknown> =>
  app.reset({ aiTypes: [], window: 'month', actor: null, reason: 'test', dryRun: false });

const RAISED = Date.parse('2026-11-24T13:00:00Z');

/** An alert that is in no database, for what only looks at one. */
export const CRITICAL: Alert = {
  ...{ id: '01a20e10-ded8-750e-8598-44e049e8071a', kind: 'level', level: 'critical' },
  ...{ aiType: null, windowKind: 'month', windowStart: '2026-11', state: 'raised' },
  message: '95.10 % of the 140,000 tokens of 2026-11 are used or held',
  data: {
    ...{ used: 130_140, held: 3_000, limit: 140_000, percent: 95.1, threshold: 133_000 },
    newestReset: 0,
    resetsAt: '2026-12-01T00:00:00.000Z',
    context: {
      tokensPerHour: 1_250,
      limitReachedAt: '2026-11-24T19:00:00.000Z',
      topAiTypes: [
        { aiType: 'imperium', tokens: 120_000, percent: 90.13 },
        { aiType: 'a<b>&c', tokens: 13_140, percent: 9.86 },
      ],
      effect: 'requests above 500 tokens are denied',
      command: 'tokenctl status',
    },
  },
  ...{ seenAtMs: RAISED, raisedAtMs: RAISED, resolvedAtMs: null },
};

export const RESOLVED: Alert = {
  ...CRITICAL,
  state: 'resolved',
  resolvedAtMs: RAISED + 3_600_000,
  data: { ...CRITICAL.data, atEnd: { used: 0, held: 1_400, limit: 140_000, percent: 1 } },
};
