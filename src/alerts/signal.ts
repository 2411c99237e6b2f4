import type { AlertKind, AlertKindSettings } from '../budget/alert-kinds.ts';
import { globalScopeLimits } from '../budget/decide.ts';
import { percentUsed } from '../budget/levels.ts';
import { ownLimits, type Limit, type Limits } from '../budget/limits.ts';
import { isoTime, type Window, type WindowKind } from '../budget/windows.ts';
import type { Alert, AlertData, AlertLevel, NewestReset } from '../ledger/alerts.ts';
import type { WindowRow } from '../ledger/port.ts';
import type { Snapshot } from '../ledger/snapshot.ts';

/** The ledger at one instant, as far as alerts look at it. */
export interface AlertState extends Pick<
  Snapshot,
  'nowMs' | 'windows' | 'hours' | 'sinceMs' | 'lastLogAtMs'
> {
  /** The windows that hold this instant. */
  readonly current: Readonly<Record<WindowKind, Window>>;
  readonly limits: Limits;
  readonly kinds: AlertKindSettings;
  /** Of the current month, day and hour. */
  readonly resets: readonly NewestReset[];
  /** What an hour usually uses at most; null when it is not known, or was not looked for. */
  readonly usualHour: number | null;
  /** The rule that denied most in this hour, in words; null when it is not known, or was not looked for. */
  readonly deniedMostBy: string | null;
}

/** What one kind of alert says of one window of one scope. */
export interface Signal {
  readonly kind: AlertKind;
  readonly aiType: string | null;
  readonly window: Window;
  /** Those that it can have, the lowest first. */
  readonly levels: readonly SignalLevel[];
}

export interface SignalLevel {
  readonly level: AlertLevel;
  /** What holds alone reach must last before it is raised. */
  readonly reached: 'yes' | 'by holds' | 'no';
  /** Why a raised one of this window is over, in words; null while it is not. */
  readonly overBecause: (alert: Alert) => string | null;
  /** Whether it may be raised once more in its window, after this one of it was over. */
  readonly mayComeAgain: (over: Alert) => boolean;
  readonly data: AlertData;
  /** What is the matter, without what follows from it. */
  readonly fact: string;
  /** What happens to requests. */
  readonly effect: string;
  /** The next command to run. */
  readonly command: string;
}

const LIMIT_OF_WINDOW = { month: 'monthly', day: 'daily', hour: 'hourly' } as const;

/** The numbers of a window that lasts now. */
export function numbersOf(
  { current, windows, limits, resets }: AlertState,
  aiType: string | null,
  kind: WindowKind,
): Pick<AlertData, 'used' | 'held' | 'limit' | 'percent' | 'newestReset' | 'resetsAt'> {
  const window = current[kind];
  const { used, held } = rowOf(windows, aiType, window) ?? { used: 0, held: 0 };
  const own = aiType === null ? globalScopeLimits(limits) : ownLimits(limits, aiType);
  const limit: Limit = own?.[LIMIT_OF_WINDOW[kind]] ?? null;
  return {
    ...{ used, held, limit },
    percent: percentUsed(used + held, limit),
    newestReset: resets.find((each) => each.aiType === aiType && each.kind === kind)?.id ?? 0,
    resetsAt: isoTime(window.resetsAtMs),
  };
}

export function rowOf(
  windows: readonly WindowRow[],
  aiType: string | null,
  { kind, start }: Window,
): WindowRow | undefined {
  return windows.find((row) => row.aiType === aiType && row.kind === kind && row.start === start);
}
