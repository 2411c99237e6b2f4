import uPlot from 'uplot';
import { count } from '../../../budget/tokens.ts';
import { counted } from '../../../budget/words.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import { globalMonth, takenOf } from '../../../ledger/status-words.ts';
import type { UsageReport } from '../../../ledger/usage.ts';
import { axes, color, Drawing, drawDotted, drawLine, type Line } from './canvas.ts';
import { byId, h, redraw, setText } from './dom.ts';
import { bucketsOf } from './stack.ts';
import { row } from './time-chart.ts';
import { localText, nowMs } from './time.ts';

/** The month's tokens added up day by day, its limit, and where it leads at the rate of now. */

interface Point {
  readonly atMs: number;
  readonly tokens: number;
}

interface Course {
  readonly points: readonly Point[];
  /** Where it leads by the end of the month; null without enough data. */
  readonly end: Point | null;
  readonly endMs: number;
  readonly lines: readonly Line[];
  readonly reachedAt: string | null;
}

const HOUR_MS = 3_600_000;
/** Lines nearer than this part of the height would hide each other's names. */
const APART = 0.09;

const drawing = new Drawing('month-chart');

/** @param usage of the month, by day */
export function renderMonthChart(report: StatusReport, usage: UsageReport): void {
  const month = globalMonth(report);
  if (month === undefined) return;
  const course = courseOf(report, usage);
  const taken = takenOf(month);
  const about = `${counted(taken, 'token')} used and held${month.limit === null ? ', no monthly limit' : ` of ${count(month.limit)}`}`;
  drawing.draw(`A line: ${about}. The table below has the numbers.`, (size) =>
    plotOf(course, `Now: ${about}`, size),
  );
  setText(byId('month-readout'), `Now: ${about}`);
  setText(byId('month-notes'), notesOf(course, usage));
  renderTable(course);
}

export function redrawMonthChart(): void {
  drawing.redraw();
}

function courseOf(report: StatusReport, usage: UsageReport): Course {
  const month = globalMonth(report);
  const taken = takenOf(month);
  const now = nowMs();
  const used = new Map(usage.rows.map((each) => [each.day ?? '', each.used]));
  let tokens = 0;
  const days = bucketsOf('days', now).filter(({ startMs }) => startMs <= now);
  const points: Point[] = days.map(({ startMs, key }) => {
    const point = { atMs: startMs, tokens };
    tokens += used.get(key) ?? 0;
    return point;
  });
  points.push({ atMs: now, tokens: taken });
  const { lastDay, lastHour, limitReachedAt } = report.burnRate;
  const rate = lastDay ?? lastHour;
  const endMs = month === undefined ? now : Date.parse(month.resetsAt);
  const end =
    rate === null
      ? null
      : { atMs: endMs, tokens: Math.round(taken + (rate * (endMs - now)) / HOUR_MS) };
  return {
    points,
    end,
    endMs,
    lines: linesOf(report, month?.limit ?? null),
    reachedAt: limitReachedAt,
  };
}

function linesOf({ thresholds: { emergencyAt } }: StatusReport, limit: number | null): Line[] {
  if (limit === null) return [];
  const line = { at: limit, text: `limit ${count(limit)}`, color: 'limit' };
  return emergencyAt === null || emergencyAt >= limit * (1 - APART)
    ? [line]
    : [line, { at: emergencyAt, text: `emergency stop ${count(emergencyAt)}`, color: 'raised' }];
}

function plotOf(
  { points, end, endMs, lines, reachedAt }: Course,
  now: string,
  { width, height }: { width: number; height: number },
): uPlot {
  const first = points[0]?.atMs ?? 0;
  const highest = Math.max(1, ...lines.map(({ at }) => at), ...points.map((each) => each.tokens));
  // A projection far above the limit says no more than one that leaves the chart.
  const top =
    lines.length === 0
      ? Math.max(highest, end?.tokens ?? 0)
      : Math.max(highest, Math.min(end?.tokens ?? 0, highest * 1.25));
  const fill = color('layer-0');
  return new uPlot(
    {
      ...{ width, height },
      padding: [10, 20, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: {
        x: { time: true, range: () => [first / 1_000, endMs / 1_000] },
        y: { range: () => [0, top * 1.08] },
      },
      axes: axes({
        space: 44,
        values: (_, splits) =>
          splits.map((at) => String(new Date(at * 1_000).getDate()).padStart(2, '0')),
        incrs: [1, 2, 3, 5, 7, 10, 15].map((days) => days * 86_400),
      }),
      series: [{}, { stroke: fill, width: 2.5, fill: `${fill}33`, points: { show: false } }],
      hooks: {
        draw: [
          (plot) => {
            const newest = points.at(-1);
            clipped(plot, () => {
              if (end !== null && newest !== undefined) {
                drawDotted(plot, [
                  [newest.atMs / 1_000, newest.tokens],
                  [end.atMs / 1_000, end.tokens],
                ]);
              }
              if (reachedAt !== null) {
                const at = Date.parse(reachedAt) / 1_000;
                drawDotted(plot, [
                  [at, 0],
                  [at, lines[0]?.at ?? 0],
                ]);
              }
            });
            for (const line of lines) drawLine(plot, line);
          },
        ],
        setCursor: [
          (plot) => {
            const point = points[plot.cursor.idx ?? -1];
            setText(
              byId('month-readout'),
              point === undefined
                ? now
                : `${localText(point.atMs)}: ${counted(point.tokens, 'token')}`,
            );
          },
        ],
      },
    },
    [points.map(({ atMs }) => atMs / 1_000), points.map(({ tokens }) => tokens)],
  );
}

function clipped({ ctx, bbox }: uPlot, draw: () => void): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw();
  ctx.restore();
}

function notesOf({ end, reachedAt }: Course, { adjustments }: UsageReport): string {
  const notes: string[] = [];
  if (reachedAt !== null)
    notes.push(`At the rate of now the limit is reached ${localText(reachedAt)}.`);
  if (end !== null)
    notes.push(
      `Dotted: ${counted(end.tokens, 'token')} at the end of the month, at the rate of now.`,
    );
  if (adjustments !== null && adjustments.used !== 0) {
    const sign = adjustments.used > 0 ? '+' : '−';
    notes.push(
      `Resets and corrections: ${sign}${count(Math.abs(adjustments.used))}, in the last point only.`,
    );
  }
  return notes.join(' ');
}

function renderTable({ points, end }: Course): void {
  const minute = Math.floor(nowMs() / 60_000);
  redraw(
    byId('month-table'),
    [points.slice(0, -1), points.at(-1)?.tokens, end?.tokens, minute],
    () => [
      h('thead', {}, row('th', ['Until', 'Tokens of the month'])),
      h(
        'tbody',
        {},
        ...(end === null
          ? []
          : [row('td', [`${localText(end.atMs)}, expected`, count(end.tokens)])]),
        ...points
          .toReversed()
          .map(({ atMs, tokens }, index) =>
            row('td', [index === 0 ? `${localText(atMs)}, now` : localText(atMs), count(tokens)]),
          ),
      ),
    ],
  );
}
