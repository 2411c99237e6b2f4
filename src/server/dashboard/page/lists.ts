import type { AlertsDocument, CaredAlertDocument } from '../../../alerts/care-documents.ts';
import { count } from '../../../budget/tokens.ts';
import { counted, percentText } from '../../../budget/words.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import { command } from './copy.ts';
import { byId, h, redraw, type Child } from './dom.ts';
import { raised, sentence } from './level.ts';
import { ownCommand } from './own-command.ts';
import { relativeElement, timeElement } from './time.ts';

/** What was denied, what was raised, and what contradicts itself: each with what to do. */

/** As GET /api/v1/denials gives them. */
export interface Denial {
  readonly time: string;
  readonly id: string;
  readonly requestId: string | null;
  readonly aiType: string;
  readonly model: string | null;
  readonly requestedTokens: number | null;
  readonly count: number;
  readonly codes: readonly string[];
  readonly explanation: readonly string[];
  readonly canEverPass: boolean | null;
  readonly retryAt: string | null;
  readonly fixes: readonly string[];
}

const MOST_DENIALS = 6;
const MOST_RESOLVED = 4;
/** An id's random end, as tokenctl takes it. */
const SHORT_ID = 8;

/** Who is denied by the same rules again and again is one entry, with the newest of them. */
export function renderDenials(denials: readonly Denial[]): void {
  redraw(byId('denials'), denials, () => {
    if (denials.length === 0) return [nothing('No request was denied lately.')];
    const entries = grouped(denials);
    const rest = entries.length - MOST_DENIALS;
    return [
      h('ul', {}, ...entries.slice(0, MOST_DENIALS).map(denialEntry)),
      rest > 0 ? nothing(`${count(rest)} more: ${ownCommand('log --state denied')}`) : null,
    ];
  });
}

function grouped(denials: readonly Denial[]): Denial[][] {
  const groups = new Map<string, Denial[]>();
  for (const denial of denials) {
    const key = JSON.stringify([denial.aiType, denial.codes]);
    groups.set(key, [...(groups.get(key) ?? []), denial]);
  }
  return [...groups.values()];
}

function denialEntry(group: readonly Denial[]): HTMLElement {
  const [newest] = group;
  if (newest === undefined) return h('li');
  const times = group.reduce((sum, each) => sum + each.count, 0);
  const oldest = group.at(-1) ?? newest;
  const { aiType, model, requestedTokens, explanation, canEverPass, retryAt, fixes } = newest;
  const asked = requestedTokens === null ? '' : ` asked for ${counted(requestedTokens, 'token')}`;
  return h(
    'li',
    {},
    h(
      'p',
      {},
      h('strong', {}, aiType),
      `${asked}${model === null ? '' : `, model ${model}`} · `,
      relativeElement(newest.time, 'ago'),
      ...(times === 1 ? [] : [` · ${count(times)} times since `, timeElement(oldest.time)]),
    ),
    ...explanation.map((text) => h('p', { class: 'why' }, raised(text))),
    canEverPass === false
      ? h('p', { class: 'muted' }, 'Waiting does not help.')
      : retryAt === null
        ? null
        : h('p', { class: 'muted' }, 'It may pass from ', timeElement(retryAt), ' on.'),
    ...fixes.flatMap(fixLines),
  );
}

/** Open ones first. */
export function renderAlerts({ alerts, silence }: AlertsDocument): void {
  const open = alerts.filter(({ state }) => state !== 'resolved');
  const over = alerts.filter(({ state }) => state === 'resolved');
  redraw(byId('alerts'), [alerts, silence], () => [
    silence === null
      ? null
      : h(
          'div',
          { class: 'silence' },
          h(
            'p',
            {},
            h('strong', {}, 'Silent until '),
            timeElement(silence.until),
            `${byText(silence.by)}: ${silence.reason}`,
          ),
          command(ownCommand('alerts silence --off')),
        ),
    alerts.length === 0
      ? nothing(`No alert was raised. ${ownCommand('monitor')} raises and tells them.`)
      : open.length === 0
        ? nothing('No alert is open.')
        : null,
    alerts.length === 0
      ? null
      : h('ul', {}, ...[...open, ...over.slice(0, MOST_RESOLVED)].map(alertEntry)),
  ]);
}

function alertEntry(alert: CaredAlertDocument): HTMLElement {
  const { id, level, message, scope, window, percent, raisedAt, resolvedAt, effect } = alert;
  const resolved = alert.state === 'resolved';
  const acked = alert.ackedAt !== null;
  const state = resolved ? 'resolved' : acked ? `taken over${byText(alert.ackedBy)}` : 'open';
  return h(
    'li',
    { 'data-state': resolved ? 'resolved' : 'open' },
    h(
      'p',
      {},
      h('span', { class: 'badge', 'data-level': resolved ? 'over' : level }, level),
      ' ',
      h('strong', {}, state),
      ` · ${percentText(percent)} of ${window.start}${scope === 'global' ? '' : `, ${scope}`} · raised `,
      ...(raisedAt === null ? ['-'] : [relativeElement(raisedAt, 'ago')]),
      ...(resolvedAt === null ? [] : [' · over ', relativeElement(resolvedAt, 'ago')]),
    ),
    resolved ? null : h('p', { class: 'why' }, raised(effect ?? message)),
    ...toldLines(alert),
    resolved || acked ? null : command(ownCommand(`alerts ack ${id.slice(-SHORT_ID)}`)),
  );
}

/** The channels that were not told. */
function toldLines({ deliveries }: CaredAlertDocument): Child[] {
  return deliveries
    .filter(({ state }) => state === 'waiting' || state === 'dead')
    .map(({ channel, event, state, lastError }) => {
      const why = lastError === null ? '' : `: ${lastError}`;
      return h(
        'p',
        { class: 'alarming' },
        `${channel} was not told that it was ${event} (${state})${why}`,
      );
    });
}

export function renderFindings({ findings }: StatusReport): void {
  redraw(byId('findings'), findings, () => {
    if (findings.length === 0) return [nothing('The limits fit together.')];
    return [
      h(
        'ul',
        {},
        ...findings.map(({ severity, scope, message, fix }) =>
          h(
            'li',
            {},
            h(
              'p',
              {},
              h('span', { class: 'badge', 'data-level': 'warning' }, severity),
              scope === 'global' ? ' ' : ` ${scope}: `,
              message,
            ),
            ...(fix === null ? [] : fixLines(fix)),
          ),
        ),
      ),
    ];
  });
}

/** A fix is a command, one of several, or a sentence. */
function fixLines(fix: string): Child[] {
  return fix.startsWith('tokenctl ')
    ? fix.split(/, or (?=tokenctl )/).map(command)
    : [h('p', { class: 'muted' }, sentence(fix))];
}

function byText(name: string | null): string {
  return name === null ? '' : ` by ${name}`;
}

function nothing(text: string): HTMLElement {
  return h('p', { class: 'muted' }, text);
}
