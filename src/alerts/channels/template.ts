import { invalidInput } from '../../budget/errors.ts';
import type { Alert, AlertEvent } from '../../ledger/alerts.ts';
import { alertDocument } from '../document.ts';
import { messageOf } from '../message.ts';

/**
 * The body of a webhook for a service that wants its own (PagerDuty and its like): JSON, in whose texts
 * `{name}` stands for a value. A text that is one placeholder alone keeps the value's type.
 */

/** As PagerDuty names them. */
const SEVERITIES = { warning: 'warning', critical: 'error', emergency: 'critical' } as const;

type Values = Readonly<Record<(typeof PLACEHOLDERS)[number], string | number | null>>;

const PLACEHOLDERS = [
  ...(['id', 'incident', 'event', 'action', 'level', 'severity'] as const),
  ...(['title', 'message', 'effect'] as const),
  ...([
    'command',
    'scope',
    'window',
    'used',
    'held',
    'limit',
    'percent',
    'time',
    'secret',
  ] as const),
] as const;

/** @throws invalid_input for a placeholder that is none, and for `{secret}` without one */
export function checkTemplate(template: unknown, field: string, secret: string | null): void {
  for (const name of namesIn(template)) {
    if (!(PLACEHOLDERS as readonly string[]).includes(name)) {
      throw invalidInput(
        field,
        `there is no {${name.slice(0, 60)}}`,
        `the placeholders are: ${PLACEHOLDERS.join(', ')}`,
      );
    }
    if (name === 'secret' && secret === null) {
      throw invalidInput(field, 'names {secret}, and the channel has none', 'set its secret');
    }
  }
}

export function fillTemplate(
  template: unknown,
  alert: Alert,
  event: AlertEvent,
  secret: string | null,
): unknown {
  return filled(template, valuesOf(alert, event, secret));
}

function valuesOf(alert: Alert, event: AlertEvent, secret: string | null): Values {
  const document = alertDocument(alert);
  const { id, incident, level, scope, window, used, held, limit, percent, goesOnAt } = document;
  const { title, summary, effect, command } = messageOf(alert, event);
  return {
    ...{ id, incident, event, level, title, effect, command, scope, used, held, limit, percent },
    /** As the events of PagerDuty have it: an incident that goes on at a lower level must not be closed. */
    action: event === 'raised' || goesOnAt !== null ? 'trigger' : 'resolve',
    severity: SEVERITIES[goesOnAt ?? level],
    message: summary,
    window: window.start,
    time: (event === 'raised' ? document.raisedAt : document.resolvedAt) ?? '',
    secret: secret ?? '',
  };
}

const PLACEHOLDER = /\{([a-zA-Z_]+)\}/g;

function namesIn(value: unknown): string[] {
  if (typeof value === 'string')
    return [...value.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '');
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(namesIn) : [];
}

function filled(value: unknown, values: Values): unknown {
  if (typeof value === 'string') {
    const alone = /^\{([a-zA-Z_]+)\}$/.exec(value)?.[1];
    if (alone !== undefined) return values[alone as keyof Values];
    return value.replace(PLACEHOLDER, (_, name: string) =>
      String(values[name as keyof Values] ?? ''),
    );
  }
  if (Array.isArray(value)) return value.map((each) => filled(each, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, filled(each, values)]),
  );
}
