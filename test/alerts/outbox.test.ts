import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/alerts/channel.ts';
import { emailChannel } from '../../src/alerts/channels/email.ts';
import { slackChannel } from '../../src/alerts/channels/slack.ts';
import { webhookChannel } from '../../src/alerts/channels/webhook.ts';
import type { AlertDocument } from '../../src/alerts/document.ts';
import { Postman } from '../../src/alerts/postman.ts';
import type { App } from '../../src/app.ts';
import { USUAL_ALERT_KINDS } from '../../src/budget/alert-kinds.ts';
import { isQuiet, parseQuietHours } from '../../src/budget/quiet-hours.ts';
import type { Runtime } from '../../src/platform/runtime.ts';
import { idOf, openBudget, tokens, type Budget } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import {
  httpReceiver,
  smtpReceiver,
  type HttpReceiver,
  type SmtpReceiver,
} from '../support/receivers.ts';

const SECRET = `whsec_${Buffer.from('a secret of twenty-four bytes').toString('base64')}`;
const global = { enforcedMonthly: 1_000, criticalRequest: 'off' } as const;

function hook(receiver: HttpReceiver, runtime: Runtime, name = 'hook'): Channel {
  const url = new URL(`${receiver.url}/${name}`);
  return webhookChannel(
    {
      ...{ name, url, allowPrivate: ['127.0.0.1'], secret: SECRET },
      ...{ format: 'standard', template: null, place: (key) => key },
    },
    runtime,
  );
}

interface Receivers {
  readonly web: HttpReceiver;
  readonly slack: HttpReceiver;
  readonly smtp: SmtpReceiver;
}

async function receivers(): Promise<Receivers> {
  return { web: await httpReceiver(), slack: await httpReceiver(), smtp: await smtpReceiver() };
}

/** A postman of a monitor's own, with a channel of each type. */
function postmanTo({ web, slack, smtp }: Receivers, clock: Runtime): Postman {
  const url = new URL(slack.url);
  return new Postman(
    [
      hook(web, clock),
      slackChannel({ name: 'slack', url, allowPrivate: ['127.0.0.1'] }, clock),
      emailChannel({ name: 'mail', smtp: smtp.url, from: 't@example.com', to: ['o@example.com'] }),
    ],
    clock,
  );
}

/** These tests are about the way of a message: a forecast after a day is none of them. */
const NO_FORECAST = { ...USUAL_ALERT_KINDS, overrun: false };

/** One check, and what it began to deliver. */
async function check(app: App, postman: Postman): Promise<void> {
  await app.watch([], postman, NO_FORECAST);
  await postman.idle();
}

async function use({ guard }: Budget, used: number): Promise<void> {
  const id = idOf(await guard.reserve(tokens(used)));
  await guard.settle(id, { inputTokens: used, outputTokens: 0 });
}

const resetMonth = (app: App): Promise<unknown> =>
  app.reset({ aiTypes: [], window: 'month', actor: null, reason: 'test', dryRun: false });

/** `raised warning`, in the order in which they came. */
function toldOn({ web, slack, smtp }: Receivers): Record<'web' | 'slack' | 'mail', string[]> {
  const words = (title: string): string => {
    const [, over, level = ''] = /(Resolved )?(WARNING|CRITICAL|EMERGENCY)/.exec(title) ?? [];
    return `${over === undefined ? 'raised' : 'resolved'} ${level.toLowerCase()}`;
  };
  return {
    web: web.taken.map(({ body, headers }) => {
      const id = headers['webhook-id'] as string;
      const at = new Date(Number(headers['webhook-timestamp']) * 1_000);
      expect(headers['webhook-signature']).toBe(new Webhook(SECRET).sign(id, at, body));
      const { type, data } = JSON.parse(body) as { type: string; data: { level: string } };
      return `${type.replace('alert.', '')} ${data.level}`;
    }),
    slack: slack.taken.map(({ body }) => words((JSON.parse(body) as { text: string }).text)),
    mail: smtp.mails.map(({ subject = '' }) => words(subject)),
  };
}

const STORY = [
  ...['raised warning', 'raised critical', 'raised emergency'],
  ...['resolved emergency', 'raised warning'],
];

describe.each(DATABASES)('the outbox on %s', (kind) => {
  it.each([1, 2])(
    'tells 79, 81, 96 and 99 percent, a reset and 85 percent once on every channel, with %d monitors that are started again',
    async (monitors) => {
      const budget = await openBudget(kind, { global });
      const { clock } = budget;
      const all = await receivers();
      const look = async (): Promise<void> => {
        // Each check is a monitor's that has just been started.
        const apps = await Promise.all(
          Array.from({ length: monitors }, async () => (await budget.another()).app),
        );
        await Promise.all(apps.map((app) => check(app, postmanTo(all, clock))));
        await Promise.all(apps.map((app) => check(app, postmanTo(all, clock))));
        await Promise.all(apps.map((app) => app.close()));
      };
      for (const used of [790, 20, 150]) {
        await use(budget, used);
        await look();
      }
      await use(budget, 20);
      await look();
      await resetMonth(budget.app);
      await look();
      await use(budget, 850);
      await look();
      expect(toldOn(all)).toEqual({ web: STORY, slack: STORY, mail: STORY });
    },
  );

  it('tells a channel that was down for an hour afterwards, once, and the others in time', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const all = await receivers();
    const postman = postmanTo(all, clock);
    all.slack.answer = () => ({ status: 503 });
    await use(budget, 850);
    await check(app, postman);
    expect(toldOn(all)).toEqual({ web: ['raised warning'], slack: [], mail: ['raised warning'] });
    expect(postman.takeFailed()).toMatchObject([{ channel: 'slack', last: false }]);
    for (let minute = 0; minute < 60; minute += 1) {
      clock.advance(60_000);
      await check(app, postman);
    }
    const tries = all.slack.posted.length;
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(10);
    all.slack.answer = () => ({ status: 200 });
    for (let minute = 0; minute < 80; minute += 1) {
      clock.advance(60_000);
      await check(app, postman);
    }
    expect(toldOn(all)).toEqual({
      ...{ web: ['raised warning'], slack: ['raised warning'], mail: ['raised warning'] },
    });
  });

  it('waits as long as a receiver asks, and tells that it is over only after that it began', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const postman = new Postman([hook(web, clock)], clock);
    web.answer = () => ({ status: 429, headers: { 'retry-after': '600' } });
    await use(budget, 850);
    await check(app, postman);
    await resetMonth(app);
    clock.advance(599_000);
    await check(app, postman);
    expect(web.posted).toHaveLength(1);
    web.answer = () => ({ status: 200 });
    clock.advance(1_000);
    await check(app, postman);
    await check(app, postman);
    expect(web.taken.map(({ headers }) => String(headers['webhook-id']).slice(37))).toEqual([
      ...['raised', 'resolved'],
    ]);
  });

  it('tells that an incident is over after all that began, also what had to be tried again', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const postman = new Postman([hook(web, clock)], clock);
    const told = (): string[] =>
      web.taken.map(({ body }) => {
        const { type, data } = JSON.parse(body) as { type: string; data: AlertDocument };
        expect(data.incident).toBe(first.id);
        return `${type} ${data.level}`;
      });
    web.answer = () => ({ status: 503 });
    await use(budget, 850);
    await check(app, postman);
    const first = (await app.alerts()).alerts[0]!;
    web.answer = () => ({ status: 200 });
    await use(budget, 140);
    await check(app, postman);
    await resetMonth(app);
    await check(app, postman);
    expect(told()).toEqual(['alert.raised emergency']);
    clock.advance(60_000);
    await check(app, postman);
    expect(told()).toEqual([
      ...['alert.raised emergency', 'alert.raised warning', 'alert.resolved emergency'],
    ]);
  });

  it('tells by night that an emergency is over, and in the morning nothing that began before', async () => {
    const budget = await openBudget(kind, { global, start: '2025-06-15T22:00:00Z' });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const quietAt = (atMs: number): boolean => atMs < Date.parse('2025-06-16T06:00:00Z');
    const postman = new Postman([{ ...hook(web, clock), quietAt }], clock);
    const told = (): string[] =>
      web.taken.map(({ body }) => {
        const { type, data } = JSON.parse(body) as { type: string; data: AlertDocument };
        return `${type} ${data.level}`;
      });
    for (const used of [850, 140]) {
      await use(budget, used);
      await check(app, postman);
    }
    await resetMonth(app);
    await check(app, postman);
    expect(told()).toEqual(['alert.raised emergency', 'alert.resolved emergency']);
    clock.set('2025-06-16T06:00:00Z');
    await check(app, postman);
    expect(told()).toHaveLength(2);
  });

  it('is not held up by a channel that does not answer, nor is the monitor', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const [slow, quick] = [await httpReceiver(), await httpReceiver()];
    slow.answer = () => 'silent';
    const postman = new Postman([hook(slow, clock, 'slow'), hook(quick, clock, 'quick')], clock);
    await use(budget, 850);
    await app.watch([], postman);
    await expect.poll(() => slow.posted.length).toBe(1);
    await expect.poll(() => quick.taken.length).toBe(1);
    await use(budget, 110);
    await app.watch([], postman);
    await expect.poll(() => quick.taken.length).toBe(2);
    // Still at the first one: of one channel one delivery is under way.
    expect(slow.posted).toHaveLength(1);
    expect(slow.taken).toEqual([]);
    await postman.stop();
    expect(postman.takeFailed()).toMatchObject([{ channel: 'slow', last: false }]);
  }, 40_000);

  it('keeps what is refused for good as a dead letter, until it is retried', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const postman = new Postman([hook(web, clock)], clock);
    web.answer = () => ({ status: 404, body: 'no such hook' });
    await use(budget, 850);
    await check(app, postman);
    clock.advance(86_400_000);
    await check(app, postman);
    expect(web.posted).toHaveLength(1);
    const [alert] = (await app.alerts()).alerts;
    expect(alert!.deliveries).toMatchObject([
      { channel: 'hook', state: 'dead', tries: 1, lastError: 'it answered 404: no such hook' },
    ]);
    web.answer = () => ({ status: 200 });
    expect(await app.retryDeliveries(alert!.id.slice(-6))).toHaveLength(1);
    expect(await app.retryDeliveries(null)).toEqual([]);
    await check(app, postman);
    expect(web.taken).toHaveLength(1);
    expect((await app.alerts()).alerts[0]!.deliveries).toMatchObject([{ state: 'delivered' }]);
    await expect(app.retryDeliveries('00000000')).rejects.toMatchObject({
      code: 'alert_not_found',
    });
    await expect(app.ackAlert('%', null)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('holds everything back during a silence, and tells it when that is over', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const postman = new Postman([hook(web, clock)], clock);
    await app.silenceAlerts({ forMs: 3_600_000, reason: 'load test', actor: 'ann' });
    await use(budget, 990);
    await check(app, postman);
    expect(web.posted).toEqual([]);
    expect((await app.alerts()).silence).toMatchObject({ reason: 'load test', actor: 'ann' });
    clock.advance(3_600_000);
    await check(app, postman);
    expect(web.taken).toHaveLength(1);
    await app.silenceAlerts({ forMs: 3_600_000, reason: 'again', actor: null });
    await resetMonth(app);
    await check(app, postman);
    expect(web.taken).toHaveLength(1);
    expect(await app.endSilence()).toMatchObject({ reason: 'again' });
    expect(await app.endSilence()).toBeNull();
    await check(app, postman);
    expect(web.taken).toHaveLength(2);
  });

  it('drops what is acknowledged before it was told', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const postman = new Postman([hook(web, clock)], clock);
    web.answer = () => ({ status: 500 });
    await use(budget, 850);
    await check(app, postman);
    const { id } = (await app.alerts()).alerts[0]!;
    const acked = await app.ackAlert(id, 'ann');
    expect(acked).toMatchObject({ ackedBy: 'ann', deliveries: [{ state: 'dropped' }] });
    expect(await app.ackAlert(id, 'bob')).toMatchObject({ ackedBy: 'ann' });
    web.answer = () => ({ status: 200 });
    clock.advance(86_400_000);
    await check(app, postman);
    expect(web.taken).toEqual([]);
  });

  it('tells a channel its levels and kinds alone, and in quiet hours only emergencies', async () => {
    const budget = await openBudget(kind, { global, start: '2025-06-15T21:30:00Z' });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const hours = parseQuietHours((key) => key, {
      from: '23:00',
      to: '07:00',
      tz: 'Europe/Berlin',
    });
    const quietAt = (atMs: number): boolean => isQuiet(hours, atMs);
    const postman = new Postman(
      [
        { ...hook(web, clock, 'quiet'), quietAt },
        { ...hook(web, clock, 'urgent'), minLevel: 'critical' },
        { ...hook(web, clock, 'others'), kinds: [] },
      ],
      clock,
    );
    const told = (): string[] =>
      web.taken.map(({ path, body }) => {
        const { data } = JSON.parse(body) as { data: { level: string } };
        return `${path} ${data.level}`;
      });
    await use(budget, 850);
    await check(app, postman);
    expect(told()).toEqual([]);
    await use(budget, 140);
    await check(app, postman);
    expect(told().toSorted()).toEqual(['/quiet emergency', '/urgent emergency']);
    clock.set('2025-06-16T05:00:00Z');
    await check(app, postman);
    expect(told().slice(2)).toEqual(['/quiet warning']);
  });
});

describe('quiet hours', () => {
  const hours = (from: string, to: string, tz?: string) =>
    parseQuietHours((key) => `quietHours.${key}`, { from, to, tz });

  it.each([
    ['2025-06-15T21:59:00Z', false],
    ['2025-06-15T22:00:00Z', true],
    ['2025-06-16T06:59:59Z', true],
    ['2025-06-16T07:00:00Z', false],
  ])('over midnight: %s', (at, quiet) => {
    expect(isQuiet(hours('22:00', '07:00'), Date.parse(at))).toBe(quiet);
  });

  it('are of their time zone, in summer and in winter', () => {
    const berlin = hours('12:00', '13:00', 'Europe/Berlin');
    expect(isQuiet(berlin, Date.parse('2025-07-01T10:30:00Z'))).toBe(true);
    expect(isQuiet(berlin, Date.parse('2025-12-01T10:30:00Z'))).toBe(false);
    expect(isQuiet(berlin, Date.parse('2025-12-01T11:30:00Z'))).toBe(true);
  });

  it.each([
    [['24:00', '07:00'], 'quietHours.from'],
    [['22:00', '7'], 'quietHours.to'],
    [['22:00', '22:00'], 'quietHours.to'],
    [['22:00', '07:00', 'Mars/Base'], 'quietHours.tz'],
  ])('%j are refused', ([from, to, tz], field) => {
    expect(() => hours(from!, to!, tz)).toThrow(expect.objectContaining({ field }) as Error);
  });
});
