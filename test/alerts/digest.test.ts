import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/alerts/digest.ts';
import { Postman } from '../../src/alerts/postman.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import {
  channelsTo,
  check,
  receivers,
  resetMonth,
  use,
  webhookTo,
} from '../support/alert-channels.ts';
import { CRITICAL, RESOLVED } from '../support/alerts.ts';
import { openBudget } from '../support/budget.ts';
import { DATABASES } from '../support/databases.ts';
import { httpReceiver, type HttpReceiver } from '../support/receivers.ts';

const global = { enforcedMonthly: 1_000, criticalRequest: 'off' } as const;
const MINUTE = 60_000;
const digestMs = 10 * MINUTE;

interface Body {
  readonly type: string;
  readonly data: { readonly alerts?: { level: string; state: string }[]; readonly level?: string };
}

/** `alert.digest critical raised, warning raised` */
function toldOn({ taken }: HttpReceiver): string[] {
  return taken.map(({ body }) => {
    const { type, data } = JSON.parse(body) as Body;
    if (data.alerts === undefined) return `${type} ${data.level ?? ''}`;
    return `${type} ${data.alerts.map(({ level, state }) => `${level} ${state}`).join(', ')}`;
  });
}

const idsOn = ({ posted }: HttpReceiver): unknown[] =>
  posted.map(({ headers }) => headers['webhook-id']);

describe.each(DATABASES)('a digest on %s', (kind) => {
  it('is one message on every channel when the oldest of it has waited; emergencies do not wait', async () => {
    const budget = await openBudget(kind, { global });
    const { app, clock } = budget;
    const all = await receivers();
    const channels = channelsTo(all, clock).map((channel) => ({ ...channel, digestMs }));
    const postman = new Postman(channels, clock);
    const counts = () => ({
      web: all.web.posted.length,
      manager: all.manager.posted.length,
      slack: all.slack.posted.length,
      mail: all.smtp.mails.length,
    });
    await use(budget, 850);
    await check(app, postman);
    clock.advance(9 * MINUTE);
    await use(budget, 110);
    await check(app, postman);
    expect(counts()).toEqual({ web: 0, manager: 0, slack: 0, mail: 0 });
    clock.advance(MINUTE);
    await check(app, postman);
    await check(app, postman);
    expect(counts()).toEqual({ web: 1, manager: 1, slack: 1, mail: 1 });
    expect(toldOn(all.web)).toEqual(['alert.digest critical raised, warning raised']);
    const group = JSON.parse(all.manager.taken[0]!.body) as object;
    // Both levels are of one incident: it fires, as the gravest.
    expect(group).toMatchObject({
      ...{ status: 'firing', truncatedAlerts: 0 },
      alerts: [{ status: 'firing', labels: { severity: 'critical' } }],
    });
    const slack = JSON.parse(all.slack.taken[0]!.body) as { text: string };
    expect(slack.text).toBe(':red_circle: 2 alerts: 2 raised');
    const [mail] = all.smtp.mails;
    expect(mail!.subject).toBe('[tokenctl] 2 alerts: 2 raised');
    for (const said of ['CRITICAL: 96.00 %', 'WARNING: 85.00 %', 'tokenctl alerts']) {
      expect(mail!.text).toContain(said);
      expect(String(mail!.html).replaceAll('&nbsp;', ' ')).toContain(said);
      expect(JSON.stringify(slack)).toContain(said);
    }

    await use(budget, 30);
    await check(app, postman);
    expect(toldOn(all.web).slice(1)).toEqual(['alert.raised emergency']);
    await resetMonth(app);
    await check(app, postman);
    expect(toldOn(all.web).slice(2)).toEqual(['alert.resolved emergency']);
    for (const used of [850, 110]) {
      await use(budget, used);
      await check(app, postman);
    }
    await resetMonth(app);
    await check(app, postman);
    clock.advance(digestMs);
    await check(app, postman);
    // The warning began and ended with it.
    expect(toldOn(all.web).slice(3)).toEqual(['alert.digest critical resolved']);
    expect(JSON.parse(all.manager.taken.at(-1)!.body)).toMatchObject({ status: 'resolved' });
    expect(counts()).toEqual({ web: 4, manager: 4, slack: 4, mail: 4 });
  });

  it('is tried again with the same id and content, whatever comes meanwhile', async () => {
    const budget = await openBudget(kind, { global, start: '2025-06-15T12:30:00Z' });
    const { app, clock } = budget;
    const web = await httpReceiver();
    const postman = new Postman([{ ...webhookTo(web.url, clock), digestMs }], clock);
    web.answer = () => ({ status: 503 });
    await use(budget, 850);
    await check(app, postman);
    await resetMonth(app);
    clock.advance(MINUTE);
    await use(budget, 850);
    await check(app, postman);
    clock.advance(digestMs);
    await check(app, postman);
    expect(postman.takeFailed()).toMatchObject([{ channel: 'web', last: false }]);
    await use(budget, 110);
    await check(app, postman);
    web.answer = () => ({ status: 200 });
    clock.advance(MINUTE);
    await check(app, postman);
    expect(web.posted).toHaveLength(2);
    const [first, again] = web.posted;
    expect(first!.headers['webhook-id']).toMatch(/^digest\.[0-9a-f]{32}$/);
    expect(again!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(again!.body).toBe(first!.body);
    // Alone it is an alert as any other.
    clock.advance(digestMs);
    await check(app, postman);
    expect(toldOn(web)).toEqual([
      'alert.digest warning raised, warning resolved',
      'alert.raised critical',
    ]);
  });

  it('whose monitor dies after it was sent is told again by another, as one that is known', async () => {
    const budget = await openBudget(kind, { global });
    const { clock } = budget;
    const web = await httpReceiver();
    const channel = { ...webhookTo(web.url, clock), digestMs };
    const { app: dying } = await budget.another();
    await use(budget, 850);
    await dying.watch([], new Postman([channel], clock));
    await use(budget, 110);
    await dying.watch([], new Postman([channel], clock));
    clock.advance(digestMs);
    const sent = async (digest: Parameters<NonNullable<typeof channel.sendDigest>>[0]) => {
      await channel.sendDigest!(digest);
      await dying.close();
    };
    await check(dying, new Postman([{ ...channel, sendDigest: sent }], clock));
    expect(web.posted).toHaveLength(1);
    const { app } = await budget.another();
    const postman = new Postman([channel], clock);
    await check(app, postman);
    expect(web.posted).toHaveLength(1);
    clock.advance(MINUTE);
    await check(app, postman);
    await check(app, postman);
    expect(new Set(idsOn(web)).size).toBe(1);
    expect(web.posted.map(({ body }) => body)).toEqual([
      ...[web.posted[0]!.body, web.posted[0]!.body],
    ]);
    expect((await app.alerts()).alerts.flatMap(({ deliveries }) => deliveries)).toMatchObject([
      ...[{ state: 'delivered' }, { state: 'delivered' }],
    ]);
  });

  it('is told once by two monitors, waits for quiet hours and silences, and leaves out what was acknowledged', async () => {
    const budget = await openBudget(kind, { global });
    const { clock, app } = budget;
    const { app: other } = await budget.another();
    const web = await httpReceiver();
    let quiet = true;
    const quietAt = (): boolean => quiet;
    const channel = { ...webhookTo(web.url, clock), digestMs, quietAt };
    const postmen = [new Postman([channel], clock), new Postman([channel], clock)] as const;
    const look = () => Promise.all([check(app, postmen[0]), check(other, postmen[1])]);
    await use(budget, 850);
    await look();
    await resetMonth(app);
    await use(budget, 850);
    await look();
    await use(budget, 110);
    await look();
    clock.advance(digestMs);
    await look();
    expect(web.posted).toEqual([]);
    quiet = false;
    await app.silenceAlerts({ forMs: MINUTE, reason: 'test', actor: null });
    await look();
    expect(web.posted).toEqual([]);
    const critical = (await app.alerts()).alerts.find(({ level }) => level === 'critical');
    await app.ackAlert(critical!.id, 'ann');
    clock.advance(MINUTE);
    await look();
    await look();
    expect(toldOn(web)).toEqual(['alert.digest warning raised, warning resolved']);
  });

  it('that is refused for good is a dead letter as a whole, and goes out again as a whole', async () => {
    const budget = await openBudget(kind, { global });
    const { clock, app } = budget;
    const web = await httpReceiver();
    const postman = new Postman([{ ...webhookTo(web.url, clock), digestMs }], clock);
    web.answer = () => ({ status: 410, body: 'gone' });
    for (const used of [850, 110]) {
      await use(budget, used);
      await check(app, postman);
    }
    clock.advance(digestMs);
    await check(app, postman);
    expect(postman.takeFailed()).toEqual([
      { channel: 'web', error: 'it answered 410: gone', last: true },
    ]);
    const states = async () =>
      (await app.alerts()).alerts.map(({ deliveries }) => deliveries[0]!.state);
    expect(await states()).toEqual(['dead', 'dead']);
    web.answer = () => ({ status: 200 });
    expect(await app.retryDeliveries(null)).toHaveLength(2);
    await check(app, postman);
    expect(await states()).toEqual(['delivered', 'delivered']);
    expect(new Set(idsOn(web)).size).toBe(1);
  });
});

describe('what a digest tells', () => {
  const many = Array.from({ length: 60 }, (_, index) => ({
    alert: {
      ...CRITICAL,
      id: `01a20e10-ded8-750e-8598-${String(index).padStart(12, '0')}`,
      aiType: `${'&<x>'.repeat(12)}${String(index)}`,
      level: index === 59 ? ('critical' as const) : ('warning' as const),
    },
    event: 'raised' as const,
  }));

  it('is each alert once, the gravest first, at most 50, and how many more', () => {
    const digest = digestOf(many);
    expect(digest).toMatchObject({ raised: 60, resolved: 0, more: 10 });
    expect(digest.entries).toHaveLength(50);
    expect(digest.entries[0]).toMatchObject({ alert: { level: 'critical' } });
    const both = digestOf([
      { alert: RESOLVED, event: 'raised' },
      { alert: RESOLVED, event: 'resolved' },
    ]);
    expect(both.entries).toEqual([{ alert: RESOLVED, event: 'resolved' }]);
    expect(both).toMatchObject({ raised: 0, resolved: 1, atMs: RESOLVED.resolvedAtMs });
  });

  it('has an id of what it tells, in whatever order', () => {
    const id = digestOf(many).id;
    expect(digestOf(many.toReversed()).id).toBe(id);
    expect(digestOf(many.slice(1)).id).not.toBe(id);
  });

  it('fits into what Slack and mail take, with 60 hostile names', async () => {
    const all = await receivers();
    for (const channel of channelsTo(all, systemRuntime)) await channel.sendDigest!(digestOf(many));
    const { blocks } = JSON.parse(all.slack.posted[0]!.body) as {
      blocks: { text: { text: string } }[];
    };
    const texts = blocks.map(({ text }) => text.text);
    expect(texts.every((text) => text.length <= 3_000)).toBe(true);
    expect(texts.join('').length).toBeLessThan(10_000);
    expect(texts.at(-1)).toMatch(/^and \d+ more\n/);
    expect(texts.slice(1).join('')).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    const [mail] = all.smtp.mails;
    expect(mail!.text).toContain('and 10 more');
    expect(mail!.html).toContain('and 10 more');
    expect(mail!.html).not.toContain('<x>');
    expect(JSON.parse(all.web.posted[0]!.body)).toMatchObject({ data: { more: 10 } });
    expect(JSON.parse(all.manager.posted[0]!.body)).toMatchObject({ truncatedAlerts: 10 });
  });
});
