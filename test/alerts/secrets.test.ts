import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DeliveryError, type Channel } from '../../src/alerts/channel.ts';
import { emailChannel } from '../../src/alerts/channels/email.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { slackTo, webhookTo } from '../support/alert-channels.ts';
import { CRITICAL } from '../support/alerts.ts';
import { sql } from '../support/budget.ts';
import { temporaryCli } from '../support/cli.ts';
import { migratedDatabase } from '../support/databases.ts';
import { httpReceiver, smtpReceiver, type HttpReceiver } from '../support/receivers.ts';

const SLACK_TOKEN = 'XyZ0123456789secretToken';
const SLACK_PATH = `/services/T00000000/B00000000/${SLACK_TOKEN}`;
const KEY = 'pagerduty "key" with\\quotes';
const SIGNING = `whsec_${Buffer.from('a secret of twenty-four bytes').toString('base64')}`;
const PASSWORD = 'p@ss word/of:smtp';
const SECRETS = [
  ...[SLACK_TOKEN, SLACK_PATH, KEY, JSON.stringify(KEY).slice(1, -1), SIGNING],
  ...[PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString('base64')],
  Buffer.from(`\0ops\0${PASSWORD}`).toString('base64'),
];

function expectNoSecret(text: string): void {
  for (const secret of SECRETS) expect(text).not.toContain(secret);
}

/** Everything that a log or --debug could show of it. */
async function problemOf(channel: Channel): Promise<string> {
  const error: unknown = await channel.send(CRITICAL, 'raised').then(
    () => null,
    (problem: unknown) => problem,
  );
  expect(error).toBeInstanceOf(DeliveryError);
  const { message, stack = '', cause } = error as DeliveryError;
  expect(message.length).toBeLessThan(320);
  return [message, stack, String(cause), JSON.stringify(error)].join('\n');
}

/** Everything that it was sent, again and again, so that what is shown is cut anywhere. */
const repeat = (times: number, status: number) => {
  const answer: HttpReceiver['answer'] = ({ path, headers, body }) => {
    const token = path.split('/').at(-1) ?? '';
    const all = `${path} ${token} ${JSON.stringify(headers)} ${body} ${KEY} ${SIGNING}`;
    return { status, body: all.repeat(times), headers: { location: path } };
  };
  return answer;
};

describe('no secret is in what is said of', () => {
  it.each([302, 400, 403, 404, 429, 500].flatMap((status) => [1, 40].map((n) => [status, n])))(
    'an answer %i that repeats everything %i times',
    async (status, times) => {
      const receiver = await httpReceiver();
      receiver.answer = repeat(times, status);
      const template = { routing_key: '{secret}', path: SLACK_PATH };
      for (const channel of [
        slackTo(`${receiver.url}${SLACK_PATH}`, systemRuntime),
        webhookTo(`${receiver.url}/hook?token=${SLACK_TOKEN}`, systemRuntime, { secret: SIGNING }),
        webhookTo(`${receiver.url}${SLACK_PATH}`, systemRuntime, {
          ...{ format: 'template', template, secret: KEY },
        }),
      ]) {
        expectNoSecret(await problemOf(channel));
      }
    },
  );

  it.each([
    'http://127.0.0.1:1',
    'https://127.0.0.1:1',
    'http://no-such-host.invalid',
    'http://10.255.255.1',
  ])('%s, where nobody is or may be', async (start) => {
    const url = `${start}${SLACK_PATH}`;
    expectNoSecret(await problemOf(slackTo(url, systemRuntime)));
  });

  it('a server that does not speak TLS', async () => {
    const { url } = await httpReceiver();
    const channel = slackTo(`${url.replace('http:', 'https:')}${SLACK_PATH}`, systemRuntime);
    expectNoSecret(await problemOf(channel));
  });

  it('a mail server that refuses the password, or repeats it', async () => {
    const receiver = await smtpReceiver();
    const mailWith = (password: string): Channel => {
      const smtp = new URL(receiver.url);
      smtp.password = encodeURIComponent(password);
      return emailChannel({ name: 'mail', smtp, from: 't@example.com', to: ['o@example.com'] });
    };
    expectNoSecret(await problemOf(mailWith(PASSWORD)));
    receiver.refuse = { code: 550, text: `no: secret, ${PASSWORD}` };
    const said = await problemOf(mailWith('secret'));
    expect(said).not.toMatch(/no: secret/);
    const nobody = new URL('smtp://ops@127.0.0.1:1');
    nobody.password = encodeURIComponent(PASSWORD);
    const lost = emailChannel({ name: 'mail', smtp: nobody, from: 'a@b.c', to: ['d@e.f'] });
    expectNoSecret(await problemOf(lost));
  });
});

it('no secret is printed by a program whose channels all fail, whatever it is asked to print', async () => {
  const cli = temporaryCli();
  const target = await migratedDatabase('sqlite');
  const [web, smtp] = [await httpReceiver(), await smtpReceiver()];
  web.answer = repeat(3, 400);
  const allowPrivate = ['127.0.0.1'];
  const config = join(cli.home, 'config.json');
  const channels = [
    { type: 'slack', name: 'slack', url: { env: 'SLACK' }, allowPrivate },
    { type: 'webhook', name: 'signed', url: web.url, secret: { env: 'SIGNING' }, allowPrivate },
    {
      ...{ type: 'webhook', name: 'pager', url: web.url, secret: { env: 'KEY' }, allowPrivate },
      template: { routing_key: '{secret}' },
    },
    { type: 'email', name: 'mail', smtp: { env: 'SMTP' }, from: 'a@example.com', to: 'b@c.d' },
  ];
  writeFileSync(config, JSON.stringify({ alerts: { channels } }));
  const mail = new URL(smtp.url);
  mail.password = encodeURIComponent(PASSWORD);
  const env = {
    ...{ SLACK: `${web.url}${SLACK_PATH}`, SIGNING, KEY, SMTP: mail.href },
  };
  await sql(
    target,
    'INSERT INTO token_usage_logs (ai_type, tokens_in, total_tokens) VALUES (?, ?, ?)',
    ['imperium', 133_000, 133_000],
  );
  const flags = ['--debug', '--config', config, '--database', target.url];
  const said: string[] = [];
  for (const args of [
    ...[
      ['alerts', 'test'],
      ['alerts', 'test', '--json'],
      ['monitor', '--once'],
    ],
    ...[['alerts'], ['alerts', '--json'], ['alerts', 'retry', '--json'], ['monitor', '--once']],
    ...[['monitor', '--once', '--json'], ['doctor'], ['doctor', '--json']],
  ]) {
    const { stdout, stderr } = await cli.run([...args, ...flags], { env });
    said.push(stdout, stderr);
  }
  expect(web.posted.length).toBeGreaterThan(8);
  expect(said.join('\n')).toContain('it answered 400');
  expectNoSecret(said.join('\n'));
}, 120_000);
