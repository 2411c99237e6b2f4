/** Real receivers of alerts, on this machine; they end with the test. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { simpleParser, type ParsedMail } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { onTestFinished } from 'vitest';

interface Posted {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What it answers; 'silent' never does. */
type Answer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | 'silent';

export interface HttpReceiver {
  readonly url: string;
  /** Everything that was posted, whatever was answered. */
  readonly posted: Posted[];
  /** What was taken: answered with 2xx. */
  readonly taken: Posted[];
  answer: (posted: Posted) => Answer;
}

export async function httpReceiver(): Promise<HttpReceiver> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const posted = { path: request.url ?? '', headers: request.headers, body };
      receiver.posted.push(posted);
      const answer = receiver.answer(posted);
      if (answer === 'silent') return;
      if (answer.status < 300) receiver.taken.push(posted);
      response.writeHead(answer.status, answer.headers).end(answer.body ?? 'ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const receiver: HttpReceiver = {
    url: `http://127.0.0.1:${String(port)}`,
    posted: [],
    taken: [],
    answer: () => ({ status: 200 }),
  };
  return receiver;
}

export interface SmtpReceiver {
  readonly url: URL;
  readonly mails: ParsedMail[];
  /** What it says to a recipient instead of taking the mail: 550 is for good, 451 is not. */
  refuse: { readonly code: number; readonly text: string } | null;
  /** Of each mail, whether it came encrypted. */
  readonly encrypted: boolean[];
}

/** A mail server for the user `ops` with the password `secret`. @param tls with a certificate of nobody */
export async function smtpReceiver({ tls = false } = {}): Promise<SmtpReceiver> {
  const server = new SMTPServer({
    disabledCommands: tls ? [] : ['STARTTLS'],
    onAuth: ({ username, password }, _session, callback) => {
      if (username === 'ops' && password === 'secret') callback(null, { user: username });
      else callback(new Error('535 wrong password'));
    },
    onRcptTo: (_address, _session, callback) => {
      const { refuse } = receiver;
      if (refuse === null) callback();
      else callback(Object.assign(new Error(refuse.text), { responseCode: refuse.code }));
    },
    onData: (stream, { secure }, callback) => {
      simpleParser(stream).then(
        (mail) => {
          receiver.mails.push(mail);
          receiver.encrypted.push(secure);
          callback();
        },
        (error: unknown) => callback(error as Error),
      );
    },
  });
  // A sender that is killed cuts its connection.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const receiver: SmtpReceiver = {
    url: new URL(`smtp://ops:secret@127.0.0.1:${String(port)}`),
    mails: [],
    encrypted: [],
    refuse: null,
  };
  return receiver;
}
