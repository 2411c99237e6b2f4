import { count } from '../../../budget/tokens.ts';
import { percentText } from '../../../budget/words.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import { byId, h, redraw, setText } from './dom.ts';
import { relativeElement } from './time.ts';

/** Who spends. */

type Row = StatusReport['aiTypes'][number];

interface Column {
  readonly title: string;
  readonly order: (row: Row) => number | string;
  readonly cell: (row: Row) => Node | string;
  /** Marked where it is more than nothing. */
  readonly alarming?: boolean;
}

const taken = (row: Row): number => row.used + row.held;

const COLUMNS: readonly Column[] = [
  { title: 'AI type', order: (row) => row.aiType, cell: (row) => row.aiType },
  { title: 'Used', order: taken, cell: (row) => count(row.used) },
  { title: 'Share', order: (row) => row.percentOfGlobal, cell: share },
  { title: 'Today', order: (row) => row.today ?? 0, cell: (row) => count(row.today ?? 0) },
  { title: 'Held', order: (row) => row.held, cell: (row) => count(row.held) },
  { title: 'Requests', order: (row) => row.requests, cell: (row) => count(row.requests) },
  { title: 'Failed', order: (row) => row.failed, cell: (row) => count(row.failed), alarming: true },
  { title: 'Denied', order: (row) => row.denied, cell: (row) => count(row.denied), alarming: true },
  {
    title: 'Last',
    order: (row) => (row.lastRequestAt === null ? 0 : Date.parse(row.lastRequestAt)),
    cell: (row) => (row.lastRequestAt === null ? '-' : relativeElement(row.lastRequestAt, 'ago')),
  },
  {
    title: 'State',
    order: (row) => STATES.indexOf(row.status),
    cell: (row) => row.status.replace('_', ' '),
  },
];
const STATES: readonly Row['status'][] = ['active', 'warning', 'critical', 'limit_reached'];
const SHOWN = 20;

const sorted = { column: 1, descending: true };
let all = false;
let newest: StatusReport | null = null;

export function renderAiTypes(report: StatusReport): void {
  newest = report;
  const { aiTypes } = report;
  const table = byId('types');
  table.hidden = aiTypes.length === 0;
  const none = byId('types-none');
  none.hidden = aiTypes.length > 0;
  setText(none, `No AI type has used anything in ${report.time.slice(0, 7)}.`);
  const more = byId('types-all');
  more.hidden = aiTypes.length <= SHOWN;
  setText(more, all ? `Show ${String(SHOWN)}` : `Show all ${count(aiTypes.length)}`);
  const { order } = COLUMNS[sorted.column] ?? { order: taken };
  const sign = sorted.descending ? -1 : 1;
  const rows = aiTypes.toSorted(
    (a, b) => sign * compare(order(a), order(b)) || taken(b) - taken(a),
  );
  const shown = all ? rows : rows.slice(0, SHOWN);
  if (table.querySelector('thead') === null) table.append(header(), h('tbody'));
  markSorted(table);
  const body = table.querySelector('tbody');
  if (body !== null) redraw(body, shown, () => shown.map(line));
}

/** Its buttons stay, so that the one that was pressed keeps the focus. */
function header(): HTMLElement {
  const cells = COLUMNS.map(({ title }, index) => {
    const button = h('button', { type: 'button' }, title);
    button.addEventListener('click', () => {
      sorted.descending = sorted.column === index ? !sorted.descending : index > 0;
      sorted.column = index;
      if (newest !== null) renderAiTypes(newest);
    });
    return h('th', { scope: 'col' }, button);
  });
  byId('types-all').addEventListener('click', () => {
    all = !all;
    if (newest !== null) renderAiTypes(newest);
  });
  return h('thead', {}, h('tr', {}, ...cells));
}

function markSorted(table: HTMLElement): void {
  table.querySelectorAll('th[scope="col"]').forEach((cell, index) => {
    if (index !== sorted.column) cell.removeAttribute('aria-sort');
    else cell.setAttribute('aria-sort', sorted.descending ? 'descending' : 'ascending');
  });
}

function line(row: Row): HTMLElement {
  const cells = COLUMNS.map(({ cell, order, alarming = false }, index) => {
    if (index === 0) return h('th', { scope: 'row' }, cell(row));
    const marked = alarming && Number(order(row)) > 0;
    return h('td', { class: marked ? 'alarming' : '' }, cell(row));
  });
  return h('tr', { 'data-state': row.status }, ...cells);
}

function share(row: Row): Node {
  const bar = h('span', { class: 'share-bar', 'aria-hidden': 'true' });
  bar.style.setProperty('--share', `${String(row.percentOfGlobal)}%`);
  return h('span', { class: 'share-cell' }, bar, h('span', {}, percentText(row.percentOfGlobal)));
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : 1;
}
