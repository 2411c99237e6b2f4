import { age, duration } from '../../../budget/words.ts';
import { h, setText } from './dom.ts';

/** Times: local as they are read, in UTC when pointed at; and the server's clock, which rules. */

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const DAY = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
});
const DATE = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});

let serverMs = 0;
let seenAtMs = 0;

/** Takes the server's time from what it has just said. */
export function syncClock(iso: string): void {
  const said = Date.parse(iso);
  if (Number.isNaN(said)) return;
  serverMs = said;
  seenAtMs = performance.now();
}

/** Now, by the server's clock, in ms since 1970 UTC. */
export function nowMs(): number {
  return serverMs + (performance.now() - seenAtMs);
}

/** `14:03`; with the day where it is not today's. */
export function localText(iso: string | number): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '-';
  const now = new Date(nowMs());
  if (at.toDateString() === now.toDateString()) return CLOCK.format(at);
  const far = Math.abs(at.getTime() - now.getTime()) > 300 * 86_400_000;
  return `${(far ? DATE : DAY).format(at)}, ${CLOCK.format(at)}`;
}

export function clockText(ms: number): string {
  return CLOCK.format(ms);
}

/** `2026-11-24 13:03 UTC` */
function utcText(iso: string | number): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '-';
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** A time to read. */
export function timeElement(iso: string): HTMLElement {
  return h('time', { datetime: iso, title: utcText(iso) }, localText(iso));
}

/** `9 min ago` or `in 3 h 2 min`, kept true by `tick`. */
export function relativeElement(iso: string, kind: 'ago' | 'in'): HTMLElement {
  const title = `${localText(iso)} (${utcText(iso)})`;
  const element = h('time', { datetime: iso, title, 'data-relative': kind });
  write(element);
  return element;
}

/** Keeps every relative time true. */
export function tick(): void {
  for (const element of document.querySelectorAll('time[data-relative]')) write(element);
}

function write(element: Element): void {
  const atMs = Date.parse(element.getAttribute('datetime') ?? '');
  const past = element.getAttribute('data-relative') === 'ago';
  const ms = past ? nowMs() - atMs : atMs - nowMs();
  if (Number.isNaN(ms)) setText(element, '-');
  else setText(element, past ? `${age(ms)} ago` : `in ${duration(ms)}`);
}
