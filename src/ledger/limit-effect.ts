import { wouldHavePassed } from '../budget/rejudge.ts';
import { windowAt } from '../budget/windows.ts';
import type { Binding } from './binding.ts';
import type { LimitsInForce } from './limits-in-force.ts';
import type { Operations } from './port.ts';
import { readSnapshot } from './snapshot.ts';
import { statusReport } from './status.ts';
import { step, type Step } from './steps.ts';

interface BeforeAndAfter<T> {
  readonly before: T;
  readonly after: T;
}

/** What a change of limits changes now, and what it would have changed today. */
export interface LimitEffect {
  /** The AI type whose own limits are judged beside the global ones; null: the global ones alone. */
  readonly aiType: string | null;
  /** The greatest estimate that passes now, in tokens; 0 when none does. */
  readonly largestAdmissible: BeforeAndAfter<number | null>;
  /** The rule that a growing request breaks first; null where every limit is off. */
  readonly binding: BeforeAndAfter<Binding | null>;
  /** Denials of the UTC day, of all AI types, as far as they were judged. */
  readonly denialsToday: number;
  /** How many of them would have passed, each judged alone by the counts that it states. */
  readonly wouldHavePassed: BeforeAndAfter<number>;
  /** Whether there are older ones that were not judged. */
  readonly cut: boolean;
}

/** The newest denials that are judged, in rows. */
const MOST_DENIALS = 1_000;

/** Compares two sets of limits at one instant. */
export function* readLimitEffect(
  ops: Operations,
  limits: BeforeAndAfter<LimitsInForce>,
  aiType: string | null,
): Step<LimitEffect> {
  const request = aiType === null ? {} : { aiType };
  const before = yield* readSnapshot(ops, () => limits.before, request);
  const after = yield* readSnapshot(ops, () => limits.after, request);
  const { startsAtMs } = windowAt('day', ops.nowMs);
  const rows = yield* step(ops.newestDenials(startsAtMs, MOST_DENIALS + 1));
  const judged = rows.slice(0, MOST_DENIALS);
  return {
    aiType,
    largestAdmissible: { before: before.largestAdmissible, after: after.largestAdmissible },
    binding: {
      before: statusReport(before, '', aiType).binding,
      after: statusReport(after, '', aiType).binding,
    },
    denialsToday: judged.reduce((sum, { count }) => sum + count, 0),
    wouldHavePassed: {
      before: wouldHavePassed(judged, limits.before.limits),
      after: wouldHavePassed(judged, limits.after.limits),
    },
    cut: rows.length > MOST_DENIALS,
  };
}
