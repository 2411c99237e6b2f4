import { count, limitText } from '../../../budget/tokens.ts';
import { percentText } from '../../../budget/words.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import type { WindowStatus } from '../../../ledger/window-status.ts';
import { byId, h, redraw } from './dom.ts';
import { clockText, relativeElement, timeElement } from './time.ts';

/** What is used, held and left of each window: those of all, then those of AI types with limits of their own. */
export function renderWindows(report: StatusReport): void {
  const shown = report.windows.filter((row) => row.scope === 'global' || row.limit !== null);
  redraw(byId('windows'), [shown, report.thresholds], () =>
    shown.map((row) => gauge(row, report.thresholds)),
  );
}

function gauge(row: WindowStatus, thresholds: StatusReport['thresholds']): HTMLElement {
  const { scope, window, used, held, limit, remaining, percent, resetsAt } = row;
  const number = (name: string, value: string) =>
    h('div', {}, h('dt', {}, name), h('dd', {}, value));
  return h(
    'li',
    { class: 'card gauge', 'data-tone': toneOf(percent) },
    h(
      'h3',
      {},
      h('span', {}, scope === 'global' ? title(window) : `${scope}, ${window}`),
      h('small', {}, periodText(row)),
    ),
    h('p', { class: 'figure' }, percent === null ? 'no limit' : percentText(percent)),
    limit === null
      ? null
      : bar(row, limit, scope === 'global' && window === 'month' ? thresholds : null),
    h(
      'dl',
      { class: 'numbers' },
      number('Used', count(used)),
      number('Held', count(held)),
      number('Left', remaining === null ? '-' : count(remaining)),
      number('Limit', limitText(limit)),
    ),
    h(
      'p',
      { class: 'muted' },
      'resets ',
      relativeElement(resetsAt, 'in'),
      ', ',
      timeElement(resetsAt),
    ),
  );
}

/** As the terminal colours its bars. */
function toneOf(percent: number | null): string {
  if (percent === null) return 'none';
  return percent >= 95 ? 'high' : percent >= 80 ? 'raised' : 'calm';
}

/** Used and held apart, by colour and by pattern; marks where the levels begin. */
function bar(
  { used, held, remaining }: WindowStatus,
  limit: number,
  thresholds: StatusReport['thresholds'] | null,
): HTMLElement {
  const share = (amount: number): string =>
    `${String(limit === 0 ? 100 : Math.min(100, (100 * amount) / limit))}%`;
  const part = (name: string, amount: number): HTMLElement => {
    const element = h('span', { class: name });
    element.style.width = share(amount);
    return element;
  };
  const marks = Object.entries({
    warning: thresholds?.warningAt ?? null,
    critical: thresholds?.criticalAt ?? null,
    emergency: thresholds?.emergencyAt ?? null,
  }).flatMap(([level, at]) => {
    if (at === null || at >= limit) return [];
    const mark = h('i', { class: 'mark', title: `${level} from ${count(at)} on` });
    mark.style.left = share(at);
    return [mark];
  });
  const text = `${count(used)} used, ${count(held)} held, ${count(remaining ?? 0)} left of ${count(limit)} tokens`;
  return h(
    'div',
    { class: 'bar', role: 'img', 'aria-label': text },
    part('used', used),
    part('held', Math.min(held, Math.max(0, limit - used))),
    ...marks,
  );
}

function title(window: WindowStatus['window']): string {
  return { month: 'Month', day: 'Day', hour: 'Hour' }[window];
}

function periodText({ window, startsAt, resetsAt }: WindowStatus): string {
  if (window === 'month') return startsAt.slice(0, 7);
  if (window === 'day') return startsAt.slice(0, 10);
  return `${clockText(Date.parse(startsAt))} – ${clockText(Date.parse(resetsAt))}`;
}
