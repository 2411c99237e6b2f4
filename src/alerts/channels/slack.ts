import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import type { Runtime } from '../../platform/runtime.ts';
import type { Channel } from '../channel.ts';
import { barText, messageOf } from '../message.ts';
import { post, type Post } from './http.ts';

export interface SlackOptions extends Pick<Post, 'url' | 'allowPrivate'> {
  readonly name: string;
}

/** Posts to an incoming webhook of Slack. Slack knows no idempotency: after a crash it may show one twice. */
export function slackChannel({ name, url, allowPrivate }: SlackOptions, runtime: Runtime): Channel {
  return {
    name,
    events: ['raised', 'resolved'],
    send: (alert, event) => {
      const body = JSON.stringify(slackBody(alert, event));
      return post({ url, allowPrivate, headers: {}, body, nowMs: runtime.nowMs(), secrets: [] });
    },
  };
}

/** Slack's own limits, in characters and fields. */
const HEADER = 150;
const SECTION = 3_000;
const FIELDS = 10;
const BAR = 30;

function slackBody(alert: Alert, event: AlertEvent): object {
  const { title, summary, facts, spenders, effect, command, bar } = messageOf(alert, event);
  const icon = event === 'resolved' ? ':white_check_mark:' : ICONS[alert.level];
  const fields = facts
    .filter(([name]) => name !== 'Level' && name !== 'Raised')
    .slice(0, FIELDS)
    .map(([name, value]) => mrkdwn(`*${name}*\n${escaped(value)}`));
  return {
    // What a notification shows.
    text: `${icon} ${escaped(title)}`,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: title.slice(0, HEADER) } },
      section(`${icon} ${escaped(summary)}${bar === null ? '' : `\n\`${barText(bar, BAR)}\``}`),
      { type: 'section', fields },
      ...(spenders.length === 0
        ? []
        : [section(`*Top AI types*\n${spenders.map((each) => `• ${escaped(each)}`).join('\n')}`)]),
      section(`*Now:* ${escaped(effect)}\n*Next:* \`${escaped(command)}\``),
    ],
  };
}

const ICONS = {
  warning: ':warning:',
  critical: ':red_circle:',
  emergency: ':rotating_light:',
} as const;

function section(text: string): object {
  return { type: 'section', text: mrkdwn(text.slice(0, SECTION)) };
}

function mrkdwn(text: string): object {
  return { type: 'mrkdwn', text };
}

/** The three characters that Slack reads as its own. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
