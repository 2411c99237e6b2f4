import { invalidInput } from '../budget/errors.ts';
import { percentUsed, type Percent } from '../budget/levels.ts';
import {
  MOST_USAGE_ROWS,
  windowsOfPeriod,
  type UsageFilter,
  type UsageGroup,
  type UsageQuery,
} from '../budget/usage-query.ts';
import { isoTime, windowAt, type IsoTime } from '../budget/windows.ts';
import type { Ledger } from './ledger.ts';
import type { Operations, WindowRow } from './port.ts';
import { applyDue } from './snapshot.ts';
import { step, type Step } from './steps.ts';
import { isAny, minus, NOTHING, plus, shownIn, type UsageAmounts } from './usage-amounts.ts';
import { usageStatement, type SqlUsage } from './usage-statements.ts';
import { writtenTime } from './values.ts';

/** Names what a row is of, by what was asked for: other names are left out. */
export interface UsageKey {
  readonly aiType?: string;
  /** As it was logged; null where a row names none. */
  readonly model?: string | null;
  /** As it was logged; null where a row names none. */
  readonly requestType?: string | null;
  /** A UTC hour, as 2026-11-24T05. */
  readonly hour?: string;
  /** A UTC day, as 2026-11-24. */
  readonly day?: string;
  /** A UTC month, as 2026-11. */
  readonly month?: string;
}

export interface UsageRow extends UsageKey, UsageAmounts {
  /** Its part of the tokens of all rows. */
  readonly percent: Percent;
  /** The beginnings of the first and the last hour in which it counted something. */
  readonly firstHour: IsoTime;
  readonly lastHour: IsoTime;
}

/** The rows that a limit left out, as one. */
export interface OtherUsage extends UsageAmounts {
  /** How many they are. */
  readonly rows: number;
  readonly percent: Percent;
  readonly firstHour: IsoTime;
  readonly lastHour: IsoTime;
}

export interface AiTypeAdjustments extends UsageAmounts {
  readonly aiType: string;
}

/** An answer. What has nothing to count has no row. */
export interface UsageReport {
  readonly time: IsoTime;
  /** The period, in whole UTC hours: from `since`, up to and without `until`. */
  readonly since: IsoTime;
  readonly until: IsoTime;
  readonly by: readonly UsageGroup[];
  readonly filter: UsageFilter;
  readonly rows: readonly UsageRow[];
  /** Null where no limit left anything out. */
  readonly other: OtherUsage | null;
  /** The sum of the rows and `other`. */
  readonly usage: UsageAmounts;
  /**
   * What changed the count and is no request: resets (negative), their undo, corrections, deleted log
   * rows, adopted counts. Null with a filter by model or request type: they name neither.
   */
  readonly adjustments: UsageAmounts | null;
  /** The same of each AI type that has any; empty unless usage is grouped by AI type. */
  readonly adjustmentsByAiType: readonly AiTypeAdjustments[];
  /** Usage and adjustments: of a month what `status` shows. */
  readonly total: UsageAmounts;
}

/** @throws ledger_unavailable; invalid_input for more than 10,000 rows without a limit */
export function readUsage(ledger: Ledger, query: UsageQuery): Promise<UsageReport> {
  return ledger.read((ops) => usageAt(ops, query));
}

function* usageAt(ops: Operations, query: UsageQuery): Step<UsageReport> {
  const { by, filter, period } = query;
  const answer = yield* readGroups(ops, query, by, query.limit ?? MOST_USAGE_ROWS);
  const rest = answer.find(({ place }) => place === null);
  if (rest !== undefined && query.limit === null) {
    const rows = answer.length - 1 + rest.groups;
    throw invalidInput(
      `${query.spelling}by`,
      `the answer has ${String(rows)} rows, and at most ${String(MOST_USAGE_ROWS)} are given`,
      `a shorter period, a filter, or ${query.spelling}limit, which makes one row of the rest`,
    );
  }
  const usage = answer.map(amountsOf).reduce(plus, NOTHING);
  const rows = answer
    .filter(({ place }) => place !== null)
    .toSorted((a, b) => (a.place ?? 0) - (b.place ?? 0))
    .map((row): UsageRow => ({
      ...keyOf(by[0], row.key_1),
      ...keyOf(by[1], row.key_2),
      ...shareOf(row, usage),
    }));
  if (query.sort === 'key') rows.sort(byKeys(by));
  const counted = yield* readWindows(ops, query);
  const { total, adjustments } = reconciled(counted, usage, filter);
  return {
    time: isoTime(ops.nowMs),
    since: isoTime(period.sinceMs),
    until: isoTime(period.untilMs),
    by,
    filter,
    rows,
    other: rest === undefined ? null : { rows: rest.groups, ...shareOf(rest, usage) },
    usage,
    adjustments,
    adjustmentsByAiType:
      counted === null || !by.includes('ai-type')
        ? []
        : adjustmentsOf(
            counted,
            yield* usageByAiType(ops, query, rest === undefined ? rows : null),
          ),
    total,
  };
}

function readGroups(
  ops: Operations,
  { period, filter }: UsageQuery,
  by: readonly UsageGroup[],
  limit: number,
): Step<SqlUsage[]> {
  return step(
    ops.query<SqlUsage>(usageStatement(ops.kind, by, filter), {
      since: windowAt('hour', period.sinceMs).start,
      until: windowAt('hour', period.untilMs).start,
      now: writtenTime(ops.nowMs),
      ...filter,
      limit,
    }),
  );
}

/** The windows that the period is made of, as `status` shows them; null where the filter is finer than they are. */
function* readWindows(ops: Operations, query: UsageQuery): Step<WindowRow[] | null> {
  const { aiType, model, requestType } = query.filter;
  if (model !== null || requestType !== null) return null;
  const starts = windowsOfPeriod(query.period, ops.nowMs);
  const scopes = aiType !== null ? [aiType] : query.by.includes('ai-type') ? null : [];
  const rows = yield* step(ops.windows(starts, scopes));
  return applyDue(rows, yield* step(ops.dueHolds()), starts);
}

function reconciled(
  windows: readonly WindowRow[] | null,
  usage: UsageAmounts,
  { aiType }: UsageFilter,
): Pick<UsageReport, 'total' | 'adjustments'> {
  if (windows === null) return { total: usage, adjustments: null };
  const total = windows
    .filter((row) => row.aiType === aiType)
    .map(shownIn)
    .reduce(plus, NOTHING);
  return { total, adjustments: minus(total, usage) };
}

/** @param rows all that there are, of AI types; null where a limit left some out */
function* usageByAiType(
  ops: Operations,
  query: UsageQuery,
  rows: readonly UsageRow[] | null,
): Step<Map<string, UsageAmounts>> {
  const sums = new Map<string, UsageAmounts>();
  for (const { aiType = '', ...row } of rows ?? []) {
    sums.set(aiType, plus(sums.get(aiType) ?? NOTHING, row));
  }
  if (rows !== null) return sums;
  const groups = yield* readGroups(ops, query, ['ai-type'], MOST_USAGE_ROWS);
  return new Map(groups.map((row) => [row.key_1, amountsOf(row)]));
}

/** What windows have beside the usage; the most tokens first. */
function adjustmentsOf(
  windows: readonly WindowRow[],
  usage: ReadonlyMap<string, UsageAmounts>,
): AiTypeAdjustments[] {
  const totals = new Map<string, UsageAmounts>([...usage.keys()].map((name) => [name, NOTHING]));
  for (const row of windows) {
    if (row.aiType === null) continue;
    totals.set(row.aiType, plus(totals.get(row.aiType) ?? NOTHING, shownIn(row)));
  }
  return [...totals]
    .map(([aiType, total]) => ({ aiType, ...minus(total, usage.get(aiType) ?? NOTHING) }))
    .filter(isAny)
    .toSorted((a, b) => Math.abs(b.used) - Math.abs(a.used) || (a.aiType < b.aiType ? -1 : 1));
}

function amountsOf(row: SqlUsage): UsageAmounts {
  return {
    inputTokens: row.tokens_in,
    outputTokens: row.tokens_out,
    used: row.used,
    requests: row.requests,
    failed: row.failed,
    denied: row.denied,
  };
}

function shareOf(row: SqlUsage, all: UsageAmounts): Omit<OtherUsage, 'rows'> {
  return {
    ...amountsOf(row),
    percent: percentUsed(row.used, all.used) ?? 0,
    firstHour: `${row.first_hour}:00:00.000Z`,
    lastHour: `${row.last_hour}:00:00.000Z`,
  };
}

const KEYS = {
  'ai-type': 'aiType',
  model: 'model',
  'request-type': 'requestType',
  hour: 'hour',
  day: 'day',
  month: 'month',
} as const satisfies Record<UsageGroup, keyof UsageKey>;

/** What a row is of, by one of the groups that were asked for; null where it names none. */
export function keyIn(row: UsageKey, group: UsageGroup): string | null {
  return row[KEYS[group]] ?? null;
}

function keyOf(group: UsageGroup | undefined, value: string | undefined): UsageKey {
  if (group === undefined || value === undefined) return {};
  const nameless = group === 'model' || group === 'request-type';
  return { [KEYS[group]]: nameless && value === '' ? null : value };
}

function byKeys(by: readonly UsageGroup[]): (a: UsageRow, b: UsageRow) => number {
  return (a, b) => {
    for (const group of by) {
      const [of, to] = [keyIn(a, group) ?? '', keyIn(b, group) ?? ''];
      if (of !== to) return of < to ? -1 : 1;
    }
    return 0;
  };
}
