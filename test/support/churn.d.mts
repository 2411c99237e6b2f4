import type { Guard } from '../../src/guard/guard.ts';

/** What the callers were told. */
export interface Churned {
  /** Acknowledged reservations, and those of them whose settle (7 tokens) was acknowledged. */
  readonly reserved: string[];
  readonly settled: string[];
  /** How often by code, and each message once. */
  readonly refusals: Record<string, number>;
  readonly messages: string[];
  /** The longest that one call took. */
  readonly slowestMs: number;
  /** The longest that the event loop stood still. */
  readonly stalledMs: number;
}

export function churn(
  guard: Pick<Guard, 'reserve' | 'settle'>,
  work: { tokens: number; callers: number; goOn: () => boolean; aiType?: string },
): Promise<Churned>;
