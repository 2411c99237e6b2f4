import type { Alert, AlertEvent, AlertLevel } from '../../ledger/alerts.ts';
import type { Runtime } from '../../platform/runtime.ts';
import type { Channel, Digest } from '../channel.ts';
import { digestMessage } from '../digest.ts';
import { barText, messageOf } from '../message.ts';
import { post, type Post } from './http.ts';

export interface SlackOptions extends Pick<Post, 'url' | 'allowPrivate'> {
  readonly name: string;
}

/** Posts to an incoming webhook of Slack. Slack knows no idempotency: after a crash it may show one twice. */
export function slackChannel({ name, url, allowPrivate }: SlackOptions, runtime: Runtime): Channel {
  const send = (message: object): Promise<void> => {
    const body = JSON.stringify(message);
    const nowMs = runtime.nowMs();
    return post({ url, allowPrivate, headers: {}, body, nowMs, secrets: [], meanings: MEANINGS });
  };
  return {
    name,
    events: ['raised', 'resolved'],
    send: (alert, event) => send(slackBody(alert, event)),
    sendDigest: (digest) => send(slackDigest(digest)),
  };
}

/** What Slack's short answers ask for. */
const MEANINGS: Readonly<Record<string, string>> = {
  no_service: 'the webhook was switched off; make a new one and set its URL',
  no_service_id: 'the URL is incomplete; set the whole one',
  no_team: 'there is no such workspace; set another URL',
  team_disabled: 'the workspace was switched off',
  invalid_token: 'the URL is wrong or was withdrawn; make a new webhook and set its URL',
  action_prohibited:
    "the workspace's settings forbid webhooks to post there; ask its administrator",
  posting_to_general_channel_denied:
    "the workspace's settings forbid posts to that channel; choose another",
  channel_not_found: 'the channel was removed; make a webhook for another',
  channel_is_archived: 'the channel is archived; unarchive it, or make a webhook for another',
};

/** Slack's own limits, in characters and fields. */
const HEADER = 150;
const SECTION = 3_000;
const FIELD = 2_000;
const FIELDS = 10;
/** All blocks together may have some 13,000 characters, which Slack does not publish. */
const DIGEST = 9_000;
const BAR = 30;

function slackBody(alert: Alert, event: AlertEvent): object {
  const { title, summary, facts, spenders, effect, command, bar } = messageOf(alert, event);
  const icon = ICONS[event === 'resolved' ? 'resolved' : alert.level];
  const fields = facts
    .filter(([name]) => name !== 'Level' && name !== 'Raised')
    .slice(0, FIELDS)
    .map(([name, value]) => mrkdwn(`*${name}*\n${escaped(value)}`, FIELD));
  const top = spenders.map((each) => `• ${escaped(each)}`);
  return {
    // What a notification shows.
    text: `${icon} ${escaped(title)}`,
    blocks: [
      header(title),
      section(`${bar === null ? '' : `\`${barText(bar, BAR)}\`\n`}${icon} ${escaped(summary)}`),
      { type: 'section', fields },
      ...(top.length === 0 ? [] : [section(['*Top AI types*', ...top].join('\n'))]),
      section(`*Now:* ${escaped(effect)}\n*Next:* \`${escaped(command)}\``),
    ],
  };
}

/** A line for each alert, as many as Slack takes; the others are counted. */
function slackDigest(digest: Digest): object {
  const { title, level, entries, more, command } = digestMessage(digest);
  const sections: string[] = [''];
  let length = 0;
  let listed = 0;
  for (const entry of entries) {
    const line = `${ICONS[entry.level]} *${escaped(entry.title)}*, ${entry.when}`;
    if (length + line.length > DIGEST) break;
    const last = sections[sections.length - 1] ?? '';
    if (last.length + line.length >= SECTION) sections.push(line);
    else sections[sections.length - 1] = last === '' ? line : `${last}\n${line}`;
    length += line.length;
    listed += 1;
  }
  const others = more + entries.length - listed;
  const rest = others === 0 ? '' : `and ${String(others)} more\n`;
  return {
    text: `${ICONS[level]} ${escaped(title)}`,
    blocks: [
      header(title),
      ...sections.filter((text) => text !== '').map(section),
      section(`${rest}*Next:* \`${escaped(command)}\``),
    ],
  };
}

const ICONS: Readonly<Record<AlertLevel | 'resolved', string>> = {
  warning: ':warning:',
  critical: ':red_circle:',
  emergency: ':rotating_light:',
  resolved: ':white_check_mark:',
};

function header(title: string): object {
  return { type: 'header', text: { type: 'plain_text', text: clip(title, HEADER) } };
}

function section(text: string): object {
  return { type: 'section', text: mrkdwn(text, SECTION) };
}

function mrkdwn(text: string, max: number): object {
  return { type: 'mrkdwn', text: clip(text, max) };
}

/** At most so many characters; one that was escaped is not cut. */
function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/(&[a-z]{0,3}|[\uD800-\uDBFF])$/, '')}…`;
}

/** The three characters that Slack reads as its own. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
