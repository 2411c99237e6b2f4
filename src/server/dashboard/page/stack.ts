import type { UsageReport } from '../../../ledger/usage.ts';

/** Usage as stacked bars: which buckets a view has, and what each AI type used in them. Pure. */

export type View = 'hours' | 'days' | 'months';

interface Bucket {
  /** As the usage's rows name it, in UTC: 2026-11-24T05, 2026-11-24, 2026-11. */
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
}

interface Layer {
  readonly name: string;
  /** Tokens of each bucket. */
  readonly values: readonly number[];
  readonly total: number;
}

export interface Stack {
  readonly view: View;
  readonly buckets: readonly Bucket[];
  /** The AI types with the most, the greatest first; what is left over is `others`. */
  readonly layers: readonly Layer[];
  readonly totals: readonly number[];
  /** The place of the bucket that is not over yet. */
  readonly current: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HOURS = 48;
const MONTHS = 12;
/** AI types that have a colour of their own. */
const MOST_LAYERS = 6;
export const OTHERS = 'others';
/** The rows with the most tokens; smaller ones are among the others. */
const MOST_ROWS = 2_000;

const GROUP = { hours: 'hour', days: 'day', months: 'month' } as const;
const KEY_LENGTH = { hours: 13, days: 10, months: 7 } as const;

export function bucketsOf(view: View, nowMs: number): Bucket[] {
  const now = new Date(nowMs);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const bucket = (startMs: number, endMs: number): Bucket => ({
    key: new Date(startMs).toISOString().slice(0, KEY_LENGTH[view]),
    startMs,
    endMs,
  });
  const times = (length: number, make: (index: number) => Bucket): Bucket[] =>
    Array.from({ length }, (_, index) => make(index));
  switch (view) {
    case 'hours': {
      const first = (Math.floor(nowMs / HOUR_MS) - HOURS + 1) * HOUR_MS;
      return times(HOURS, (index) =>
        bucket(first + index * HOUR_MS, first + (index + 1) * HOUR_MS),
      );
    }
    case 'days': {
      const first = Date.UTC(year, month);
      const days = (Date.UTC(year, month + 1) - first) / DAY_MS;
      return times(days, (index) => bucket(first + index * DAY_MS, first + (index + 1) * DAY_MS));
    }
    case 'months':
      return times(MONTHS, (index) => {
        const at = month - MONTHS + 1 + index;
        return bucket(Date.UTC(year, at), Date.UTC(year, at + 1));
      });
  }
}

/** What to ask: the totals, and those of AI types. */
export function questionsOf(view: View, nowMs: number): { totals: string; byAiType: string } {
  const [first] = bucketsOf(view, nowMs);
  const since = new Date(first?.startMs ?? 0).toISOString().slice(0, 19);
  const path = `/api/v1/usage?since=${since}Z&by=${GROUP[view]}`;
  return { totals: path, byAiType: `${path},ai-type&sort=used&limit=${String(MOST_ROWS)}` };
}

export function stackOf(
  view: View,
  nowMs: number,
  totals: UsageReport,
  byAiType: UsageReport,
): Stack {
  const buckets = bucketsOf(view, nowMs);
  const places = new Map(buckets.map(({ key }, index) => [key, index]));
  const placeOf = (row: UsageReport['rows'][number]): number | undefined =>
    places.get(row.hour ?? row.day ?? row.month ?? '');
  const empty = (): number[] => buckets.map(() => 0);
  const sums = empty();
  for (const row of totals.rows) {
    const place = placeOf(row);
    if (place !== undefined) sums[place] = row.used;
  }
  const byName = new Map<string, number[]>();
  for (const row of byAiType.rows) {
    const place = placeOf(row);
    if (place === undefined) continue;
    const name = row.aiType ?? '';
    const values = byName.get(name) ?? empty();
    values[place] = (values[place] ?? 0) + row.used;
    byName.set(name, values);
  }
  const named = [...byName]
    .map(([name, values]) => ({ name, values, total: sum(values) }))
    .filter(({ total }) => total > 0)
    .toSorted((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1));
  const layers: Layer[] = named.slice(0, MOST_LAYERS);
  const left = sums.map((total, place) =>
    Math.max(0, total - sum(layers.map(({ values }) => values[place] ?? 0))),
  );
  if (sum(left) > 0) layers.push({ name: OTHERS, values: left, total: sum(left) });
  return {
    view,
    buckets,
    layers,
    totals: sums,
    current: buckets.findIndex(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
