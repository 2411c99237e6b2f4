import { isoTime } from '../../budget/windows.ts';
import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import { alertDocument } from '../document.ts';
import { messageOf } from '../message.ts';

/** In Alertmanager's body a time that has not come yet. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** What a webhook receiver of Alertmanager is sent (version 4), a group of one alert. */
export function alertmanagerBody(alert: Alert, event: AlertEvent, receiver: string): object {
  const document = alertDocument(alert);
  const { id, kind, level, scope, window, message, effect, command, limitReachedAt } = document;
  const status = event === 'raised' ? 'firing' : 'resolved';
  const labels = {
    alertname: `tokenctl_${kind}`,
    severity: level,
    scope,
    window: window.kind,
  };
  const annotations = {
    summary: messageOf(alert, event).title,
    description: message,
    effect: effect ?? '',
    command,
    used: String(document.used),
    held: String(document.held),
    limit: String(document.limit ?? ''),
    percent: String(document.percent ?? ''),
    tokens_per_hour: String(document.tokensPerHour ?? ''),
    limit_reached_at: limitReachedAt ?? '',
    resets_at: window.resetsAt,
    top_ai_types: document.topAiTypes
      .map(({ aiType, tokens }) => `${aiType}=${String(tokens)}`)
      .join(' '),
  };
  return {
    version: '4',
    groupKey: `{}:{alertname="${labels.alertname}"}`,
    truncatedAlerts: 0,
    status,
    receiver,
    groupLabels: { alertname: labels.alertname },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: '',
    alerts: [
      {
        status,
        labels,
        annotations,
        startsAt: document.raisedAt ?? isoTime(alert.seenAtMs),
        endsAt: document.resolvedAt ?? NO_TIME,
        generatorURL: '',
        // Sixteen hexadecimal digits, the same when it is over; the end of an id is its random part.
        fingerprint: id.replaceAll('-', '').slice(-16),
      },
    ],
  };
}
