import type { Reason, Verdict } from '../budget/verdict.ts';
import { isoTime, type IsoTime } from '../budget/windows.ts';
import type { LogEntry, RequestState } from './port.ts';

/** One request of the log. Amounts are tokens. */
export interface RequestDocument {
  /** When its call was made. */
  readonly time: IsoTime;
  readonly id: string;
  readonly aiType: string;
  readonly state: RequestState;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** What it is charged: 0 while it is held, and for a denial. */
  readonly totalTokens: number;
  /** What was reserved, or what a denial asked for; null for what was only logged. */
  readonly requestedTokens: number | null;
  /** How many items it had, if it was a batch; else 1. */
  readonly items: number;
  /** How many denials the row stands for; null for what was not denied. */
  readonly deniedCount: number | null;
  readonly model: string | null;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
  readonly requestType: string | null;
  readonly error: string | null;
  /** Why the model stopped, in the provider's words. */
  readonly stopReason: string | null;
  readonly expiresAt: IsoTime | null;
  readonly endedAt: IsoTime | null;
}

export function requestDocument(entry: LogEntry): RequestDocument {
  return {
    time: isoTime(entry.atMs),
    id: entry.id,
    aiType: entry.aiType,
    state: entry.state,
    inputTokens: entry.tokensIn,
    outputTokens: entry.tokensOut,
    totalTokens: entry.charged,
    requestedTokens: requestedTokens(entry),
    items: entry.requestItems,
    deniedCount: entry.state === 'denied' ? entry.deniedCount : null,
    model: entry.model,
    requestId: entry.requestId,
    idempotencyKey: entry.idempotencyKey,
    requestType: entry.requestType,
    error: entry.error,
    stopReason: entry.stopReason,
    expiresAt: timeOf(entry.expiresAtMs),
    endedAt: timeOf(entry.endedAtMs),
  };
}

function timeOf(atMs: number | null): string | null {
  return atMs === null ? null : isoTime(atMs);
}

function requestedTokens(entry: LogEntry): number | null {
  if (entry.state === 'denied') return verdictOf(entry)?.estimate.total ?? null;
  return entry.reservedTokens > 0 ? entry.reservedTokens : null;
}

/** A denial's verdict; null where there is none, or another program wrote something else there. */
export function verdictOf({ verdict }: LogEntry): Verdict | null {
  try {
    const parsed = JSON.parse(verdict ?? '') as Partial<Verdict> | null;
    const whole =
      typeof parsed?.estimate?.total === 'number' &&
      Array.isArray(parsed.reasons) &&
      parsed.reasons.every((reason: Partial<Reason> | null) => typeof reason?.code === 'string');
    return whole ? (parsed as Verdict) : null;
  } catch {
    return null;
  }
}
