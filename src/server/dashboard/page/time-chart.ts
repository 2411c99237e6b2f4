import uPlot from 'uplot';
import { count } from '../../../budget/tokens.ts';
import { counted } from '../../../budget/words.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import { axes, color, Drawing, drawDotted, drawLine, layerColor } from './canvas.ts';
import { byId, h, redraw, setText } from './dom.ts';
import { OTHERS, type Stack, type View } from './stack.ts';
import { clockText, nowMs } from './time.ts';

/** Tokens over time, stacked by AI type, with the limit and what is to be expected. */

const WINDOW = { hours: 'hour', days: 'day', months: 'month' } as const;
const UNIT = { hours: 'an hour', days: 'a day', months: 'a month' } as const;
/** A limit so many times above the highest bar would leave no bar to be seen. */
const MOST_ABOVE = 5;
const HOUR_MS = 3_600_000;

const drawing = new Drawing('time-chart');

export function renderTimeChart(stack: Stack, report: StatusReport): void {
  const { view, layers, totals } = stack;
  const limit = limitOf(view, report);
  const expected = expectedOf(stack, report);
  const highest = Math.max(0, ...totals, ...expected.map(([, value]) => value));
  const limitShown = limit !== null && (highest === 0 || limit <= highest * MOST_ABOVE);
  const total = layers.reduce((sum, layer) => sum + layer.total, 0);
  const about = `${counted(total, 'token')} in ${spanText(stack)}`;
  drawing.draw(`Bars: ${about}. The table below has the numbers.`, (size) =>
    plotOf(
      stack,
      expected,
      limitShown ? limit : null,
      Math.max(highest, limitShown ? limit : 0),
      size,
    ),
  );
  readout(stack, null);
  renderLegend(stack);
  setText(
    byId('time-notes'),
    [
      `${about}. Open requests are not in it.`,
      limit === null
        ? `No limit ${UNIT[view]}.`
        : limitShown
          ? ''
          : `The limit of ${count(limit)} ${UNIT[view]} lies far above this chart.`,
      expected.length > 0 ? 'Dotted: what is to be expected at the rate of now.' : '',
    ]
      .filter((text) => text !== '')
      .join(' '),
  );
  renderTable(stack);
}

export function redrawTimeChart(): void {
  drawing.redraw();
}

function limitOf(view: View, { windows }: StatusReport): number | null {
  const found = windows.find(({ scope, window }) => scope === 'global' && window === WINDOW[view]);
  return found?.limit ?? null;
}

/** What the current bucket and those after it come to at the rate of now. */
function expectedOf(
  { view, buckets, totals, current }: Stack,
  { burnRate: { lastHour, lastDay } }: StatusReport,
): [place: number, tokens: number][] {
  const rate = lastDay ?? lastHour;
  if (rate === null || rate === 0 || view === 'hours') return [];
  return buckets.flatMap(({ startMs, endMs }, place): [number, number][] => {
    if (place < current || current === -1) return [];
    const left = (endMs - Math.max(startMs, nowMs())) / HOUR_MS;
    return [[place, Math.round((totals[place] ?? 0) + rate * left)]];
  });
}

function plotOf(
  stack: Stack,
  expected: readonly (readonly [number, number])[],
  limit: number | null,
  highest: number,
  { width, height }: { width: number; height: number },
): uPlot {
  const { buckets, layers } = stack;
  const xs = buckets.map((_, index) => index);
  // Each bar reaches from the ground up over those below it: the highest is drawn first.
  const below = buckets.map(() => 0);
  const sums = layers.map(({ values }) =>
    values.map((value, place) => (below[place] = (below[place] ?? 0) + value)),
  );
  const bars = uPlot.paths.bars?.({ size: [0.78, 48], gap: 0 });
  const series = layers.map((layer, place): uPlot.Series => {
    const fill = color(layerColor(place, layer.name === OTHERS));
    return {
      fill,
      stroke: color('surface'),
      width: 1 / devicePixelRatio,
      points: { show: false },
      ...(bars === undefined ? {} : { paths: bars }),
    };
  });
  return new uPlot(
    {
      ...{ width, height },
      padding: [10, 20, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      scales: {
        x: { time: false, range: () => [-0.6, buckets.length - 0.4] },
        y: { range: () => [0, highest === 0 ? 10 : highest * 1.08] },
      },
      axes: axes({
        splits: () => labelled(stack, width),
        values: (_, splits) => splits.map((place) => axisText(stack, place)),
      }),
      series: [{}, ...series.toReversed()],
      hooks: {
        draw: [
          (plot) => {
            for (const [place, tokens] of expected) drawExpected(plot, place, tokens);
            if (limit !== null) {
              drawLine(plot, { at: limit, text: `limit ${count(limit)}`, color: 'limit' });
            }
          },
        ],
        setCursor: [(plot) => readout(stack, plot.cursor.idx ?? null)],
      },
    },
    [xs, ...sums.toReversed()],
  );
}

/** A bar that is only outlined. */
function drawExpected(plot: uPlot, place: number, tokens: number): void {
  drawDotted(plot, [
    [place - 0.38, 0],
    [place - 0.38, tokens],
    [place + 0.38, tokens],
    [place + 0.38, 0],
  ]);
}

/** As many labels as there is room for; the current bucket's is one of them. */
function labelled({ buckets, view, current }: Stack, width: number): number[] {
  const room = view === 'hours' ? 52 : view === 'days' ? 30 : 44;
  const step =
    [1, 2, 3, 4, 6, 8, 12, 24].find((each) => (buckets.length / each) * room < width - 60) ?? 24;
  const anchor = view === 'days' ? 0 : Math.max(0, current);
  return buckets.map((_, place) => place).filter((place) => (anchor - place) % step === 0);
}

function axisText({ buckets, view }: Stack, place: number): string {
  const bucket = buckets[place];
  if (bucket === undefined) return '';
  if (view === 'hours') return clockText(bucket.startMs);
  if (view === 'days') return bucket.key.slice(8);
  return new Date(bucket.startMs).toLocaleDateString('en', { month: 'short', timeZone: 'UTC' });
}

/** The hour by the local clock; a day and a month are those of UTC. */
function bucketText({ buckets, view }: Stack, place: number): string {
  const bucket = buckets[place];
  if (bucket === undefined) return '';
  if (view !== 'hours') return bucket.key;
  const day = new Date(bucket.startMs).toLocaleDateString(undefined, { weekday: 'short' });
  return `${day} ${clockText(bucket.startMs)} – ${clockText(bucket.endMs)}`;
}

function spanText({ view, buckets }: Stack): string {
  if (view === 'days') return buckets[0]?.key.slice(0, 7) ?? '';
  return view === 'hours' ? 'the last 48 hours' : 'the last 12 months';
}

/** The numbers of the bar that is pointed at, else of the newest. */
function readout(stack: Stack, pointed: number | null): void {
  const place = pointed ?? stack.current;
  const parts = stack.layers
    .map(({ name, values }) => ({ name, value: values[place] ?? 0 }))
    .filter(({ value }) => value > 0)
    .map(({ name, value }) => `${name} ${count(value)}`);
  const now = place === stack.current ? ', not over yet' : '';
  const total = counted(stack.totals[place] ?? 0, 'token');
  setText(
    byId('time-readout'),
    `${bucketText(stack, place)}${now}: ${total}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`,
  );
}

function renderLegend({ layers }: Stack): void {
  redraw(byId('time-legend'), layers, () =>
    layers.map(({ name, total }, place) =>
      h(
        'li',
        {},
        h('span', { class: `swatch ${layerColor(place, name === OTHERS)}`, 'aria-hidden': 'true' }),
        h('span', { class: 'name' }, name),
        h('span', { class: 'muted' }, count(total)),
      ),
    ),
  );
}

function renderTable(stack: Stack): void {
  const { layers, totals, buckets, current } = stack;
  redraw(byId('time-table'), stack, () => [
    h('thead', {}, row('th', ['Period', 'Total', ...layers.map(({ name }) => name)])),
    h(
      'tbody',
      {},
      ...buckets
        .map((_, place) => place)
        .filter((place) => place <= current || current === -1)
        .toReversed()
        .map((place) =>
          row('td', [
            bucketText(stack, place),
            count(totals[place] ?? 0),
            ...layers.map(({ values }) => count(values[place] ?? 0)),
          ]),
        ),
    ),
  ]);
}

export function row(kind: 'th' | 'td', texts: readonly string[]): HTMLElement {
  return h(
    'tr',
    {},
    ...texts.map((text, index) => {
      if (kind === 'th') return h('th', { scope: 'col' }, text);
      return index === 0 ? h('th', { scope: 'row' }, text) : h('td', {}, text);
    }),
  );
}
