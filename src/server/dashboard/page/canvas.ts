import type uPlot from 'uplot';
import { byId } from './dom.ts';

/** What both charts draw alike: colours of the theme, axes, lines that stand for limits. */

/** A colour of the theme, as style.css names it. */
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The colour of the layer at a place, of which the last may be the others'. */
export function layerColor(place: number, isOthers: boolean): string {
  return isOthers ? 'others' : `layer-${String(place)}`;
}

/** Steps of an axis of whole tokens. */
const WHOLE = [...Array(13).keys()].flatMap((power) => [1, 2, 5].map((each) => each * 10 ** power));
const FONT = '12px system-ui, sans-serif';

/** `20k`, `1.5M` */
function compact(value: number): string {
  for (const [unit, size] of [
    ['B', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (Math.abs(value) >= size) return `${String(Math.round((10 * value) / size) / 10)}${unit}`;
  }
  return String(Math.round(value));
}

export function axes(x: Partial<uPlot.Axis>): uPlot.Axis[] {
  const common = {
    stroke: color('muted'),
    font: FONT,
    ticks: { show: false },
    grid: { stroke: color('line'), width: 1 },
  };
  return [
    { ...common, grid: { show: false }, size: 28, gap: 6, ...x },
    { ...common, size: 46, incrs: WHOLE, gap: 6, values: (_, splits) => splits.map(compact) },
  ];
}

export interface Line {
  readonly at: number;
  readonly text: string;
  readonly color: string;
}

/** A limit as a line over the whole width, with its name. */
export function drawLine(plot: uPlot, { at, text, color: name }: Line): void {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(at, 'y', true);
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = color(name);
  ctx.lineWidth = 2 * ratio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.textAlign = 'left';
  ctx.textBaseline = 'alphabetic';
  ctx.font = `600 ${String(12 * ratio)}px system-ui, sans-serif`;
  const above = y - 5 * ratio;
  const tight = above - 12 * ratio < bbox.top;
  const width = ctx.measureText(text).width;
  const left = bbox.left + 6 * ratio;
  const base = tight ? y + 15 * ratio : above;
  // Behind the words nothing else is seen.
  ctx.fillStyle = color('surface');
  ctx.globalAlpha = 0.85;
  ctx.fillRect(left - 3 * ratio, base - 11 * ratio, width + 6 * ratio, 14 * ratio);
  ctx.globalAlpha = 1;
  ctx.fillStyle = color(name);
  ctx.fillText(text, left, base);
  ctx.restore();
}

/** A dotted line through points of the chart. */
export function drawDotted(plot: uPlot, points: readonly (readonly [number, number])[]): void {
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = color('text');
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  points.forEach(([x, y], index) => {
    const at = [plot.valToPos(x, 'x', true), plot.valToPos(y, 'y', true)] as const;
    if (index === 0) ctx.moveTo(...at);
    else ctx.lineTo(...at);
  });
  ctx.stroke();
  ctx.restore();
}

/** A chart that is drawn anew with its data, its room and its theme. */
export class Drawing {
  readonly #place: HTMLElement;
  #make: ((size: { width: number; height: number }) => uPlot) | null = null;
  #plot: uPlot | null = null;

  constructor(id: string) {
    this.#place = byId(id);
    let width = 0;
    new ResizeObserver(([entry]) => {
      const now = Math.round(entry?.contentRect.width ?? 0);
      if (now === width) return;
      width = now;
      this.redraw();
    }).observe(this.#place);
  }

  draw(label: string, make: (size: { width: number; height: number }) => uPlot): void {
    this.#place.setAttribute('aria-label', label);
    this.#make = make;
    this.redraw();
  }

  redraw(): void {
    const { clientWidth: width, clientHeight: height } = this.#place;
    if (this.#make === null || width === 0) return;
    const { left = -1, top = -1 } = this.#plot?.cursor ?? {};
    this.#plot?.destroy();
    this.#plot = this.#make({ width, height });
    this.#place.replaceChildren(this.#plot.root);
    // What is pointed at stays so.
    if (left >= 0) this.#plot.setCursor({ left, top });
  }
}
