import { invalidInput } from './errors.ts';
import { requireCount } from './tokens.ts';
import { isoTime, WINDOW_KINDS, windowAt } from './windows.ts';

/** What a question about usage may ask, and which windows its period is made of. Pure. */

/** What usage may be grouped by. */
export const USAGE_GROUPS = ['ai-type', 'model', 'request-type', 'hour', 'day', 'month'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** used: the most tokens first. key: by time or name. */
export const USAGE_ORDERS = ['used', 'key'] as const;
export type UsageOrder = (typeof USAGE_ORDERS)[number];

/** The most rows of one answer. */
export const MOST_USAGE_ROWS = 10_000;

/** A question as it was asked, not checked. What is left out, or null, was not asked for. */
export interface UsageRequest {
  /** From this instant on, in ms since 1970 UTC. */
  readonly sinceMs?: number | null;
  /** Up to, and without, this instant; only with `sinceMs`. Up to now by default. */
  readonly untilMs?: number | null;
  /** A whole month in place of the two, 'YYYY-MM' (UTC). */
  readonly month?: string | null;
  /** One or two of USAGE_GROUPS, at most one of them a time; AI types by default. */
  readonly by?: readonly string[] | null;
  /** As `parseAiType` gives it, or 'unknown'. */
  readonly aiType?: string | null;
  /** As it was logged. */
  readonly model?: string | null;
  /** As it was logged: sdk, gateway, import, direct … */
  readonly requestType?: string | null;
  /** One of USAGE_ORDERS; by time where it is grouped by time, else by tokens. */
  readonly sort?: string | null;
  /** The rows with the most tokens, 1 to 10,000; what they leave out is one row. */
  readonly limit?: number | null;
}

/** Whole UTC hours, in ms. */
export interface UsagePeriod {
  readonly sinceMs: number;
  /** The first instant after it. */
  readonly untilMs: number;
}

/** Which requests; null takes all. */
export interface UsageFilter {
  readonly aiType: string | null;
  readonly model: string | null;
  readonly requestType: string | null;
}

/** A question that can be answered. */
export interface UsageQuery {
  readonly period: UsagePeriod;
  readonly by: readonly UsageGroup[];
  readonly filter: UsageFilter;
  readonly sort: UsageOrder;
  readonly limit: number | null;
  /** What stands before an option's name in messages. */
  readonly spelling: '--' | '';
}

const HOUR_MS = 3_600_000;
const FIRST_MS = 0;
const LAST_MS = Date.UTC(9999, 0);
const TIMES: readonly UsageGroup[] = ['hour', 'day', 'month'];

/**
 * Checks a question. A period that begins or ends inside an hour is made greater to whole hours, as
 * nothing smaller is counted.
 * @param spelling '--' where options are flags, for messages
 * @throws invalid_input
 */
export function usageQuery(
  request: UsageRequest,
  nowMs: number,
  spelling: UsageQuery['spelling'],
): UsageQuery {
  const { limit = null, sort = null } = request;
  const by = groupsOf(request.by ?? ['ai-type'], `${spelling}by`);
  const period = periodOf(request, nowMs, spelling);
  const hours = (period.untilMs - period.sinceMs) / HOUR_MS;
  if (by.includes('hour') && hours > MOST_USAGE_ROWS) {
    throw invalidInput(
      `${spelling}by`,
      `the period has ${String(hours)} hours, and an answer at most ${String(MOST_USAGE_ROWS)} rows`,
      'group by day, or ask for a shorter period',
    );
  }
  return {
    period,
    by,
    filter: {
      aiType: request.aiType ?? null,
      model: request.model ?? null,
      requestType: request.requestType ?? null,
    },
    sort: sort === null ? usualOrder(by) : oneOf(USAGE_ORDERS, sort, `${spelling}sort`),
    limit: limit === null ? null : requireCount(`${spelling}limit`, limit, 1, MOST_USAGE_ROWS),
    spelling,
  };
}

function groupsOf(texts: readonly string[], field: string): UsageGroup[] {
  const groups = texts.map((text) => oneOf(USAGE_GROUPS, text, field));
  if (groups.length < 1 || groups.length > 2 || groups[0] === groups[1]) {
    throw invalidInput(
      field,
      `takes one or two different ones, not ${groups.join(', ') || 'none'}`,
      'for example day and ai-type',
    );
  }
  if (groups.filter((group) => TIMES.includes(group)).length > 1) {
    throw invalidInput(
      field,
      `${groups.join(' and ')} are both times`,
      'one of them, alone or beside ai-type, model or request-type',
    );
  }
  return groups;
}

function usualOrder(by: readonly UsageGroup[]): UsageOrder {
  return by.some((group) => TIMES.includes(group)) ? 'key' : 'used';
}

function oneOf<T extends string>(known: readonly T[], text: string, field: string): T {
  const found = known.find((each) => each === text.trim().toLowerCase());
  if (found !== undefined) return found;
  const shown = text.slice(0, 60).replaceAll(/\p{C}/gu, '?');
  throw invalidInput(field, `"${shown}" is none of its values`, `one of: ${known.join(', ')}`);
}

function periodOf(
  { sinceMs = null, untilMs = null, month = null }: UsageRequest,
  nowMs: number,
  spelling: UsageQuery['spelling'],
): UsagePeriod {
  const [since, until] = [`${spelling}since`, `${spelling}until`];
  if (month !== null) {
    if (sinceMs === null && untilMs === null) return monthOf(month, nowMs, `${spelling}month`);
    throw invalidInput(`${spelling}month`, `does not go with ${since} and ${until}`);
  }
  if (sinceMs === null) {
    if (untilMs === null) return monthOf(isoTime(nowMs).slice(0, 7), nowMs, `${spelling}month`);
    throw invalidInput(until, `needs ${since}, where the period begins`);
  }
  if (sinceMs > nowMs) throw invalidInput(since, 'lies in the future');
  if (untilMs !== null && untilMs <= sinceMs) {
    throw invalidInput(until, `must be later than ${since}`);
  }
  for (const [field, atMs] of [
    [since, sinceMs],
    [until, untilMs ?? nowMs],
  ] as const) {
    if (atMs >= FIRST_MS && atMs < LAST_MS) continue;
    throw invalidInput(field, 'must be a time from 1970 to 9998');
  }
  return {
    sinceMs: windowAt('hour', sinceMs).startsAtMs,
    untilMs: windowAt('hour', untilMs === null ? nowMs : untilMs - 1).resetsAtMs,
  };
}

function monthOf(month: string, nowMs: number, field: string): UsagePeriod {
  const current = isoTime(nowMs).slice(0, 7);
  if (!/^(19[7-9]|[2-9]\d\d)\d-(0[1-9]|1[0-2])$/.test(month)) {
    const shown = month.slice(0, 60).replaceAll(/\p{C}/gu, '?');
    throw invalidInput(field, `"${shown}" is no month`, `YYYY-MM, for example ${current}`);
  }
  if (month > current) throw invalidInput(field, `${month} has not begun`);
  const { startsAtMs, resetsAtMs } = windowAt('month', Date.parse(`${month}-01T00:00:00Z`));
  return { sinceMs: startsAtMs, untilMs: resetsAtMs };
}

/**
 * The windows that a period is made of, by name: whole months, then whole days, then hours. A period
 * that reaches to the current hour holds the current month and day as whole ones, as nothing counts in
 * the future.
 */
export function windowsOfPeriod({ sinceMs, untilMs }: UsagePeriod, nowMs: number): string[] {
  const upToNow = untilMs >= windowAt('hour', nowMs).resetsAtMs;
  const endMs = upToNow ? Math.max(untilMs, windowAt('month', nowMs).resetsAtMs) : untilMs;
  const starts: string[] = [];
  let atMs = sinceMs;
  while (atMs < endMs) {
    const fitting = WINDOW_KINDS.map((kind) => windowAt(kind, atMs)).find(
      ({ startsAtMs, resetsAtMs }) => startsAtMs === atMs && resetsAtMs <= endMs,
    );
    if (fitting === undefined) break;
    starts.push(fitting.start);
    atMs = fitting.resetsAtMs;
  }
  return starts;
}
