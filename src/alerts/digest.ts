import { createHash } from 'node:crypto';
import { LEVELS } from '../budget/levels.ts';
import { count } from '../budget/tokens.ts';
import { isoTime, utcMinute } from '../budget/windows.ts';
import { incidentOf, type AlertLevel } from '../ledger/alerts.ts';
import { deliveryId, type Digest, type DigestEntry } from './channel.ts';
import { messageOf } from './message.ts';

/** Several alerts that are told in one message, and how it reads. Pure. */

const LISTED = 50;

/** @param told at least one; that something is over comes after that it began */
export function digestOf(told: readonly DigestEntry[]): Digest {
  const ids = told.map(({ alert, event }) => deliveryId(alert, event)).toSorted();
  const latest = new Map<string, DigestEntry>();
  for (const { alert, event } of told) {
    const over = event === 'resolved' || latest.get(alert.id)?.event === 'resolved';
    latest.set(alert.id, { alert, event: over ? 'resolved' : 'raised' });
  }
  const ended = new Set(
    [...latest.values()].filter(({ event }) => event === 'resolved').map(incidentIn),
  );
  const all = [...latest.values()]
    .filter((entry) => entry.event === 'resolved' || !isOver(entry, ended))
    .toSorted((a, b) => rank(b) - rank(a));
  const resolved = all.filter(({ event }) => event === 'resolved').length;
  return {
    id: `digest.${createHash('sha256').update(ids.join(' ')).digest('hex').slice(0, 32)}`,
    atMs: Math.max(...all.map(happenedAt)),
    entries: all.slice(0, LISTED),
    raised: all.length - resolved,
    resolved,
    more: Math.max(0, all.length - LISTED),
  };
}

/** Of an incident that is over its highest level says so; the others need no word any more. */
function isOver(entry: DigestEntry, ended: ReadonlySet<string>): boolean {
  return entry.alert.state === 'resolved' && ended.has(incidentIn(entry));
}

function incidentIn({ alert }: DigestEntry): string {
  return incidentOf(alert);
}

function rank({ alert, event }: DigestEntry): number {
  return event === 'resolved' ? 0 : LEVELS.indexOf(alert.level);
}

function happenedAt({ alert, event }: DigestEntry): number {
  return (event === 'raised' ? alert.raisedAtMs : alert.resolvedAtMs) ?? alert.seenAtMs;
}

function timeText(atMs: number): string {
  return utcMinute(isoTime(atMs));
}

/** What a person reads of a digest, in plain text. */
export interface DigestMessage {
  /** `3 alerts: 2 raised, 1 resolved` */
  readonly title: string;
  /** The colour of the gravest. */
  readonly level: AlertLevel | 'resolved';
  readonly entries: readonly {
    readonly level: AlertLevel | 'resolved';
    readonly title: string;
    /** `raised 2026-11-24 13:00 UTC` */
    readonly when: string;
    /** What happens to requests, as a sentence; null for what is over. */
    readonly effect: string | null;
  }[];
  readonly more: number;
  /** The next command to run. */
  readonly command: string;
}

export function digestMessage({ entries, raised, resolved, more }: Digest): DigestMessage {
  const all = raised + resolved;
  const parts = [
    ...(raised > 0 ? [`${count(raised)} raised`] : []),
    ...(resolved > 0 ? [`${count(resolved)} resolved`] : []),
  ];
  const lines = entries.map((entry) => {
    const { alert, event } = entry;
    const { title, effect } = messageOf(alert, event);
    const over = event === 'resolved';
    const began = `raised ${timeText(alert.raisedAtMs ?? alert.seenAtMs)}`;
    return {
      level: over ? ('resolved' as const) : alert.level,
      title,
      when: over ? `${began}, over ${timeText(happenedAt(entry))}` : began,
      effect: over ? null : effect,
    };
  });
  return {
    title: `${count(all)} ${all === 1 ? 'alert' : 'alerts'}: ${parts.join(', ')}`,
    level: lines[0]?.level ?? 'resolved',
    entries: lines,
    more,
    command: 'tokenctl alerts',
  };
}
