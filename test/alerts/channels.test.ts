import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { DeliveryError, type Channel } from '../../src/alerts/channel.ts';
import { emailChannel } from '../../src/alerts/channels/email.ts';
import { slackChannel } from '../../src/alerts/channels/slack.ts';
import { webhookChannel, type WebhookOptions } from '../../src/alerts/channels/webhook.ts';
import { isPrivateAddress } from '../../src/platform/private-address.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { CRITICAL, RESOLVED } from '../support/alerts.ts';
import { httpReceiver, smtpReceiver } from '../support/receivers.ts';

const SECRET = `whsec_${Buffer.from('a secret of twenty-four bytes').toString('base64')}`;
function hook(url: string, options: Partial<WebhookOptions> = {}): Channel {
  return webhookChannel(
    {
      ...{ name: 'hook', url: new URL(url), allowPrivate: ['127.0.0.1'], secret: null },
      ...{ format: 'standard', template: null, place: (key: string) => key },
      ...options,
    },
    systemRuntime,
  );
}

/** Why it could not be told. */
async function failure(channel: Channel): Promise<DeliveryError> {
  const problem: unknown = await channel.send(CRITICAL, 'raised').then(
    () => null,
    (error: unknown) => error,
  );
  expect(problem).toBeInstanceOf(DeliveryError);
  return problem as DeliveryError;
}

describe('a webhook', () => {
  it('is signed as Standard Webhooks has it, with the same id at every try', async () => {
    const receiver = await httpReceiver();
    const channel = hook(receiver.url, { secret: SECRET });
    await channel.send(CRITICAL, 'raised');
    await channel.send(CRITICAL, 'raised');
    await channel.send(RESOLVED, 'resolved');
    const bodies = receiver.posted.map(({ body, headers }) =>
      new Webhook(SECRET).verify(body, headers as Record<string, string>),
    );
    expect(receiver.posted.map(({ headers }) => headers['webhook-id'])).toEqual([
      ...[`${CRITICAL.id}.raised`, `${CRITICAL.id}.raised`, `${CRITICAL.id}.resolved`],
    ]);
    expect(bodies[0]).toMatchObject({
      type: 'alert.raised',
      timestamp: '2026-11-24T13:00:00.000Z',
      data: {
        ...{ level: 'critical', scope: 'global', used: 130_140, held: 3_000, limit: 140_000 },
        window: { kind: 'month', start: '2026-11', resetsAt: '2026-12-01T00:00:00.000Z' },
        tokensPerHour: 1_250,
        limitReachedAt: '2026-11-24T19:00:00.000Z',
        effect: 'requests above 500 tokens are denied',
        topAiTypes: [{ aiType: 'imperium' }, { aiType: 'a<b>&c' }],
      },
    });
    expect(bodies[2]).toMatchObject({ type: 'alert.resolved', data: { atEnd: { percent: 1 } } });
    const [{ body, headers }] = receiver.posted as [(typeof receiver.posted)[number]];
    expect(() =>
      new Webhook(SECRET).verify(body.replace('critical', 'warning'), headers as never),
    ).toThrow();
  });

  it("has Alertmanager's body of version 4, with one fingerprint for both events", async () => {
    const receiver = await httpReceiver();
    const channel = hook(receiver.url, { format: 'alertmanager' });
    await channel.send(CRITICAL, 'raised');
    await channel.send(RESOLVED, 'resolved');
    const [firing, over] = receiver.posted.map(
      ({ body }) => JSON.parse(body) as Record<string, unknown>,
    );
    expect(Object.keys(firing!)).toEqual([
      ...['version', 'groupKey', 'truncatedAlerts', 'status', 'receiver', 'groupLabels'],
      ...['commonLabels', 'commonAnnotations', 'externalURL', 'alerts'],
    ]);
    const of = (body: unknown) => (body as { alerts: Record<string, unknown>[] }).alerts[0]!;
    expect(firing).toMatchObject({ version: '4', status: 'firing', receiver: 'hook' });
    expect(of(firing)).toMatchObject({
      status: 'firing',
      labels: { alertname: 'tokenctl_level', severity: 'critical', scope: 'global' },
      startsAt: '2026-11-24T13:00:00.000Z',
      endsAt: '0001-01-01T00:00:00Z',
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
    });
    expect(over).toMatchObject({ status: 'resolved' });
    expect(of(over)).toMatchObject({
      endsAt: '2026-11-24T14:00:00.000Z',
      fingerprint: of(firing)['fingerprint'],
    });
    const texts = [of(firing)['labels'], of(firing)['annotations']].flatMap((each) =>
      Object.values(each as Record<string, unknown>),
    );
    expect(texts.every((text) => typeof text === 'string')).toBe(true);
  });

  it('fills a template, such as an event of PagerDuty', async () => {
    const receiver = await httpReceiver();
    const template = {
      ...{ routing_key: '{secret}', event_action: '{action}', dedup_key: '{id}' },
      payload: { summary: '{level}: {message}', severity: '{severity}', values: ['{percent}', 7] },
    };
    const channel = hook(receiver.url, { format: 'template', template, secret: 'key' });
    await channel.send(CRITICAL, 'raised');
    expect(JSON.parse(receiver.posted[0]!.body)).toEqual({
      ...{ routing_key: 'key', event_action: 'trigger', dedup_key: CRITICAL.id },
      payload: {
        summary: `critical: ${CRITICAL.message}`,
        severity: 'error',
        values: [95.1, 7],
      },
    });
    for (const [broken, secret] of [
      [{ a: [{ b: '{nobody}' }] }, null],
      [{ a: '{secret}' }, null],
    ] as const) {
      expect(() => hook(receiver.url, { format: 'template', template: broken, secret })).toThrow(
        /^template: /,
      );
    }
    expect(() => hook(receiver.url, { secret: 'whsec_*' })).toThrow(/^secret: /);
  });

  it('is refused for good by 4xx and by a redirect, which is not followed', async () => {
    const receiver = await httpReceiver();
    receiver.answer = ({ path }) =>
      path === '/moved'
        ? { status: 302, headers: { location: '/elsewhere' } }
        : { status: 403, body: 'no key for /hidden-path' };
    const refused = await failure(hook(`${receiver.url}/hidden-path`));
    expect(refused).toMatchObject({ final: true, message: 'it answered 403: no key for …' });
    const moved = await failure(hook(`${receiver.url}/moved`));
    expect(moved).toMatchObject({ final: true, message: expect.stringMatching(/302/) as string });
    expect(receiver.posted.map(({ path }) => path)).toEqual(['/hidden-path', '/moved']);
  });

  it('may be tried again after 429 and 5xx, when the receiver says', async () => {
    const receiver = await httpReceiver();
    receiver.answer = () => ({ status: 429, headers: { 'retry-after': '90' } });
    expect(await failure(hook(receiver.url))).toMatchObject({ final: false, retryAfterMs: 90_000 });
    receiver.answer = () => ({ status: 503, body: 'x'.repeat(1_000_000) });
    const busy = await failure(hook(receiver.url));
    expect(busy).toMatchObject({ final: false, retryAfterMs: null });
    expect(busy.message.length).toBeLessThan(250);
  });

  it('may be tried again when nobody listens', async () => {
    const nobody = await failure(hook('http://127.0.0.1:1'));
    expect(nobody).toMatchObject({
      final: false,
      message: "127.0.0.1 can't be reached: ECONNREFUSED",
    });
  });

  it.each([
    'http://127.0.0.1:',
    'http://localhost:',
    'http://[::ffff:127.0.0.1]:',
    'http://2130706433:',
  ])('does not go to %s, which is private, unless it is allowed', async (start) => {
    const receiver = await httpReceiver();
    const url = `${start}${new URL(receiver.url).port}`;
    const refused = await failure(hook(url, { allowPrivate: ['example.com'] }));
    expect(refused).toMatchObject({ final: true });
    expect(refused.message).toMatch(/private address/);
    expect(receiver.posted).toEqual([]);
  });

  it('goes to a private address that is allowed by its name', async () => {
    const receiver = await httpReceiver();
    const url = `http://localhost:${new URL(receiver.url).port}`;
    await hook(url, { allowPrivate: ['localhost'] }).send(CRITICAL, 'raised');
    expect(receiver.taken).toHaveLength(1);
  });
});

describe('private addresses', () => {
  it.each(['10.1.2.3', '169.254.169.254', '172.31.0.1', '192.168.1.1', '0.0.0.0', '100.64.0.1'])(
    '%s',
    (address) => expect(isPrivateAddress(address)).toBe(true),
  );
  it.each([
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ])('%s', (address) => expect(isPrivateAddress(address)).toBe(true));
  it.each(['1.1.1.1', '172.32.0.1', '8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])(
    'are not %s',
    (address) => expect(isPrivateAddress(address)).toBe(false),
  );
});

describe('Slack', () => {
  const slack = (url: string): Channel =>
    slackChannel({ name: 'slack', url: new URL(url), allowPrivate: ['127.0.0.1'] }, systemRuntime);

  it('is sent blocks with a bar, numbers, top AI types and the command, within its own limits', async () => {
    const receiver = await httpReceiver();
    await slack(receiver.url).send(CRITICAL, 'raised');
    await slack(receiver.url).send(RESOLVED, 'resolved');
    const [raised, over] = receiver.posted.map(
      ({ body }) =>
        JSON.parse(body) as {
          text: string;
          blocks: { type: string; text?: { text: string }; fields?: { text: string }[] }[];
        },
    );
    expect(raised!.blocks.map(({ type }) => type)).toEqual([
      ...['header', 'section', 'section', 'section', 'section'],
    ]);
    const all = JSON.stringify(raised);
    expect(all).toContain('██');
    for (const said of [
      ...['*Used*\\n130,140', '*Burn rate*\\n1,250 tokens/h', '2026-11-24 19:00 UTC'],
      ...[
        'imperium: 120,000',
        'a&lt;b&gt;&amp;c',
        'Requests above 500 tokens',
        '`tokenctl status`',
      ],
    ]) {
      expect(all).toContain(said);
    }
    expect(over!.text).toContain('Resolved CRITICAL: 1.00 %');
    for (const { blocks } of [raised!, over!]) {
      for (const { type, text, fields = [] } of blocks) {
        expect(text?.text.length ?? 0).toBeLessThanOrEqual(type === 'header' ? 150 : 3_000);
        expect(fields.length).toBeLessThanOrEqual(10);
      }
    }
  });

  it.each([
    [{ status: 400, body: 'invalid_payload' }, true],
    [{ status: 404, body: 'no_service' }, true],
    [{ status: 410, body: 'channel_is_archived' }, true],
    [{ status: 429, headers: { 'retry-after': '30' }, body: 'rate_limited' }, false],
    [{ status: 500, body: 'rollup_error' }, false],
  ])('that answers %j', async (answer, final) => {
    const receiver = await httpReceiver();
    receiver.answer = () => answer;
    const url = `${receiver.url}/services/T0/B0/token`;
    const error = await failure(slack(url));
    expect(error).toMatchObject({ final, retryAfterMs: answer.status === 429 ? 30_000 : null });
    expect(error.message).toContain(answer.body);
    expect(error.message).not.toContain('token');
    // A reader who knows none of Slack's words learns what to do.
    if (answer.status === 404) {
      expect(error.message).toBe(
        'it answered 404: no_service (the webhook was switched off; make a new one and set its URL)',
      );
    }
  });
});

describe('mail', () => {
  const mail = (smtp: URL): Channel =>
    emailChannel({
      name: 'mail',
      smtp,
      from: 'tokenctl@example.com',
      to: ['a@example.com', 'b@example.com'],
    });

  it('has text and HTML, and says which messages belong together', async () => {
    const receiver = await smtpReceiver();
    await mail(receiver.url).send(CRITICAL, 'raised');
    await mail(receiver.url).send(RESOLVED, 'resolved');
    const [raised, over] = receiver.mails;
    expect(raised).toMatchObject({
      subject: '[tokenctl] CRITICAL: 95.10 % of the month 2026-11, all AI types',
      messageId: `<${CRITICAL.id}.raised@example.com>`,
      from: { text: 'tokenctl@example.com' },
      to: { text: 'a@example.com, b@example.com' },
    });
    expect(raised!.headers.get('auto-submitted')).toBe('auto-generated');
    for (const said of ['130,140', '1,250 tokens/h', 'imperium: 120,000', 'tokenctl status']) {
      expect(raised!.text).toContain(said);
      expect(raised!.html).toContain(said);
    }
    expect(raised!.html).toContain('a&lt;b&gt;&amp;c');
    expect(raised!.html).not.toMatch(/<(img|script|link|a) /);
    expect(over!.subject).toContain('Resolved CRITICAL: 1.00 %');
    expect(over!.references).toBe(`<${CRITICAL.id}.raised@example.com>`);
  });

  it('is refused for good by 5xx, and may be tried again after 4xx', async () => {
    const receiver = await smtpReceiver();
    receiver.refuse = { code: 550, text: 'no such user' };
    expect(await failure(mail(receiver.url))).toMatchObject({ final: true });
    receiver.refuse = { code: 451, text: 'greylisted' };
    const later = await failure(mail(receiver.url));
    expect(later).toMatchObject({ final: false });
    expect(later.message).toContain('greylisted');
  });

  it('does not say the password that was wrong', async () => {
    const receiver = await smtpReceiver();
    const url = new URL(receiver.url);
    url.password = 'not-the-one';
    const error = await failure(mail(url));
    expect(error.final).toBe(true);
    expect(error.message).not.toContain('not-the-one');
  });

  describe('is encrypted', () => {
    /** This machine by an address that is not known to be it. */
    const elsewhere = ({ url }: { url: URL }): URL => {
      const smtp = new URL(url);
      smtp.hostname = '0.0.0.0';
      return smtp;
    };
    const to = (smtp: URL, allowPrivate: string[] = []): Channel =>
      emailChannel({ name: 'mail', smtp, from: 'a@b.c', to: ['d@e.f'], allowPrivate });

    it('or not sent, to a server elsewhere that offers none', async () => {
      const plain = await smtpReceiver();
      const error = await failure(to(elsewhere(plain)));
      expect(error).toMatchObject({ final: false });
      expect(error.message).toMatch(/offers no encryption .* allowPrivate does not name it/);
      expect(plain.mails).toEqual([]);
      await to(elsewhere(plain), ['0.0.0.0']).send(CRITICAL, 'raised');
      expect(plain.encrypted).toEqual([false]);
    });

    it('and only for a certificate that is of the server', async () => {
      const receiver = await smtpReceiver({ tls: true });
      expect((await failure(to(elsewhere(receiver)))).message).toMatch(/certificate/);
      expect(receiver.mails).toEqual([]);
      await to(elsewhere(receiver), ['0.0.0.0']).send(CRITICAL, 'raised');
      await to(receiver.url).send(CRITICAL, 'raised');
      expect(receiver.encrypted).toEqual([true, true]);
    });
  });
});
