/** A channel of each type to the receivers of a test, and how its monitor goes out with what is due. */
import type { Channel } from '../../src/alerts/channel.ts';
import { emailChannel } from '../../src/alerts/channels/email.ts';
import { slackChannel } from '../../src/alerts/channels/slack.ts';
import { webhookChannel, type WebhookOptions } from '../../src/alerts/channels/webhook.ts';
import type { Postman } from '../../src/alerts/postman.ts';
import type { App } from '../../src/app.ts';
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

function mailTo(smtp: URL): Channel {
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
