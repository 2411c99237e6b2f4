import { count } from '../budget/tokens.ts';
import { percentText } from '../budget/words.ts';
import { percentUsed } from '../budget/levels.ts';
import { utcMinute, windowText } from '../budget/windows.ts';
import type { Alert, AlertEvent } from '../ledger/alerts.ts';
import { alertDocument, type AlertDocument } from './document.ts';

/** What a person reads of an alert, in plain text; each channel sets it in its own way. Pure. */
export interface Message {
  /** `CRITICAL: 95.10 % of the month 2026-11, all AI types`, `Resolved CRITICAL: …` */
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
  /** The shares of the limit that are used and held, in percent from 0 to 100; null without a limit. */
  readonly bar: { readonly used: number; readonly held: number } | null;
}

export function messageOf(alert: Alert, event: AlertEvent): Message {
  const document = alertDocument(alert);
  const { level, window, effect, command, topAiTypes } = document;
  const over = event === 'resolved';
  // Once it is over its reader wants the counts of now; rates and spenders are of when it was raised.
  const { used, held, limit, percent } = (over ? document.atEnd : null) ?? document;
  const usedShare = limit === null ? null : Math.min(100, percentUsed(used, limit) ?? 0);
  // A monitor that is blind may never have seen the ledger.
  const unseen = document.kind === 'blind' && limit === null && used + held === 0;
  const rate = over ? null : document.tokensPerHour;
  const facts: [string, string | null][] = [
    ['Level', over ? `resolved (was ${level})` : level],
    ['Scope', whoseOf(document)],
    ['Window', windowText(window.kind, window.start)],
    ...detailsOf(document),
    [over ? 'Now' : 'Reached', percent === null ? null : percentText(percent)],
    ['Used', unseen ? null : count(used)],
    ['Held', unseen ? null : count(held)],
    ['Limit', limit === null ? null : count(limit)],
    ['Burn rate', rate === null ? null : `${count(rate)} tokens/h`],
    ['Limit reached', over ? null : time(document.limitReachedAt)],
    ['Resets', time(window.resetsAt)],
    ['Raised', time(document.raisedAt)],
    ['Resolved', time(document.resolvedAt)],
  ];
  const name = `${over ? 'Resolved ' : ''}${level.toUpperCase()}`;
  return {
    title: `${alert.kind === 'test' ? 'TEST: ' : ''}${name}: ${matterOf(document, percent)}, ${whoseOf(document)}`,
    summary: over ? summaryAtEnd(document) : document.message,
    facts: facts.flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])),
    spenders: (over ? [] : topAiTypes).map(
      (each) => `${each.aiType}: ${count(each.tokens)} (${percentText(each.percent)})`,
    ),
    effect: sentence(over ? effectAtEnd(document) : (effect ?? document.message)),
    command,
    bar:
      usedShare === null
        ? null
        : {
            used: usedShare,
            held: Math.min(100 - usedShare, percentUsed(held, limit) ?? 0),
          },
  };
}

/** What the matter is, in a few words without its level: for lists. */
export function shortMatter(alert: Alert): string {
  const document = alertDocument(alert);
  const { kind, percent, window, scope } = document;
  const matter =
    kind === 'level'
      ? `${percentText(percent ?? 0)} of ${window.start}`
      : matterOf(document, percent);
  return scope === 'global' ? matter : `${matter}, ${scope}`;
}

/** The bar in characters: used, held and free. */
export function barText({ used, held }: NonNullable<Message['bar']>, width: number): string {
  const full = Math.round((used * width) / 100);
  const some = Math.min(width - full, Math.round((held * width) / 100));
  return '█'.repeat(full) + '▒'.repeat(some) + '░'.repeat(width - full - some);
}

/** @param percent of the window, where the count is what matters */
function matterOf({ kind, details, window }: AlertDocument, percent: number | null): string {
  const which = windowText(window.kind, window.start);
  if (kind === 'blind') return "the ledger can't be reached";
  if (details === null) return `${percentText(percent ?? 0)} of the ${which}`;
  if ('denied' in details) {
    return `${count(details.denied)} of ${count(details.requests)} requests denied in the ${which}`;
  }
  if ('usual' in details) {
    return `${count(details.tokensThisHour)} tokens in an hour of the ${which}, usual are up to ${count(details.usual)}`;
  }
  if ('projected' in details) {
    return `the ${which} is on course for ${count(details.projected)} tokens`;
  }
  return `nothing logged since ${time(details.silentSince) ?? ''}`;
}

function detailsOf({ details }: AlertDocument): [string, string | null][] {
  if (details === null) return [];
  if ('denied' in details) {
    return [
      ['Denied', `${count(details.denied)} of ${count(details.requests)} requests`],
      ['Mostly by', details.mostBy],
    ];
  }
  if ('usual' in details) {
    return [
      ['In the hour', `${count(details.tokensThisHour)} tokens`],
      ['Usual', `up to ${count(details.usual)} tokens/h`],
    ];
  }
  if ('projected' in details) return [['Expected', `${count(details.projected)} tokens`]];
  return [['Silent since', time(details.silentSince)]];
}

function summaryAtEnd({ resolvedAt, overBecause, message }: AlertDocument): string {
  const because = overBecause === null ? '' : `: ${overBecause}`;
  return `Over since ${time(resolvedAt) ?? 'now'}${because}. It was: ${message}`;
}

function effectAtEnd({ kind, overBecause, goesOnAt }: AlertDocument): string {
  if (goesOnAt !== null) return `it is at ${goesOnAt} still`;
  if (kind === 'level' || kind === 'test') return 'this level denies nothing any more';
  return overBecause ?? 'it is over';
}

function whoseOf({ scope }: AlertDocument): string {
  return scope === 'global' ? 'all AI types' : scope;
}

function time(iso: string | null): string | null {
  return iso === null ? null : utcMinute(iso);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
