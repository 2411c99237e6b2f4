import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decide,
  globalScopeLimits,
  largestAdmissible,
  type Counters,
  type RecentRequest,
} from '../../src/budget/decide.ts';
import { ownLimits, type Limits, type Settings } from '../../src/budget/limits.ts';
import { checkSettings } from '../../src/budget/settings.ts';
import { MAX_TOKENS } from '../../src/budget/tokens.ts';
import { isoTime, WINDOW_KINDS, windowAt, type WindowKind } from '../../src/budget/windows.ts';
import { ALL_OFF, ask, EMPTY, limitsOf, NOW_MS, taken } from './requests.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KEY = { month: 'monthly', day: 'daily', hour: 'hourly' } as const;

const amount = fc.oneof(fc.nat(20), fc.nat(2_000), fc.nat(300_000), fc.nat(MAX_TOKENS));
const value = fc.oneof({ weight: 3, arbitrary: amount }, fc.constant('off' as const));
const rate = fc.oneof(fc.nat(6), fc.constant('off' as const));
const percent = (min: number, max: number): fc.Arbitrary<number | 'off'> =>
  fc.oneof(fc.integer({ min, max }), fc.constant('off' as const));
const own = fc.record(
  { monthly: amount, daily: amount, hourly: amount, request: amount },
  { requiredKeys: [] },
);
const anySettings: fc.Arbitrary<Settings> = fc
  .record({
    global: fc.record(
      {
        monthly: value,
        enforcedMonthly: value,
        daily: value,
        hourly: value,
        request: value,
        tokensPerRequest: value,
        criticalRequest: value,
        requestsPerMinute: rate,
        requestsPerDay: rate,
        warning: percent(1, 40),
        critical: percent(41, 70),
        emergency: percent(71, 100),
      },
      { requiredKeys: [] },
    ),
    aiTypes: fc.record({ imperium: own, guardian: own }, { requiredKeys: [] }),
  })
  .map(({ global, aiTypes }) => ({ global, aiTypes }))
  .filter((settings) => {
    try {
      checkSettings(settings);
      return true;
    } catch {
      return false;
    }
  });
const anyLimits = anySettings.map(({ global, aiTypes }) => limitsOf(global, aiTypes));
const pair = fc.tuple(amount, amount);
const anyScope = fc.record({ month: pair, day: pair, hour: pair }).map(taken);
const anyCounters: fc.Arbitrary<Counters> = fc.record({
  global: fc.oneof(anyScope, fc.constant(EMPTY.global)),
  aiType: fc.oneof(anyScope, fc.constant(EMPTY.aiType)),
  recent: fc
    .array(fc.record({ atMs: fc.integer({ min: -90_000, max: 1_000 }), items: fc.nat(3) }))
    .map((requests) =>
      requests
        .map(({ atMs, items }) => ({ atMs: NOW_MS + atMs, items }))
        .sort((a, b) => a.atMs - b.atMs),
    ),
  requestsToday: fc.nat(8),
});
const anyRequest = fc
  .record({ total: amount, items: fc.integer({ min: 1, max: 4 }), part: fc.nat(MAX_TOKENS) })
  .map(({ total, items, part }) =>
    ask(total, { items, largestItem: items === 1 ? total : Math.min(total, part) }),
  );

function deepFreeze<T>(frozen: T): T {
  if (typeof frozen === 'object' && frozen !== null) {
    Object.values(frozen).forEach(deepFreeze);
    Object.freeze(frozen);
  }
  return frozen;
}

describe('any decision', () => {
  it('is the same for the same limits, counters, request and time, and changes none of them', () => {
    fc.assert(
      fc.property(anyLimits, anyCounters, anyRequest, (limits, counters, request) => {
        const before = structuredClone({ limits, counters, request });
        const frozen = deepFreeze({ limits, counters, request });
        const first = decide(frozen.limits, frozen.counters, frozen.request, NOW_MS);
        expect(decide(limits, counters, request, NOW_MS)).toEqual(first);
        expect(frozen).toEqual(before);
      }),
    );
  });

  it('is admitted exactly when it has no reason, and waits for nothing then', () => {
    fc.assert(
      fc.property(anyLimits, anyCounters, anyRequest, (limits, counters, request) => {
        const { admitted, reasons, retryAt } = decide(limits, counters, request, NOW_MS);
        expect(admitted).toBe(reasons.length === 0);
        if (admitted) expect(retryAt).toBeNull();
        for (const reason of reasons) {
          expect(reason.retryAt === null).toBe(!reason.canEverPass);
          if (!reason.canEverPass) expect(retryAt).toBeNull();
          else if (retryAt !== null) expect(retryAt >= (reason.retryAt ?? '')).toBe(true);
        }
      }),
    );
  });

  it('admits the largest admissible estimate, and one more not', () => {
    let narrowed = 0;
    fc.assert(
      fc.property(anyLimits, anyCounters, (limits, counters) => {
        const largest = largestAdmissible(limits, counters, 'imperium', NOW_MS);
        const admits = (size: number): boolean =>
          decide(limits, counters, ask(size), NOW_MS).admitted;
        expect(decide(limits, counters, ask(1), NOW_MS).largestAdmissible).toBe(largest);
        if (largest > 0) expect(admits(largest)).toBe(true);
        if (largest > 0 && largest < MAX_TOKENS) narrowed += 1;
        if (largest < MAX_TOKENS) expect(admits(largest + 1)).toBe(false);
      }),
      { numRuns: 3_000 },
    );
    expect(narrowed).toBeGreaterThan(200);
  });

  it('that is denied passes at its retryAt, if nothing else is used until then', () => {
    let retried = 0;
    fc.assert(
      fc.property(anyLimits, anyCounters, anyRequest, (limits, counters, request) => {
        const { retryAt } = decide(limits, counters, request, NOW_MS);
        if (retryAt === null) return;
        retried += 1;
        const atMs = Date.parse(retryAt);
        const later = countersAt(counters, atMs);
        const { reasons } = decide(limits, later, request, atMs);
        expect(reasons.map(({ code, window }) => `${code} ${String(window)}`)).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
    expect(retried).toBeGreaterThan(100);
  });
});

/** The counters at a later time: windows that have reset since are empty. */
function countersAt(counters: Counters, atMs: number): Counters {
  const same = (kind: WindowKind): boolean =>
    windowAt(kind, atMs).startsAtMs === windowAt(kind, NOW_MS).startsAtMs;
  const scope = (counts: Counters['global']): Counters['global'] =>
    Object.fromEntries(
      WINDOW_KINDS.map((kind) => [kind, same(kind) ? counts[kind] : { used: 0, held: 0 }]),
    ) as unknown as Counters['global'];
  return {
    global: scope(counters.global),
    aiType: scope(counters.aiType),
    recent: counters.recent,
    requestsToday: same('day') ? counters.requestsToday : 0,
  };
}

/** A ledger in memory, as simple as one can be: what decide is given, and what it then allows. */
class Simulation {
  readonly limits: Limits;
  nowMs: number;
  readonly counts = new Map<string, { used: number; held: number }>();
  readonly open: { total: number; keys: string[] }[] = [];
  readonly admissions: number[] = [];
  denied = 0;

  constructor(limits: Limits, startMs: number) {
    this.limits = limits;
    this.nowMs = startMs;
  }

  count(key: string): { used: number; held: number } {
    const count = this.counts.get(key) ?? { used: 0, held: 0 };
    this.counts.set(key, count);
    return count;
  }

  scope(name: string): Counters['global'] {
    return Object.fromEntries(
      WINDOW_KINDS.map((kind) => [kind, { ...this.count(this.key(name, kind)) }]),
    ) as unknown as Counters['global'];
  }

  key(name: string, kind: WindowKind): string {
    return [name, kind, windowAt(kind, this.nowMs).start].join(' ');
  }

  reserve(aiType: string, total: number): void {
    const day = windowAt('day', this.nowMs).startsAtMs;
    const counters: Counters = {
      global: this.scope('global'),
      aiType: this.scope(aiType),
      recent: this.admissions.map((atMs): RecentRequest => ({ atMs, items: 1 })),
      requestsToday: this.admissions.filter((atMs) => atMs >= day).length,
    };
    if (!decide(this.limits, counters, ask(total, { aiType }), this.nowMs).admitted) {
      this.denied += 1;
      return;
    }
    const keys = ['global', aiType].flatMap((name) =>
      WINDOW_KINDS.map((kind) => this.key(name, kind)),
    );
    for (const key of keys) this.count(key).held += total;
    this.open.push({ total, keys });
    this.admissions.push(this.nowMs);
  }

  /** Ends an open reservation, with `share` percent of it used; 0 is a release. */
  end(which: number, share: number): void {
    const [reservation] = this.open.splice(which % Math.max(1, this.open.length), 1);
    if (reservation === undefined) return;
    for (const key of reservation.keys) {
      this.count(key).held -= reservation.total;
      this.count(key).used += Math.floor((reservation.total * share) / 100);
    }
  }

  checkWindows(): void {
    for (const [key, { used, held }] of this.counts) {
      const [name, kind] = key.split(' ') as [string, WindowKind];
      const scope =
        name === 'global' ? globalScopeLimits(this.limits) : ownLimits(this.limits, name);
      const limit = scope?.[KEY[kind]] ?? null;
      if (limit !== null && used + held > limit)
        expect.fail(`${key}: ${String(used + held)} of ${String(limit)}`);
    }
  }

  checkRates(): void {
    const { requestsPerMinute: perMinute, requestsPerDay: perDay } = this.limits;
    for (const end of this.admissions) {
      const within = this.admissions.filter((atMs) => atMs > end - MINUTE && atMs <= end).length;
      if (perMinute !== null) expect(within).toBeLessThanOrEqual(perMinute);
    }
    for (const day of new Set(this.admissions.map((atMs) => windowAt('day', atMs).startsAtMs))) {
      const today = this.admissions.filter((atMs) => windowAt('day', atMs).startsAtMs === day);
      if (perDay !== null) expect(today.length).toBeLessThanOrEqual(perDay);
    }
  }
}

describe('any sequence of admitted reservations', () => {
  type Step = (simulation: Simulation) => void;
  const aiType = fc.constantFrom('imperium', 'guardian', 'sandbox');
  const reserve = fc
    .tuple(aiType, fc.oneof(fc.nat(20), fc.nat(2_000), fc.nat(200_000)))
    .map(([type, total]): Step => (simulation) => {
      simulation.reserve(type, total);
    });
  const end = fc
    .tuple(fc.nat(), fc.constantFrom(0, 30, 100))
    .map(([which, share]): Step => (simulation) => {
      simulation.end(which, share);
    });
  const wait = fc
    .oneof(fc.nat(MINUTE), fc.constantFrom(1, MINUTE - 1, MINUTE, HOUR, DAY, 31 * DAY))
    .map((ms): Step => (simulation) => {
      simulation.nowMs += ms;
    });
  const steps = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: reserve },
      { weight: 3, arbitrary: end },
      { weight: 2, arbitrary: wait },
    ),
    { maxLength: 60, size: 'max' },
  );
  const start = fc
    .constantFrom(
      '2026-11-24T05:59:59.990Z',
      '2026-11-30T23:59:59.990Z',
      '2026-12-31T23:59:30.000Z',
      '2028-02-28T23:59:00.000Z',
    )
    .map((at) => Date.parse(at));
  const tight = fc.constantFrom(
    limitsOf({}),
    limitsOf({ daily: '15%', hourly: '2%' }),
    limitsOf({ monthly: 5_000, daily: 'off', hourly: 'off', request: 'off' }),
    limitsOf({ enforcedMonthly: 400, daily: 90, hourly: 40, emergency: 'off', critical: 'off' }),
    limitsOf(
      { hourly: 1_500 },
      { imperium: { hourly: 700, monthly: 900 }, guardian: { daily: 9 } },
    ),
    limitsOf({ daily: '15%', hourly: '15%', requestsPerMinute: 3, requestsPerDay: 7 }),
  );

  it('keeps used + held within every limit, over the ends of hours, days, months and years', () => {
    let [admitted, denied] = [0, 0];
    fc.assert(
      fc.property(fc.oneof(tight, anyLimits), start, steps, (limits, startMs, sequence) => {
        const simulation = new Simulation(limits, startMs);
        for (const step of sequence) {
          step(simulation);
          simulation.checkWindows();
        }
        simulation.checkRates();
        admitted += simulation.admissions.length;
        denied += simulation.denied;
      }),
      { numRuns: 500 },
    );
    expect(admitted).toBeGreaterThan(500);
    expect(denied).toBeGreaterThan(500);
  });
});

describe('the rate of 42 in any 60 seconds', () => {
  const limits = limitsOf({ ...ALL_OFF, requestsPerMinute: 42 });
  // Bursts and pauses, so that the limit is reached and left again.
  const gaps = fc.array(fc.oneof({ weight: 9, arbitrary: fc.nat(900) }, fc.nat(30_000)), {
    minLength: 60,
    maxLength: 160,
    size: 'max',
  });

  it('denies the 43rd, and only that, whenever requests arrive', () => {
    let denied = 0;
    fc.assert(
      fc.property(gaps, (waits) => {
        const admitted: number[] = [];
        let nowMs = NOW_MS;
        for (const wait of waits) {
          nowMs += wait;
          const newest = admitted.slice(-42).map((atMs) => ({ atMs, items: 1 }));
          const within = admitted.filter((atMs) => atMs > nowMs - MINUTE).length;
          const decision = decide(limits, { ...EMPTY, recent: newest }, ask(1), nowMs);
          expect(decision.admitted).toBe(within < 42);
          if (decision.admitted) admitted.push(nowMs);
          else {
            denied += 1;
            expect(decision.retryAt).toBe(isoTime((admitted.at(-42) ?? NaN) + MINUTE));
          }
        }
      }),
      { numRuns: 60 },
    );
    expect(denied).toBeGreaterThan(50);
  });
});
