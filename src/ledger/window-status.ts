import { percentUsed, type Percent } from '../budget/levels.ts';
import type { Limit, ScopeLimits } from '../budget/limits.ts';
import { isoTime, type IsoTime, type Window, type WindowKind } from '../budget/windows.ts';
import type { WindowRow } from './port.ts';

/** One window of one scope. Amounts are tokens; `remaining` and `percent` count used + held. */
export interface WindowStatus {
  /** 'global' or an AI type. */
  readonly scope: string;
  readonly window: WindowKind;
  readonly startsAt: IsoTime;
  readonly resetsAt: IsoTime;
  readonly used: number;
  readonly held: number;
  readonly limit: Limit;
  readonly remaining: number | null;
  readonly percent: Percent | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly requests: number;
  readonly failed: number;
  readonly denied: number;
}

/** Which limit of a scope holds in a window. */
export const LIMIT_OF_WINDOW = { month: 'monthly', day: 'daily', hour: 'hourly' } as const;

export function windowStatus(
  row: WindowRow,
  window: Window,
  own: ScopeLimits | null,
): WindowStatus {
  const limit = own === null ? null : own[LIMIT_OF_WINDOW[window.kind]];
  const taken = row.used + row.held;
  return {
    scope: row.aiType ?? 'global',
    window: window.kind,
    startsAt: isoTime(window.startsAtMs),
    resetsAt: isoTime(window.resetsAtMs),
    used: row.used,
    held: row.held,
    limit,
    remaining: limit === null ? null : Math.max(0, limit - taken),
    percent: percentUsed(taken, limit),
    inputTokens: row.tokensIn,
    outputTokens: row.tokensOut,
    requests: row.requests + row.requestsReset,
    failed: row.failed,
    denied: row.denied,
  };
}
