import type { WindowRow } from './port.ts';

/** The amounts of usage, and how they are added. Pure. */

/** What was counted. Tokens are those of settled calls and of holds past their time; open holds are none. */
export interface UsageAmounts {
  /** Prompt tokens, cached ones included. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Tokens charged; more than input and output where a row reported a greater total. */
  readonly used: number;
  /** Requests made, those that are open included. */
  readonly requests: number;
  readonly failed: number;
  /** Requests that were denied; they are none of `requests`. */
  readonly denied: number;
}

export const NOTHING: UsageAmounts = {
  inputTokens: 0,
  outputTokens: 0,
  used: 0,
  requests: 0,
  failed: 0,
  denied: 0,
};
const NAMES = Object.keys(NOTHING) as (keyof UsageAmounts)[];

export function plus(a: UsageAmounts, b: UsageAmounts): UsageAmounts {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    used: a.used + b.used,
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
    denied: a.denied + b.denied,
  };
}

export function minus(a: UsageAmounts, b: UsageAmounts): UsageAmounts {
  return {
    inputTokens: a.inputTokens - b.inputTokens,
    outputTokens: a.outputTokens - b.outputTokens,
    used: a.used - b.used,
    requests: a.requests - b.requests,
    failed: a.failed - b.failed,
    denied: a.denied - b.denied,
  };
}

export function isAny(amounts: UsageAmounts): boolean {
  return NAMES.some((name) => amounts[name] !== 0);
}

/** A window's amounts, as `status` shows them. */
export function shownIn(row: WindowRow): UsageAmounts {
  return {
    inputTokens: row.tokensIn,
    outputTokens: row.tokensOut,
    used: row.used,
    requests: row.requests + row.requestsReset,
    failed: row.failed,
    denied: row.denied,
  };
}
