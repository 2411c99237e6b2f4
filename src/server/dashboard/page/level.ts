import { count } from '../../../budget/tokens.ts';
import { counted, duration, percentText } from '../../../budget/words.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import {
  bindingText,
  burnText,
  globalMonth,
  levelMeaning,
  runsOutText,
  shareText,
} from '../../../ledger/status-words.ts';
import { byId, h, redraw, setText } from './dom.ts';
import { localText, nowMs, relativeElement, timeElement } from './time.ts';

/** Are we safe, what binds, and when does it end? */

const GLYPHS = { ok: '✓', warning: '!', critical: '!!', emergency: '✕' } as const;

let announced: string | null = null;

/** Also run each second, as it says how long things last. */
export function renderLevel(report: StatusReport): void {
  const { level } = report;
  const section = byId('level');
  const blocked = report.largestAdmissible === 0;
  section.dataset['level'] = level;
  section.dataset['blocked'] = String(blocked);
  redraw(byId('level-title'), [level, blocked], () => [
    h('span', { class: 'glyph', 'aria-hidden': 'true' }, GLYPHS[level]),
    h('span', { class: 'word' }, level.toUpperCase()),
    blocked && level !== 'emergency'
      ? h('span', { class: 'blocked' }, 'no request passes now')
      : null,
  ]);
  setText(byId('level-share'), `${shareText(report)} in ${monthName(report)}`);
  setText(byId('level-meaning'), meaningOf(report));
  renderFacts(report);
  document.title = titleOf(report);
  announce(report);
}

/** What happens to requests now, in one or two sentences. */
function meaningOf(report: StatusReport): string {
  const meaning = levelMeaning(report, localText);
  // The emergency stop has said it all.
  if (report.level === 'emergency') return sentence(meaning ?? '');
  return [meaning, bindingText(report, nowMs())]
    .filter((text) => text !== null)
    .map(sentence)
    .join(' ');
}

function renderFacts(report: StatusReport): void {
  const { burnRate, lastLogAt, rates, largestAdmissible } = report;
  const month = globalMonth(report);
  const fact = (name: string, ...value: (Node | string | null)[]) =>
    h('div', {}, h('dt', {}, name), h('dd', {}, ...value));
  const data = [burnRate, lastLogAt, rates, largestAdmissible, month, Math.floor(nowMs() / 60_000)];
  redraw(byId('facts'), data, () => [
    fact(
      'Largest request now',
      largestAdmissible === null ? 'any' : counted(largestAdmissible, 'token'),
    ),
    fact('Runs out', raised(runsOutText(report, nowMs(), localText))),
    month === undefined
      ? null
      : fact(
          'Month resets',
          relativeElement(month.resetsAt, 'in'),
          ', ',
          timeElement(month.resetsAt),
        ),
    fact('Burn rate', raised(burnText(burnRate))),
    fact(
      'Requests',
      rates
        .map(({ window, requests, limit }) => {
          const of = limit === null ? '' : ` of ${count(limit)}`;
          return `${count(requests)}${of} ${window === 'minute' ? 'in 60 s' : 'today'}`;
        })
        .join(', '),
    ),
    fact('Last log', ...(lastLogAt === null ? ['none yet'] : [relativeElement(lastLogAt, 'ago')])),
  ]);
}

/** `CRITICAL 96.10 % · tokenctl` */
function titleOf(report: StatusReport): string {
  const percent = globalMonth(report)?.percent ?? null;
  const share = percent === null ? '' : ` ${percentText(percent)}`;
  return `${report.level.toUpperCase()}${share} · tokenctl`;
}

/** To those who hear the page: a level that has changed, and nothing else that ticks. */
function announce(report: StatusReport): void {
  if (announced === report.level) return;
  const first = announced === null;
  announced = report.level;
  if (!first) say(`Level ${report.level}. ${shareText(report)}. ${meaningOf(report)}`);
}

export function say(text: string): void {
  setText(byId('announcer'), text);
}

function monthName({ time }: StatusReport): string {
  return new Date(time).toLocaleDateString('en', {
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  });
}

export function sentence(text: string): string {
  if (text === '') return '';
  return `${raised(text)}${text.endsWith('.') ? '' : '.'}`;
}

/** With a capital letter. */
export function raised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** How long ago the page heard of the ledger, in words. */
export function sinceText(ms: number): string {
  return `${localText(ms)} (${duration(nowMs() - ms)} ago)`;
}
