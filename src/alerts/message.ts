import { count } from '../budget/tokens.ts';
import { percentUsed } from '../budget/levels.ts';
import { isoTime } from '../budget/windows.ts';
import type { Alert, AlertEvent } from '../ledger/alerts.ts';
import { alertDocument } from './document.ts';

/** What a person reads of an alert, in plain text; each channel sets it in its own way. Pure. */
export interface Message {
  /** `CRITICAL: 95.10 % of the month 2026-11`, `Resolved CRITICAL: …` */
  readonly title: string;
  readonly summary: string;
  /** Names and values, the most important first. */
  readonly facts: readonly (readonly [string, string])[];
  /** The greatest spenders, a line each. */
  readonly spenders: readonly string[];
  /** What happens to requests now, as a sentence. */
  readonly effect: string;
  /** The next command to run. */
  readonly command: string;
  /** The shares of the limit that are used and held, in percent from 0 to 100. */
  readonly bar: { readonly used: number; readonly held: number };
}

export function messageOf(alert: Alert, event: AlertEvent): Message {
  const document = alertDocument(alert);
  const { level, scope, window, limit, effect, command, topAiTypes } = document;
  const over = event === 'resolved';
  // Once it is over its reader wants the counts of now; rates and spenders are of when it was raised.
  const { used, held, percent } = (over ? document.atEnd : null) ?? document;
  const whose = scope === 'global' ? 'all AI types' : scope;
  const name = `${over ? 'Resolved ' : ''}${level.toUpperCase()}`;
  const now = document.atEnd?.limit ?? limit;
  const usedShare = Math.min(100, percentUsed(used, now) ?? 0);
  const facts: [string, string | null][] = [
    ['Level', over ? `resolved (was ${level})` : level],
    ['Scope', whose],
    ['Window', `${window.kind} ${window.start}`],
    [over ? 'Now' : 'Reached', `${percent.toFixed(2)} %`],
    ['Used', count(used)],
    ['Held', count(held)],
    ['Limit', count(over ? now : limit)],
    [
      'Burn rate',
      over || document.tokensPerHour === null ? null : `${count(document.tokensPerHour)} tokens/h`,
    ],
    ['Limit reached', over ? null : time(document.limitReachedAt)],
    ['Resets', time(window.resetsAt)],
    ['Raised', time(document.raisedAt)],
    ['Resolved', time(document.resolvedAt)],
  ];
  return {
    title: `${alert.kind === 'test' ? 'TEST: ' : ''}${name}: ${percent.toFixed(2)} % of the ${window.kind} ${window.start}, ${whose}`,
    summary: over
      ? `Over since ${time(document.resolvedAt) ?? 'now'}. It was: ${document.message}`
      : document.message,
    facts: facts.flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])),
    spenders: (over ? [] : topAiTypes).map(
      (each) => `${each.aiType}: ${count(each.tokens)} (${each.percent.toFixed(2)} %)`,
    ),
    effect: sentence(over ? 'this level denies nothing any more' : (effect ?? document.message)),
    command,
    bar: {
      used: usedShare,
      held: Math.min(100 - usedShare, percentUsed(held, now) ?? 0),
    },
  };
}

/** The bar in characters: used, held and free. */
export function barText({ used, held }: Message['bar'], width: number): string {
  const full = Math.round((used * width) / 100);
  const some = Math.min(width - full, Math.round((held * width) / 100));
  return '█'.repeat(full) + '▒'.repeat(some) + '░'.repeat(width - full - some);
}

/** '2026-12-01 00:00 UTC' */
function time(iso: string | null): string | null {
  return iso === null ? null : `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}

/** As everything in a message writes a time. */
export function timeText(atMs: number): string {
  return time(isoTime(atMs)) ?? '';
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
