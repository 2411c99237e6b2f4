import { createTransport } from 'nodemailer';
import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import { deliveryId, DeliveryError, type Channel, type Digest } from '../channel.ts';
import { digestMessage } from '../digest.ts';
import { messageOf } from '../message.ts';
import { htmlDigest, htmlMail, textDigest, textMail } from './mail.ts';

export interface EmailOptions {
  readonly name: string;
  /** `smtp://USER:PASSWORD@HOST:587`, or `smtps://` */
  readonly smtp: URL;
  readonly from: string;
  readonly to: readonly string[];
  /** Hosts that are spoken to without encryption where they offer none; this machine is one anyway. */
  readonly allowPrivate?: readonly string[];
}

/** All of them together must be shorter than the pause before another try. */
const CONNECT_MS = 5_000;
const SEND_MS = 20_000;

/** Sends a mail, in text and HTML. Its Message-ID is the same at every try. */
export function emailChannel(options: EmailOptions): Channel {
  const { name, smtp, allowPrivate = [] } = options;
  const host = smtp.hostname.replace(/^\[|\]$/g, '');
  const mayBePlain =
    smtp.protocol === 'smtp:' && (isThisMachine(host) || allowPrivate.includes(smtp.hostname));
  const send = async (mail: Mail): Promise<void> => {
    // One for each mail: there are few, and a connection that is kept would be closed meanwhile.
    const transport = createTransport({
      host,
      ...(smtp.port === '' ? {} : { port: Number(smtp.port) }),
      secure: smtp.protocol === 'smtps:',
      requireTLS: !mayBePlain,
      // Where no encryption would do, one that proves nothing does too.
      tls: { rejectUnauthorized: !mayBePlain },
      ...(smtp.username === ''
        ? {}
        : { auth: { user: decoded(smtp.username), pass: decoded(smtp.password) } }),
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      socketTimeout: CONNECT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const { promise: late, clear } = timeOut(SEND_MS);
    try {
      await Promise.race([transport.sendMail(mail), late]);
    } catch (error) {
      throw problemOf(error, smtp);
    } finally {
      clear();
      transport.close();
    }
  };
  return {
    name,
    events: ['raised', 'resolved'],
    send: (alert, event) => send(mailOf(alert, event, options)),
    sendDigest: (digest) => send(digestMail(digest, options)),
  };
}

type Addresses = Pick<EmailOptions, 'from' | 'to'>;
type Mail = ReturnType<typeof mailOf>;

function mailOf(alert: Alert, event: AlertEvent, addresses: Addresses) {
  const message = messageOf(alert, event);
  const over = event === 'resolved';
  return {
    ...envelope(message.title, deliveryId(alert, event), addresses),
    // So that a mail program shows both together.
    ...(over ? { references: messageId(deliveryId(alert, 'raised'), addresses) } : {}),
    text: textMail(message),
    html: htmlMail(message, over ? 'resolved' : alert.level),
  };
}

function digestMail(digest: Digest, addresses: Addresses): Mail {
  const message = digestMessage(digest);
  return {
    ...envelope(message.title, digest.id, addresses),
    text: textDigest(message),
    html: htmlDigest(message),
  };
}

function envelope(title: string, id: string, addresses: Addresses) {
  return {
    from: addresses.from,
    to: [...addresses.to],
    subject: `[tokenctl] ${title.replaceAll(/[\s\p{C}]+/gu, ' ')}`,
    messageId: messageId(id, addresses),
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

function messageId(id: string, { from }: Addresses): string {
  return `<${id}@${from.slice(from.lastIndexOf('@') + 1)}>`;
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** As it was before it was written into a URL; where it wasn't written as one, as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
function problemOf(error: unknown, smtp: URL): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { host } = smtp;
  const { responseCode, response, code, message } = error as {
    readonly responseCode?: number;
    readonly response?: string;
    readonly code?: string;
    readonly message: string;
  };
  if (code === 'ETLS') {
    return new DeliveryError(
      `the mail server ${host} offers no encryption (STARTTLS) that can be used, and allowPrivate does not name it`,
    );
  }
  const said = withoutSecrets(response ?? message, smtp);
  if (responseCode === undefined) {
    return new DeliveryError(
      `the mail server ${host} can't be reached: ${code ?? ''} ${said}`.trim(),
    );
  }
  return new DeliveryError(`the mail server refused it: ${said}`, {
    final: responseCode >= 500,
  });
}

/** Without the password in any form in which it is sent, on one short line. */
function withoutSecrets(text: string, { username, password }: URL): string {
  if (password === '') return oneLine(text);
  const plain = decoded(password);
  const login = `\0${decoded(username)}\0${plain}`;
  const base64 = [login, plain].map((each) => Buffer.from(each).toString('base64'));
  const hidden = [password, plain, ...base64];
  return oneLine(hidden.reduce((rest, each) => rest.replaceAll(each, '…'), text));
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{C}]+/gu, ' ').slice(0, 160);
}
