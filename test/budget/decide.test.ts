import { describe, expect, it } from 'vitest';
import {
  decide,
  largestAdmissible,
  recentItems,
  type Counters,
  type Decision,
} from '../../src/budget/decide.ts';
import type { Settings } from '../../src/budget/limits.ts';
import { lintLimits } from '../../src/budget/lint.ts';
import { applyChanges, applyProfile, parseAssignment } from '../../src/budget/settings.ts';
import { ALL_OFF, ask, countersOf, EMPTY, limitsOf, NOW_MS, type Taken } from './requests.ts';

const HOUR = '2026-11-24T06:00:00.000Z';
const DAY = '2026-11-25T00:00:00.000Z';
const MONTH = '2026-12-01T00:00:00.000Z';

/** Only the rules under test: everything off, but these. */
function judge(
  global: Settings['global'],
  counters: Counters,
  request = ask(1),
  aiTypes: Settings['aiTypes'] = {},
): Decision {
  return decide(limitsOf({ ...ALL_OFF, ...global }, aiTypes), counters, request, NOW_MS);
}
const codes = ({ reasons }: Decision): string[] => reasons.map(({ code }) => code);

describe('a request within every limit', () => {
  it('is admitted, with no reason and nothing to wait for', () => {
    expect(decide(limitsOf({}), EMPTY, ask(194), NOW_MS)).toEqual({
      admitted: true,
      level: 'ok',
      reasons: [],
      retryAt: null,
      largestAdmissible: 194,
    });
  });

  it('of nothing is admitted while there is no emergency', () => {
    expect(judge({ hourly: 0 }, EMPTY, ask(0)).admitted).toBe(true);
  });

  it('is admitted whatever it costs, where every limit is off', () => {
    expect(judge({}, EMPTY, ask(1_000_000_000_000)).admitted).toBe(true);
  });
});

describe('emergency: everything is denied', () => {
  const month = { monthly: 200_000, daily: 'off', hourly: 'off' } as const;
  it.each<[string, Taken, boolean]>([
    ['137,199 used', { month: [137_199, 0] }, true],
    ['137,200 used', { month: [137_200, 0] }, false],
    ['137,199 held', { month: [0, 137_199] }, true],
    ['137,200 used and held', { month: [137_000, 200] }, false],
  ])('%s: admitted is %s', (_, global, admitted) => {
    const decision = judge({ ...month, criticalRequest: 'off' }, countersOf({ global }));
    expect(decision.admitted).toBe(admitted);
    expect(codes(decision)).toEqual(admitted ? [] : ['emergency_shutdown']);
  });

  it('also a request of nothing', () => {
    expect(judge(month, countersOf({ global: { month: [137_200, 0] } }), ask(0)).admitted).toBe(
      false,
    );
  });

  it('the level is judged before the request: one may cross 98 %, the next does not', () => {
    const before = judge(month, countersOf({ global: { month: [132_999, 0] } }), ask(7_001));
    expect(before).toMatchObject({ admitted: true, level: 'warning' });
    const after = judge(month, countersOf({ global: { month: [140_000, 0] } }), ask(0));
    expect(after).toMatchObject({ admitted: false, level: 'emergency' });
  });

  it('passes again when the month resets', () => {
    const decision = judge(month, countersOf({ global: { month: [137_000, 200] } }), ask(5));
    expect(decision.reasons[0]).toMatchObject({
      code: 'emergency_shutdown',
      scope: 'global',
      window: 'month',
      limit: 137_200,
      used: 137_000,
      held: 200,
      requested: 5,
      canEverPass: true,
      retryAt: MONTH,
    });
    expect(decision).toMatchObject({ retryAt: MONTH, largestAdmissible: 0 });
  });

  it('never passes where the enforced limit is 0', () => {
    const decision = judge({ monthly: 0 }, EMPTY, ask(0));
    expect(decision.reasons).toMatchObject([{ canEverPass: false, retryAt: null }]);
    expect(decision.retryAt).toBeNull();
  });

  it('does not exist where it is off', () => {
    const counters = countersOf({ global: { month: [139_999, 0] } });
    expect(judge({ ...month, emergency: 'off', critical: 'off' }, counters).admitted).toBe(true);
  });
});

describe('the size of a request', () => {
  it.each<[string, Settings['global'], Settings['aiTypes'], number, string, string]>([
    ['the request limit', { request: 1_000 }, {}, 1_000, 'request_too_large', 'global'],
    [
      "the provider's ceiling",
      { tokensPerRequest: 17_000 },
      {},
      17_000,
      'provider_request_too_large',
      'global',
    ],
    [
      "the AI type's own limit",
      { request: 1_000 },
      { imperium: { request: 50 } },
      50,
      'request_too_large',
      'imperium',
    ],
  ])('%s', (_, global, aiTypes, limit, code, scope) => {
    expect(judge(global, EMPTY, ask(limit), aiTypes).admitted).toBe(true);
    const decision = judge(global, EMPTY, ask(limit + 1), aiTypes);
    expect(decision.reasons).toMatchObject([
      {
        code,
        scope,
        window: null,
        limit,
        used: null,
        held: null,
        requested: limit + 1,
        canEverPass: false,
        retryAt: null,
      },
    ]);
    expect(decision).toMatchObject({ retryAt: null, largestAdmissible: limit });
  });

  it("another AI type's limit does not bind", () => {
    const decision = judge({}, EMPTY, ask(999), { guardian: { request: 1, hourly: 1 } });
    expect(decision.admitted).toBe(true);
  });

  it('an AI type called constructor has no limits of its own', () => {
    const decision = judge({ request: 10 }, EMPTY, ask(10, { aiType: 'constructor' }));
    expect(decision).toMatchObject({ admitted: true, reasons: [], largestAdmissible: 10 });
  });
});

describe('critical: only small requests', () => {
  const month = { monthly: 200_000, daily: 'off', hourly: 'off', request: 1_000 } as const;
  it.each<[number, number, boolean]>([
    [132_999, 251, true],
    [133_000, 250, true],
    [133_000, 251, false],
    [137_199, 251, false],
  ])('%i used, a request of %i: admitted is %s', (used, size, admitted) => {
    const decision = judge(month, countersOf({ global: { month: [used, 0] } }), ask(size));
    expect(codes(decision)).toEqual(admitted ? [] : ['critical_restricts_large']);
  });

  it('passes again when the month resets', () => {
    const decision = judge(month, countersOf({ global: { month: [133_000, 7] } }), ask(251));
    expect(decision.reasons).toMatchObject([
      {
        code: 'critical_restricts_large',
        window: 'month',
        limit: 250,
        used: 133_000,
        held: 7,
        requested: 251,
        canEverPass: true,
        retryAt: MONTH,
      },
    ]);
    expect(decision).toMatchObject({ level: 'critical', retryAt: MONTH, largestAdmissible: 250 });
  });

  it('restricts nothing where criticalRequest is off', () => {
    const counters = countersOf({ global: { month: [133_000, 0] } });
    expect(judge({ ...month, criticalRequest: 'off' }, counters, ask(1_000)).admitted).toBe(true);
  });
});

describe('windows: used + held + requested', () => {
  type Row = [scope: string, kind: 'month' | 'day' | 'hour', key: string, resetsAt: string];
  const rows: Row[] = [
    ['global', 'month', 'enforcedMonthly', MONTH],
    ['global', 'day', 'daily', DAY],
    ['global', 'hour', 'hourly', HOUR],
    ['imperium', 'month', 'monthly', MONTH],
    ['imperium', 'day', 'daily', DAY],
    ['imperium', 'hour', 'hourly', HOUR],
  ];
  describe.each(rows)('%s %s', (scope, kind, key, resetsAt) => {
    const noLevels = { warning: 'off', critical: 'off', emergency: 'off' } as const;
    const off = { ...noLevels, daily: 'off', hourly: 'off' } as const;
    const judgeWith = (used: number, held: number, requested: number): Decision => {
      const mine = { [kind]: [used, held] };
      return scope === 'global'
        ? judge({ ...off, [key]: 1_000 }, countersOf({ global: mine }), ask(requested))
        : judge(off, countersOf({ aiType: mine }), ask(requested), { imperium: { [key]: 1_000 } });
    };

    it.each<[number, number, number, boolean]>([
      [0, 0, 1_000, true],
      [999, 0, 1, true],
      [0, 999, 1, true],
      [600, 300, 100, true],
      [600, 300, 101, false],
      [1_000, 0, 1, false],
      [0, 1_000, 1, false],
      [1_000, 0, 0, true],
      [1_001, 0, 0, false],
    ])('%i used + %i held + %i of 1000: admitted is %s', (used, held, requested, admitted) => {
      expect(judgeWith(used, held, requested).admitted).toBe(admitted);
    });

    it('a request that would fit an empty window passes when it resets', () => {
      const decision = judgeWith(600, 300, 101);
      expect(decision.reasons).toMatchObject([
        {
          code: 'window_exceeded',
          scope,
          window: kind,
          limit: 1_000,
          used: 600,
          held: 300,
          requested: 101,
          canEverPass: true,
          retryAt: resetsAt,
        },
      ]);
      expect(decision).toMatchObject({ retryAt: resetsAt, largestAdmissible: 100 });
    });

    it('a request of all the limit passes when it resets', () => {
      expect(judgeWith(1, 0, 1_000)).toMatchObject({ admitted: false, retryAt: resetsAt });
    });

    it('a request above the limit itself never passes', () => {
      const decision = judgeWith(0, 0, 1_001);
      expect(decision.reasons).toMatchObject([{ canEverPass: false, retryAt: null }]);
      expect(decision.retryAt).toBeNull();
    });
  });

  it("an AI type's usage is counted against its own limit, not all usage", () => {
    const counters = countersOf({ global: { hour: [500, 0] }, aiType: { hour: [10, 0] } });
    const own = { imperium: { hourly: 20 } };
    expect(judge({}, counters, ask(10), own).admitted).toBe(true);
    expect(judge({}, counters, ask(11), own).admitted).toBe(false);
  });

  it('a window above its limit, after a settle above its reservation, leaves nothing', () => {
    const counters = countersOf({ global: { hour: [5_000, 0] } });
    expect(judge({ hourly: 1_000 }, counters)).toMatchObject({
      admitted: false,
      largestAdmissible: 0,
    });
  });
});

describe('rates', () => {
  const ago = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => 59_000 - i * 1_000);

  it.each<[number, boolean]>([
    [41, true],
    [42, false],
  ])('%i requests in the last minute: admitted is %s', (count, admitted) => {
    const decision = judge({ requestsPerMinute: 42 }, countersOf({ ago: ago(count) }));
    expect(codes(decision)).toEqual(admitted ? [] : ['rate_exceeded']);
  });

  it.each<[number, boolean]>([
    [60_000, true],
    [59_999, false],
    [0, false],
    [-5_000, false],
  ])('a request %i ms ago, of 1 a minute: admitted is %s', (age, admitted) => {
    expect(judge({ requestsPerMinute: 1 }, countersOf({ ago: [age] })).admitted).toBe(admitted);
  });

  it('passes when the oldest of the last 42 is 60 seconds old', () => {
    const counters = countersOf({ ago: ago(42) });
    const decision = judge({ requestsPerMinute: 42 }, counters);
    const at = NOW_MS + 1_000;
    expect(decision).toMatchObject({
      retryAt: new Date(at).toISOString(),
      largestAdmissible: 0,
      reasons: [
        { window: 'minute', limit: 42, used: 42, held: 0, requested: 1, canEverPass: true },
      ],
    });
    const limits = limitsOf({ ...ALL_OFF, requestsPerMinute: 42 });
    expect(decide(limits, counters, ask(1), at - 1).admitted).toBe(false);
    expect(decide(limits, counters, ask(1), at).admitted).toBe(true);
  });

  it('passes only when enough have left, where other writers went above the limit', () => {
    const decision = judge({ requestsPerMinute: 2 }, countersOf({ ago: [50, 40, 30, 20, 10] }));
    expect(decision.retryAt).toBe(new Date(NOW_MS - 20 + 60_000).toISOString());
  });

  it('counts the requests of a batch, and lets one through when enough have left', () => {
    const recent = [
      { atMs: NOW_MS - 50_000, items: 3 },
      { atMs: NOW_MS - 40_000, items: 4 },
    ];
    expect(recentItems({ recent }, NOW_MS)).toBe(7);
    const counters = { ...EMPTY, recent };
    expect(judge({ requestsPerMinute: 10 }, counters, ask(9, { items: 3 })).admitted).toBe(true);
    const four = judge({ requestsPerMinute: 10 }, counters, ask(9, { items: 4 }));
    expect(four.retryAt).toBe(new Date(NOW_MS + 10_000).toISOString());
    const seven = judge({ requestsPerMinute: 10 }, counters, ask(9, { items: 7 }));
    expect(seven.retryAt).toBe(new Date(NOW_MS + 20_000).toISOString());
  });

  it.each<[number, boolean]>([
    [3_399, true],
    [3_400, false],
    [3_401, false],
  ])('%i requests today: admitted is %s', (requestsToday, admitted) => {
    const decision = judge({ requestsPerDay: 3_400 }, countersOf({ requestsToday }));
    expect(decision.admitted).toBe(admitted);
    expect(decision.retryAt).toBe(admitted ? null : DAY);
  });

  it.each(['requestsPerMinute', 'requestsPerDay'] as const)(
    'a batch above %s never passes',
    (key) => {
      expect(judge({ [key]: 5 }, EMPTY, ask(9, { items: 5 })).admitted).toBe(true);
      const decision = judge({ [key]: 5 }, EMPTY, ask(9, { items: 6 }));
      expect(decision.reasons).toMatchObject([{ requested: 6, canEverPass: false, retryAt: null }]);
      expect(decision.reasons[0]?.fix).toBe(`tokenctl limits set ${key}=6`);
    },
  );

  it('off counts nothing', () => {
    const counters = countersOf({ ago: ago(59), requestsToday: 1_000_000 });
    expect(judge({}, counters).admitted).toBe(true);
  });
});

describe('a batch', () => {
  const batch = ask(3_000, { items: 4, largestItem: 1_000 });
  it('is bound by `request` in its largest request, by windows in its sum', () => {
    expect(judge({ request: 1_000, hourly: 3_000 }, EMPTY, batch).admitted).toBe(true);
    const decision = judge({ request: 999, hourly: 2_999 }, EMPTY, batch);
    expect(decision.reasons).toMatchObject([
      { code: 'request_too_large', requested: 1_000 },
      { code: 'window_exceeded', requested: 3_000 },
    ]);
  });

  it('is bound at critical in its largest request', () => {
    const counters = countersOf({ global: { month: [133_000, 0] } });
    const month = { monthly: 200_000, daily: 'off', hourly: 'off' } as const;
    expect(judge({ ...month, criticalRequest: 1_000 }, counters, batch).admitted).toBe(true);
    expect(codes(judge({ ...month, criticalRequest: 999 }, counters, batch))).toEqual([
      'critical_restricts_large',
    ]);
  });
});

describe('a denial', () => {
  const everything = countersOf({
    global: { month: [136_000, 0], day: [4_667, 0], hour: [100, 94] },
    aiType: { month: [5, 0], day: [5, 0], hour: [5, 0] },
    ago: Array.from({ length: 42 }, () => 30_000),
    requestsToday: 3_400,
  });
  const own = { imperium: { monthly: 9, daily: 8, hourly: 7, request: 6 } };

  it('lists every rule that was broken', () => {
    const { reasons } = decide(limitsOf({}, own), everything, ask(17_001), NOW_MS);
    expect(reasons.map(({ code, scope, window }) => [code, scope, window])).toEqual([
      ['critical_restricts_large', 'global', 'month'],
      ['request_too_large', 'global', null],
      ['request_too_large', 'imperium', null],
      ['provider_request_too_large', 'global', null],
      ['window_exceeded', 'global', 'month'],
      ['window_exceeded', 'global', 'day'],
      ['window_exceeded', 'global', 'hour'],
      ['window_exceeded', 'imperium', 'month'],
      ['window_exceeded', 'imperium', 'day'],
      ['window_exceeded', 'imperium', 'hour'],
      ['rate_exceeded', 'global', 'minute'],
      ['rate_exceeded', 'global', 'day'],
    ]);
  });

  it('each reason is one line with its limit, and says what to do', () => {
    for (const request of [ask(1), ask(17_001)]) {
      for (const reason of decide(limitsOf({}, own), everything, request, NOW_MS).reasons) {
        expect(reason.message).toMatch(/^[^\n]{20,200}$/);
        expect(reason.message).toContain(reason.limit?.toLocaleString('en-US'));
        expect(reason.fix).toMatch(/\S/);
      }
    }
  });

  it.each<[string, Settings['global'], Counters, string | null]>([
    [
      'the latest of its reasons: the day after the hour',
      { hourly: 10, daily: 20 },
      countersOf({ global: { hour: [10, 0], day: [20, 0] } }),
      DAY,
    ],
    [
      'the latest of its reasons: the hour after the minute',
      { hourly: 10, requestsPerMinute: 1 },
      countersOf({ global: { hour: [10, 0] }, ago: [5] }),
      HOUR,
    ],
    [
      'never, where one reason never goes',
      { hourly: 10, daily: 0 },
      countersOf({ global: { hour: [10, 0] } }),
      null,
    ],
  ])('may be retried: %s', (_, global, counters, retryAt) => {
    expect(judge(global, counters).retryAt).toBe(retryAt);
  });

  it('at the end of a year is retried in the next', () => {
    const limits = limitsOf({ ...ALL_OFF, hourly: 10 });
    const counters = countersOf({ global: { hour: [10, 0] } });
    const decision = decide(limits, counters, ask(1), Date.parse('2026-12-31T23:59:59.999Z'));
    expect(decision.retryAt).toBe('2027-01-01T00:00:00.000Z');
  });

  it('with the defaults: a request of 195 tokens can never pass, and paced is the fix', () => {
    const decision = decide(limitsOf({}), EMPTY, ask(195), NOW_MS);
    expect(decision).toMatchObject({ admitted: false, retryAt: null, largestAdmissible: 194 });
    expect(decision.reasons).toMatchObject([
      {
        code: 'window_exceeded',
        window: 'hour',
        canEverPass: false,
        message: 'hour: the hourly limit of 194 makes a request of 195 tokens impossible',
        fix: 'tokenctl limits apply --profile paced',
      },
    ]);
  });
});

describe('the fix of a window that makes a request impossible', () => {
  it.each<[string, Settings['global'], Settings['aiTypes'], number]>([
    ['an hour that paced widens', {}, {}, 1_000],
    ['an hour that paced widens just enough', { request: 'off' }, {}, 2_800],
    ['an hour that even paced leaves too narrow', { request: 'off', daily: 9_000 }, {}, 2_801],
    ['a day that paced widens', { request: 'off', hourly: 'off' }, {}, 15_000],
    ['paced as it rounds', { enforcedMonthly: 125, request: 'off' }, {}, 3],
    ['a month that is a share', { request: 'off', daily: 'off', monthly: 10_000 }, {}, 9_000],
    [
      'a month above monthly itself',
      { request: 'off', tokensPerRequest: 'off', daily: 'off', monthly: 10_000 },
      {},
      20_000,
    ],
    [
      'a month that is pinned',
      { request: 'off', daily: 'off', monthly: 10_000, enforcedMonthly: 2_000 },
      {},
      5_000,
    ],
    ['an AI type’s hour', { hourly: 'off' }, { imperium: { hourly: 5 } }, 6],
    ['an AI type’s month', { hourly: 'off' }, { imperium: { monthly: 5 } }, 6],
  ])('%s: after it the request can pass', (_, global, aiTypes, size) => {
    const before: Settings = { global, aiTypes };
    const first = decide(limitsOf(global, aiTypes), EMPTY, ask(size), NOW_MS);
    const impossible = first.reasons.filter(({ code }) => code === 'window_exceeded');
    expect(impossible).not.toEqual([]);
    for (const { fix, scope, window } of impossible) {
      const words = (fix ?? '').split(' ');
      const aiType = words.includes('--ai-type') ? (words.at(-1) ?? null) : null;
      const changes = words
        .filter((word) => word.includes('='))
        .map((word) => parseAssignment(word, aiType));
      const after = words.includes('paced')
        ? applyProfile(before, 'paced')
        : applyChanges(before, changes);
      const { reasons } = decide(limitsOf(after.global, after.aiTypes), EMPTY, ask(size), NOW_MS);
      expect(reasons).not.toContainEqual(
        expect.objectContaining({ code: 'window_exceeded', scope, window }),
      );
    }
  });

  it('is the command that the lint gives for the defaults', () => {
    const { reasons } = decide(limitsOf({}), EMPTY, ask(1_000), NOW_MS);
    const finding = lintLimits({ global: {}, aiTypes: {} })[0];
    expect(reasons.map(({ fix }) => fix)).toEqual([finding?.fix]);
  });
});

describe('the largest estimate that passes now', () => {
  it.each<[string, Settings['global'], Settings['aiTypes'], Counters, string | null, number]>([
    ['nothing but the sky', {}, {}, EMPTY, null, 1_000_000_000_000],
    ['the request', { request: 10, tokensPerRequest: 20 }, {}, EMPTY, null, 10],
    ['the provider', { request: 10, tokensPerRequest: 5 }, {}, EMPTY, null, 5],
    [
      'what is left of the hour',
      { hourly: 10 },
      {},
      countersOf({ global: { hour: [3, 4] } }),
      null,
      3,
    ],
    [
      'what is left of the AI type’s day',
      { hourly: 10 },
      { imperium: { daily: 9 } },
      countersOf({ aiType: { day: [3, 4] } }),
      'imperium',
      2,
    ],
    [
      'without an AI type: the global rules',
      { hourly: 10 },
      { imperium: { daily: 9 } },
      countersOf({ aiType: { day: [3, 4] } }),
      null,
      10,
    ],
    ['the AI type’s request', {}, { imperium: { request: 7 } }, EMPTY, 'imperium', 7],
    ['no rate left', { requestsPerDay: 1 }, {}, countersOf({ requestsToday: 1 }), null, 0],
    ['no minute left', { requestsPerMinute: 1 }, {}, countersOf({ ago: [1] }), null, 0],
    ['an hour of nothing', { hourly: 0 }, {}, EMPTY, null, 0],
  ])('%s', (_, global, aiTypes, counters, aiType, largest) => {
    const limits = limitsOf({ ...ALL_OFF, ...global }, aiTypes);
    expect(largestAdmissible(limits, counters, aiType, NOW_MS)).toBe(largest);
  });
});
