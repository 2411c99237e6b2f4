import { createTransport } from 'nodemailer';
import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import { deliveryId, DeliveryError, type Channel } from '../channel.ts';
import { messageOf } from '../message.ts';
import { htmlMail, textMail } from './mail.ts';

export interface EmailOptions {
  readonly name: string;
  /** `smtp://USER:PASSWORD@HOST:587`, or `smtps://` */
  readonly smtp: URL;
  readonly from: string;
  readonly to: readonly string[];
}

/** All of them together must be shorter than the pause before another try. */
const CONNECT_MS = 5_000;
const SEND_MS = 20_000;

/** Sends a mail, in text and HTML. Its Message-ID is the same at every try. */
export function emailChannel({ name, smtp, from, to }: EmailOptions): Channel {
  return {
    name,
    events: ['raised', 'resolved'],
    send: async (alert, event) => {
      // One for each mail: there are few, and a connection that is kept would be closed meanwhile.
      const transport = createTransport({
        url: smtp.href,
        connectionTimeout: CONNECT_MS,
        greetingTimeout: CONNECT_MS,
        socketTimeout: CONNECT_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const { promise: late, clear } = timeOut(SEND_MS);
      try {
        await Promise.race([transport.sendMail(mailOf(alert, event, from, to)), late]);
      } catch (error) {
        throw problemOf(error, smtp);
      } finally {
        clear();
        transport.close();
      }
    },
  };
}

function mailOf(alert: Alert, event: AlertEvent, from: string, to: readonly string[]) {
  const message = messageOf(alert, event);
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const id = (of: AlertEvent): string => `<${deliveryId(alert, of)}@${domain}>`;
  return {
    from,
    to: [...to],
    subject: `[tokenctl] ${message.title}`,
    messageId: id(event),
    // So that a mail program shows both together.
    ...(event === 'resolved' ? { references: id('raised') } : {}),
    headers: { 'Auto-Submitted': 'auto-generated' },
    text: textMail(message),
    html: htmlMail(message, event === 'resolved' ? 'resolved' : alert.level),
  };
}

function timeOut(ms: number): { readonly promise: Promise<never>; readonly clear: () => void } {
  let timer: NodeJS.Timeout;
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DeliveryError('the mail server does not answer in time'));
    }, ms);
  });
  return {
    promise,
    clear: () => {
      clearTimeout(timer);
    },
  };
}

/** What a mail server says for good begins with 5, and what may pass with 4. */
function problemOf(error: unknown, { host, password }: URL): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { responseCode, response, code, message } = error as {
    readonly responseCode?: number;
    readonly response?: string;
    readonly code?: string;
    readonly message: string;
  };
  const said = (response ?? message).replaceAll(/[\s\p{C}]+/gu, ' ').slice(0, 160);
  const shown =
    password === ''
      ? said
      : said.replaceAll(password, '…').replaceAll(decodeURIComponent(password), '…');
  if (responseCode === undefined) {
    return new DeliveryError(
      `the mail server ${host} can't be reached: ${code ?? ''} ${shown}`.trim(),
    );
  }
  return new DeliveryError(`the mail server refused it: ${shown}`, {
    final: responseCode >= 500,
  });
}
