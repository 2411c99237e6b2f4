import { isoTime } from '../../budget/windows.ts';
import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import type { Digest, DigestEntry } from '../channel.ts';
import { alertDocument } from '../document.ts';
import { messageOf } from '../message.ts';

/** In Alertmanager's body a time that has not come yet. */
const NO_TIME = '0001-01-01T00:00:00Z';

type Texts = Readonly<Record<string, string>>;

interface Entry {
  readonly status: 'firing' | 'resolved';
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

/** What a webhook receiver of Alertmanager is sent (version 4): a group of one, keyed by its incident. */
export function alertmanagerBody(alert: Alert, event: AlertEvent, receiver: string): object {
  const entry = entryOf({ alert, event });
  const { alertname = '', incident = '' } = entry.labels;
  return groupOf([entry], { alertname, incident }, receiver, 0);
}

/** A group of several: of each incident what was told of it last, the gravest first. */
export function alertmanagerDigest({ entries, more }: Digest, receiver: string): object {
  const incidents = new Map<string, Entry>();
  for (const each of entries) {
    const entry = entryOf(each);
    if (!incidents.has(entry.fingerprint)) incidents.set(entry.fingerprint, entry);
  }
  return groupOf([...incidents.values()], {}, receiver, more);
}

function groupOf(
  alerts: readonly Entry[],
  groupLabels: Texts,
  receiver: string,
  truncatedAlerts: number,
): object {
  const names = Object.entries(groupLabels).map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  );
  return {
    version: '4',
    groupKey: `{}:{${names.join(', ')}}`,
    truncatedAlerts,
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    receiver,
    groupLabels,
    commonLabels: common(alerts.map(({ labels }) => labels)),
    commonAnnotations: common(alerts.map(({ annotations }) => annotations)),
    externalURL: '',
    alerts,
  };
}

/** What all of them say alike. */
function common(all: readonly Texts[]): Texts {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((each) => each[name] === value)),
  );
}

function entryOf({ alert, event }: DigestEntry): Entry {
  const document = alertDocument(alert);
  const { incident, kind, level, scope, window, message, effect, command, goesOnAt } = document;
  // An incident that goes on at a lower level must not be closed.
  const firing = event === 'raised' || goesOnAt !== null;
  return {
    status: firing ? 'firing' : 'resolved',
    labels: {
      alertname: `tokenctl_${kind}`,
      ...{ incident, severity: goesOnAt ?? level, scope, window: window.kind },
    },
    annotations: {
      summary: messageOf(alert, event).title,
      description: message,
      effect: effect ?? '',
      command,
      used: text(document.used),
      held: text(document.held),
      limit: text(document.limit),
      percent: text(document.percent),
      tokens_per_hour: text(document.tokensPerHour),
      limit_reached_at: document.limitReachedAt ?? '',
      resets_at: window.resetsAt,
      top_ai_types: document.topAiTypes
        .map(({ aiType, tokens }) => `${aiType}=${String(tokens)}`)
        .join(' '),
    },
    startsAt: document.raisedAt ?? isoTime(alert.seenAtMs),
    endsAt: firing ? NO_TIME : (document.resolvedAt ?? NO_TIME),
    generatorURL: '',
    // Sixteen hexadecimal digits, the same when it is over; the end of an id is its random part.
    fingerprint: incident.replaceAll('-', '').slice(-16),
  };
}

function text(value: number | null): string {
  return value === null ? '' : String(value);
}
