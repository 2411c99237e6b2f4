import type { Verdict as WordedVerdict } from '../../src/budget/verdict.ts';
import type { Reason } from './model-decide.ts';

/** What a simulated backend asks of a guard, and what it is answered. */

export interface Reserve {
  readonly kind: 'reserve';
  /** The reservation's id, if it is admitted. */
  readonly id: string;
  readonly aiType: string;
  /** One call, or the calls of a batch. */
  readonly items: readonly { readonly input: number; readonly output: number }[];
  readonly key: string | null;
  /** The key is given as a request id. */
  readonly keyIsRequestId: boolean;
  readonly model: string | null;
  readonly ttlSeconds: number | null;
}

interface Settle {
  readonly kind: 'settle';
  readonly id: string;
  /** Null when it is unknown what was charged. */
  readonly usage: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly cacheCreationInputTokens: number;
    readonly cacheReadInputTokens: number;
  } | null;
  readonly model: string | null;
}

interface Release {
  readonly kind: 'release';
  readonly id: string;
  readonly error: string | null;
}

export type End = Settle | Release;
export type Command = Reserve | End;

/** A verdict whose reasons have no words, in the order of their names. */
export type Verdict = Omit<WordedVerdict, 'reasons'> & { readonly reasons: readonly Reason[] };

export type Answer =
  | { readonly verdict: Verdict }
  | { readonly ending: { readonly id: string; readonly state: string; readonly charged: number } }
  /** The code of an error. */
  | { readonly error: string };

/** Reasons are a set: the rules give them no order. */
export function sorted(reasons: readonly Reason[]): Reason[] {
  const name = ({ code, scope, window }: Reason): string =>
    `${code} ${scope ?? ''} ${window ?? ''}`;
  return reasons.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
}
