import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/alerts/digest.ts';
import type { Alert, AlertEvent } from '../../src/ledger/alerts.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { channelsTo, receivers, webhookTo } from '../support/alert-channels.ts';
import { CRITICAL, RESOLVED } from '../support/alerts.ts';

const HOSTILE = '<img src=x onerror=alert(1)>"&`*_<!channel>\r\nBcc: thief@example.com\u202e';
const context = CRITICAL.data.context!;

function alert(changed: Partial<Alert>, data: Partial<Alert['data']> = {}): Alert {
  return { ...CRITICAL, ...changed, data: { ...CRITICAL.data, ...data } };
}

const hostile = alert(
  { aiType: HOSTILE.repeat(3), message: `${HOSTILE} are used` },
  {
    ...{ used: Number.MAX_SAFE_INTEGER, held: 9e12, limit: Number.MAX_SAFE_INTEGER, percent: 100 },
    context: {
      ...context,
      tokensPerHour: 9e15,
      topAiTypes: Array.from({ length: 5 }, (_, index) => ({
        aiType: `${HOSTILE.repeat(20)}${String(index)}`,
        tokens: Number.MAX_SAFE_INTEGER,
        percent: 99.99,
      })),
    },
  },
);
const { context: _, ...old } = CRITICAL.data;
const CASES: readonly (readonly [string, Alert, AlertEvent])[] = [
  ['a warning', alert({ level: 'warning' }), 'raised'],
  ['critical', CRITICAL, 'raised'],
  ['an emergency', alert({ level: 'emergency' }), 'raised'],
  ['what is over', RESOLVED, 'resolved'],
  ['what an older version raised', { ...CRITICAL, data: old }, 'raised'],
  ['what has no limit', alert({}, { limit: null, percent: null }), 'raised'],
  ['hostile names and very large numbers', hostile, 'raised'],
];

/** Sends one through each channel: what came. */
async function told(one: Alert, event: AlertEvent) {
  const all = await receivers();
  for (const channel of channelsTo(all, systemRuntime)) await channel.send(one, event);
  return read(all);
}

async function toldTogether(alerts: readonly Alert[]) {
  const all = await receivers();
  const digest = digestOf(alerts.map((each) => ({ alert: each, event: 'raised' as const })));
  for (const channel of channelsTo(all, systemRuntime)) await channel.sendDigest!(digest);
  return read(all);
}

function read({ slack, manager, smtp }: Awaited<ReturnType<typeof receivers>>) {
  const [mail] = smtp.mails;
  return {
    slack: JSON.parse(slack.posted[0]!.body) as SlackMessage,
    manager: JSON.parse(manager.posted[0]!.body) as unknown,
    mail: mail!,
  };
}

interface SlackMessage {
  readonly text: string;
  readonly blocks: readonly {
    readonly type: string;
    readonly text?: { readonly type: string; readonly text: string };
    readonly fields?: readonly { readonly type: string; readonly text: string }[];
  }[];
}

/** As docs.slack.dev/reference/block-kit/blocks has them. */
function expectWithinLimits({ text, blocks }: SlackMessage): void {
  expect(text).not.toBe('');
  expect(blocks.length).toBeLessThanOrEqual(50);
  for (const block of blocks) {
    if (block.type === 'header') {
      expect(block.text).toMatchObject({ type: 'plain_text' });
      expect(block.text!.text.length).toBeLessThanOrEqual(150);
      continue;
    }
    expect(block.type).toBe('section');
    const texts = block.fields ?? [block.text!];
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.length).toBeLessThanOrEqual(10);
    for (const each of texts) {
      expect(each.type).toBe('mrkdwn');
      expect(each.text.length).toBeGreaterThan(0);
      expect(each.text.length).toBeLessThanOrEqual(block.fields === undefined ? 3_000 : 2_000);
      expect(each.text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    }
  }
}

const VOID = ['meta', 'br', '!doctype'];

/** The tags of a page, which must close in the order in which they were opened. */
function tagsOf(html: string): Set<string> {
  const open: string[] = [];
  const seen = new Set<string>();
  for (const [, slash, raw = ''] of html.matchAll(/<(\/?)([a-z!][a-z0-9]*)(?:\s[^<>]*)?>/gi)) {
    const name = raw.toLowerCase();
    seen.add(name);
    if (VOID.includes(name)) continue;
    if (slash === '/') expect(open.pop()).toBe(name);
    else open.push(name);
  }
  expect(open).toEqual([]);
  return seen;
}

const PAGE = [
  ...['!doctype', 'html', 'head', 'meta', 'title', 'style', 'body', 'div', 'h1', 'p', 'table'],
  ...['tr', 'td', 'ul', 'li', 'b', 'br', 'span', 'code'],
];

function expectPlainPage(html: string): void {
  for (const tag of tagsOf(html)) expect(PAGE).toContain(tag);
  // Nothing that is fetched or run; what is left of names is text.
  expect(html.replaceAll(/&(amp|lt|gt|quot|nbsp);/g, '')).not.toMatch(/[&`]\w*;/);
  expect(html).not.toMatch(/<[^>]*\s(on\w+|src|href)=/i);
  expect(html).not.toMatch(/url\(|@import/);
}

function expectNarrow(text: string): void {
  const long = text.split('\n').filter((line) => line.length > 76);
  // A word that is longer stands alone.
  for (const line of long) expect(line.trim().replace(/^\S+: +/, '')).not.toContain(' ');
}

describe('a message of', () => {
  it.each(CASES)(
    '%s fits Slack, mail in text and HTML, and one line of a subject',
    async (...of) => {
      const [, one, event] = of;
      const { slack, mail } = await told(one, event);
      expectWithinLimits(slack);
      expectPlainPage(String(mail.html));
      expectNarrow(mail.text ?? '');
      expect(mail.subject).not.toMatch(/[\r\n]/);
      expect(mail.headers.has('bcc')).toBe(false);
      expect(JSON.stringify([slack, mail.text, mail.html])).not.toMatch(/undefined|NaN|null/);
    },
  );

  it('several is as careful with names', async () => {
    const many = Array.from({ length: 60 }, (_each, index) => ({ ...hostile, id: String(index) }));
    const { slack, mail } = await toldTogether(many);
    expectWithinLimits(slack);
    expectPlainPage(String(mail.html));
    expect(mail.subject).toBe('[tokenctl] 60 alerts: 60 raised');
    expect(mail.headers.has('bcc')).toBe(false);
  });
});

/** What prometheus.io/docs/alerting/latest/configuration/#webhook_config says of version 4. */
const texts = { type: 'object', additionalProperties: { type: 'string' } };
const status = { enum: ['firing', 'resolved'] };
const time = { type: 'string', format: 'date-time' };
const entry = {
  type: 'object',
  properties: {
    ...{ status, labels: texts, annotations: texts, startsAt: time, endsAt: time },
    generatorURL: { type: 'string' },
    fingerprint: { type: 'string', pattern: '^[0-9a-f]{16}$' },
  },
  required: [
    ...['status', 'labels', 'annotations', 'startsAt', 'endsAt', 'generatorURL', 'fingerprint'],
  ],
  additionalProperties: false,
};
const group = {
  type: 'object',
  properties: {
    version: { const: '4' },
    groupKey: { type: 'string', minLength: 1 },
    truncatedAlerts: { type: 'integer', minimum: 0 },
    status,
    receiver: { type: 'string' },
    ...{ groupLabels: texts, commonLabels: texts, commonAnnotations: texts },
    externalURL: { type: 'string' },
    alerts: { type: 'array', items: entry, minItems: 1 },
  },
  required: [
    ...['version', 'groupKey', 'truncatedAlerts', 'status', 'receiver', 'groupLabels'],
    ...['commonLabels', 'commonAnnotations', 'externalURL', 'alerts'],
  ],
  additionalProperties: false,
};

describe("Alertmanager's body", () => {
  const ajv = new Ajv({ allErrors: true });
  formats.default(ajv, ['date-time']);
  const problems = (body: unknown): unknown => (ajv.validate(group, body) ? [] : ajv.errors);

  it.each(CASES)('has the published shape for %s', async (_name, one, event) => {
    expect(problems((await told(one, event)).manager)).toEqual([]);
  });

  it('has it for a digest, with a fingerprint once', async () => {
    const { manager } = await toldTogether([
      alert({ id: '01a20e10-ded8-750e-8598-44e049e80001' }),
      alert({ id: '01a20e10-ded8-750e-8598-44e049e80002', aiType: 'imperium' }),
      alert(
        { id: '01a20e10-ded8-750e-8598-44e049e80003', level: 'warning' },
        { incident: '01a20e10-ded8-750e-8598-44e049e80002' },
      ),
    ]);
    expect(problems(manager)).toEqual([]);
    const { alerts, commonLabels } = manager as {
      alerts: { fingerprint: string }[];
      commonLabels: unknown;
    };
    expect(alerts.map(({ fingerprint }) => fingerprint)).toEqual([
      ...['859844e049e80001', '859844e049e80002'],
    ]);
    expect(commonLabels).toEqual({
      ...{ alertname: 'tokenctl_level', severity: 'critical', window: 'month' },
    });
    expect(problems({ ...(manager as object), extra: 1 })).not.toEqual([]);
  });
});

it('what a level opened, the end of another of its incident closes', async () => {
  const incident = '01a20e10-ded8-750e-8598-44e049e80001';
  const first = alert({ id: incident, level: 'warning' });
  const end: Alert = { ...RESOLVED, data: { ...RESOLVED.data, incident } };
  const [began, ended] = [await told(first, 'raised'), await told(end, 'resolved')];
  const keyOf = (body: unknown) => {
    const { groupKey, alerts } = body as { groupKey: string; alerts: { fingerprint: string }[] };
    return [groupKey, alerts[0]!.fingerprint];
  };
  expect(keyOf(ended.manager)).toEqual(keyOf(began.manager));
  const all = await receivers();
  const template = { dedup_key: '{incident}', event_action: '{action}', limit: '{limit}' };
  const pager = webhookTo(all.web.url, systemRuntime, { format: 'template', template });
  await pager.send(first, 'raised');
  await pager.send(alert({}, { incident, limit: null, percent: null }), 'raised');
  await pager.send(end, 'resolved');
  expect(all.web.posted.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
    { dedup_key: incident, event_action: 'trigger', limit: 140_000 },
    { dedup_key: incident, event_action: 'trigger', limit: null },
    { dedup_key: incident, event_action: 'resolve', limit: 140_000 },
  ]);
});

it('a level that is over while a lower one stays does not close their incident', async () => {
  const end: Alert = {
    ...RESOLVED,
    level: 'emergency',
    data: { ...RESOLVED.data, goesOnAt: 'warning' },
  };
  const { manager, mail } = await told(end, 'resolved');
  expect(manager).toMatchObject({
    status: 'firing',
    alerts: [{ status: 'firing', labels: { severity: 'warning' }, endsAt: '0001-01-01T00:00:00Z' }],
  });
  expect(mail.subject).toMatch(/Resolved EMERGENCY/);
  expect(mail.text).toContain('It is at warning still.');
  const all = await receivers();
  const template = { event_action: '{action}', severity: '{severity}', event: '{event}' };
  await webhookTo(all.web.url, systemRuntime, { format: 'template', template }).send(
    end,
    'resolved',
  );
  expect(JSON.parse(all.web.posted[0]!.body)).toEqual({
    ...{ event_action: 'trigger', severity: 'warning', event: 'resolved' },
  });
});
