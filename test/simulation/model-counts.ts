/** What rows and adjustments add up to, by window and by rollup: docs/rules.md, "What a row costs". */

export interface Row {
  readonly id: string;
  /** The AI type that it counts under. */
  readonly aiType: string;
  /** The instant that it counts at, in ms. */
  readonly atMs: number;
  /** What was written was no time, or one to come, so it counts when it was written. */
  readonly flagged: boolean;
  readonly state: 'reserved' | 'settled' | 'released' | 'expired' | 'denied';
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly total: number;
  readonly reserved: number;
  readonly reservedInput: number;
  readonly items: number;
  readonly denials: number;
  readonly expiresAtMs: number;
  readonly success: boolean;
  readonly model: string | null;
  readonly requestType: string | null;
  readonly key: string | null;
  /** How many resets there were when its charge was set: those can't have taken it. */
  readonly resetsBefore: number;
}

export interface Count {
  tokensIn: number;
  tokensOut: number;
  used: number;
  held: number;
  requests: number;
  requestsReset: number;
  failed: number;
  denied: number;
}
export const COLUMNS = [
  'tokensIn',
  'tokensOut',
  'used',
  'held',
  'requests',
  'requestsReset',
  'failed',
  'denied',
] as const satisfies (keyof Count)[];

export function nothing(): Count {
  return {
    tokensIn: 0,
    tokensOut: 0,
    used: 0,
    held: 0,
    requests: 0,
    requestsReset: 0,
    failed: 0,
    denied: 0,
  };
}

const MOST = 1_000_000_000_000;
const bounded = (tokens: number): number => Math.min(Math.max(tokens, 0), MOST);

export function countOf(row: Row): Count {
  const items = Math.max(row.items, 1);
  if (row.state === 'denied') return { ...nothing(), denied: Math.max(row.denials, 1) };
  if (row.state === 'reserved') {
    return { ...nothing(), held: bounded(row.reserved), requests: items };
  }
  return {
    ...nothing(),
    tokensIn: bounded(row.tokensIn),
    tokensOut: bounded(row.tokensOut),
    used: bounded(Math.max(row.total, row.tokensIn + row.tokensOut)),
    requests: items,
    failed: row.success ? 0 : items,
  };
}

/** A window by its name, or a rollup by its parts. */
export type Sums = Map<string, Count>;

export function addTo(sums: Sums, key: string, count: Partial<Count>, sign: 1 | -1 = 1): void {
  let sum = sums.get(key);
  if (sum === undefined) sums.set(key, (sum = nothing()));
  for (const column of COLUMNS) sum[column] += sign * (count[column] ?? 0);
}

/** Month, day and hour of an instant: '2024-02', '2024-02-29', '2024-02-29T23'. */
export function startsOf(atMs: number): [month: string, day: string, hour: string] {
  const iso = new Date(atMs).toISOString();
  return [iso.slice(0, 7), iso.slice(0, 10), iso.slice(0, 13)];
}

export const GLOBAL = '';

export function windowKey(scope: string, start: string): string {
  return `${start} ${scope}`;
}

export function rollupKey(
  hour: string,
  aiType: string,
  model: string | null,
  requestType: string | null,
): string {
  return [hour, aiType, model ?? '', requestType ?? ''].join('|');
}
