import { Webhook } from 'standardwebhooks';
import { invalidInput } from '../../budget/errors.ts';
import { isoTime } from '../../budget/windows.ts';
import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { deliveryId, type Channel, type Digest } from '../channel.ts';
import { alertDocument } from '../document.ts';
import { alertmanagerBody, alertmanagerDigest } from './alertmanager.ts';
import { post, type Post } from './http.ts';
import { checkTemplate, fillTemplate } from './template.ts';

export interface WebhookOptions extends Pick<Post, 'url' | 'allowPrivate'> {
  readonly name: string;
  /** Signs the body (`whsec_…`); with a template it stands for `{secret}` and signs nothing. */
  readonly secret: string | null;
  readonly format: 'standard' | 'alertmanager' | 'template';
  /** Of the format `template`. */
  readonly template: Readonly<Record<string, unknown>> | null;
  /** Names one of its keys in messages. */
  readonly place: (key: string) => string;
}

/**
 * Posts JSON with the headers of Standard Webhooks: `webhook-id` is the same at every try, and with a
 * secret `webhook-signature` proves who sent it.
 * @throws invalid_input for a secret or template that can't be used
 */
export function webhookChannel(options: WebhookOptions, runtime: Runtime): Channel {
  const { name, url, allowPrivate, secret, format, template, place } = options;
  if (format === 'template') checkTemplate(template, place('template'), secret);
  const signer =
    secret === null || format === 'template' ? null : signerOf(secret, place('secret'));
  const bodyOf = (alert: Alert, event: AlertEvent): unknown => {
    switch (format) {
      case 'standard': {
        const at = event === 'raised' ? alert.raisedAtMs : alert.resolvedAtMs;
        const timestamp = isoTime(at ?? alert.seenAtMs);
        return { type: `alert.${event}`, timestamp, data: alertDocument(alert) };
      }
      case 'alertmanager':
        return alertmanagerBody(alert, event, name);
      case 'template':
        return fillTemplate(template, alert, event, secret);
    }
  };
  const digestBody = (digest: Digest): unknown =>
    format === 'alertmanager' ? alertmanagerDigest(digest, name) : standardDigest(digest);
  const send = (id: string, content: unknown): Promise<void> => {
    const body = JSON.stringify(content);
    const nowMs = runtime.nowMs();
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
      ...(signer === null ? {} : { 'webhook-signature': signer.sign(id, new Date(nowMs), body) }),
    };
    const secrets = secret === null ? [] : [secret];
    return post({ url, allowPrivate, headers, body, nowMs, secrets });
  };
  return {
    name,
    events: ['raised', 'resolved'],
    send: (alert, event) => send(deliveryId(alert, event), bodyOf(alert, event)),
    // A template is one alert's.
    ...(format === 'template' ? {} : { sendDigest: (all) => send(all.id, digestBody(all)) }),
  };
}

function standardDigest({ atMs, entries, more }: Digest): object {
  return {
    type: 'alert.digest',
    timestamp: isoTime(atMs),
    data: { alerts: entries.map(({ alert }) => alertDocument(alert)), more },
  };
}

function signerOf(secret: string, field: string): Webhook {
  try {
    return new Webhook(secret);
  } catch {
    throw invalidInput(
      field,
      'is no secret of Standard Webhooks',
      'whsec_ and 24 to 64 bytes in base64',
    );
  }
}
