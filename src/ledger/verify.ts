import type { Operations, RowSum, WindowRow } from './port.ts';
import { step, type Step } from './steps.ts';

/** The invariant: each window = the sum of its log rows + the sum of its adjustments. */

/** A window whose count is not what its rows and adjustments add up to. */
export interface Difference {
  /** 'global' or an AI type. */
  readonly scope: string;
  readonly window: WindowRow['kind'];
  readonly start: string;
  readonly column: string;
  readonly counted: number;
  readonly expected: number;
}

const COLUMNS = [
  'tokensIn',
  'tokensOut',
  'used',
  'held',
  'requests',
  'requestsReset',
  'failed',
  'denied',
] as const;
type Column = (typeof COLUMNS)[number];
type Sums = Record<Column, number>;

/** Every difference; empty when the invariant holds. With `repair`, the windows are set to the sums. */
export function* verifyCounts(ops: Operations, repair: boolean): Step<Difference[]> {
  if (repair) {
    yield* step(ops.lockLogs());
    yield* step(ops.foldAll());
  }
  const expected = new Map<string, WindowRow>();
  for (const sum of yield* step(ops.rowSums())) addRows(expected, sum);
  for (const row of yield* step(ops.adjustmentSums())) add(expected, row, row);
  const counted = new Map<string, WindowRow>();
  for (const row of yield* step(ops.windows(null, null))) counted.set(keyOf(row), row);

  const differences: Difference[] = [];
  const wrong: WindowRow[] = [];
  for (const key of new Set([...expected.keys(), ...counted.keys()])) {
    const is = counted.get(key);
    const should = expected.get(key);
    const row = should ?? is;
    if (row === undefined) continue;
    const found = COLUMNS.filter((column) => (is?.[column] ?? 0) !== (should?.[column] ?? 0));
    if (found.length === 0) continue;
    wrong.push(should ?? { ...row, ...NOTHING });
    for (const column of found) {
      differences.push({
        scope: row.aiType ?? 'global',
        window: row.kind,
        start: row.start,
        column,
        counted: is?.[column] ?? 0,
        expected: should?.[column] ?? 0,
      });
    }
  }
  if (repair && wrong.length > 0) yield* step(ops.setWindows(wrong));
  return differences;
}

const NOTHING: Sums = {
  tokensIn: 0,
  tokensOut: 0,
  used: 0,
  held: 0,
  requests: 0,
  requestsReset: 0,
  failed: 0,
  denied: 0,
};

function keyOf({ aiType, start }: { aiType: string | null; start: string }): string {
  return `${start} ${aiType ?? ''}`;
}

/** Log rows of one AI type and hour count in its month, day and hour, and in the global ones. */
function addRows(windows: Map<string, WindowRow>, sum: RowSum): void {
  const starts = [
    ['month', sum.hourStart.slice(0, 7)],
    ['day', sum.hourStart.slice(0, 10)],
    ['hour', sum.hourStart],
  ] as const;
  for (const aiType of [null, sum.aiType]) {
    for (const [kind, start] of starts) {
      add(windows, { aiType, kind, start }, { ...sum, requestsReset: 0 });
    }
  }
}

function add(
  windows: Map<string, WindowRow>,
  at: Pick<WindowRow, 'aiType' | 'kind' | 'start'>,
  amounts: Sums,
): void {
  const row = windows.get(keyOf(at)) ?? {
    aiType: at.aiType,
    kind: at.kind,
    start: at.start,
    lastRequestAtMs: null,
    ...NOTHING,
  };
  const sums = { ...NOTHING };
  for (const column of COLUMNS) sums[column] = row[column] + amounts[column];
  windows.set(keyOf(at), { ...row, ...sums });
}
