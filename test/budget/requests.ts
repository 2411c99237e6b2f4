import type { AdmissionRequest, Counters, ScopeCounts } from '../../src/budget/decide.ts';
import { resolveLimits, type Limits, type Settings } from '../../src/budget/limits.ts';

/** Short ways to write limits, counters and requests in tests of decisions. */

export const NOW_MS = Date.parse('2026-11-24T05:30:00.000Z');

/** Every limit off, so that a test sees only the rule it sets. */
export const ALL_OFF: Settings['global'] = {
  monthly: 'off',
  request: 'off',
  tokensPerRequest: 'off',
  requestsPerMinute: 'off',
  requestsPerDay: 'off',
};

export function limitsOf(global: Settings['global'], aiTypes: Settings['aiTypes'] = {}): Limits {
  return resolveLimits({ global, aiTypes }).limits;
}

export interface Taken {
  month?: readonly [used: number, held: number];
  day?: readonly [used: number, held: number];
  hour?: readonly [used: number, held: number];
}

export function taken({ month = [0, 0], day = [0, 0], hour = [0, 0] }: Taken): ScopeCounts {
  const count = ([used, held]: readonly [number, number]): ScopeCounts['month'] => ({ used, held });
  return { month: count(month), day: count(day), hour: count(hour) };
}

export function countersOf(given: {
  global?: Taken;
  aiType?: Taken;
  /** Milliseconds before NOW of each recent request. */
  ago?: readonly number[];
  requestsToday?: number;
}): Counters {
  return {
    global: taken(given.global ?? {}),
    aiType: taken(given.aiType ?? {}),
    recent: (given.ago ?? []).map((ago) => ({ atMs: NOW_MS - ago, items: 1 })),
    requestsToday: given.requestsToday ?? 0,
  };
}

export const EMPTY = countersOf({});

export function ask(total: number, more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    aiType: 'imperium',
    estimate: { input: total, output: 0, total },
    items: 1,
    largestItem: total,
    ...more,
  };
}
