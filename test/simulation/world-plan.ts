import type { Settings } from '../../src/budget/limits.ts';
import type { Random } from './random.ts';

/** What a simulated world is like: when it begins, who spends in it, and its limits. */

export interface WorldPlan {
  readonly startMs: number;
  readonly aiTypes: readonly string[];
  readonly settings: Settings;
  readonly cacheReadPercent: number;
}

/** Before the ends of hours, days, months, a leap day and years; in the past, as triggers flag what is to come. */
const STARTS = [
  '2023-03-26T00:30:00Z',
  '2023-11-30T22:58:00Z',
  '2023-12-31T23:30:00Z',
  '2024-02-28T23:40:00Z',
  '2024-02-29T23:50:00Z',
  '2024-06-15T12:30:00Z',
  '2024-12-31T23:59:00Z',
];

/** `constructor` is also a property of plain objects. */
const AI_TYPES = ['imperium', 'guardian', 'sandbox', 'conquest', 'constructor', 'a.b-c_9'];

export function planWorld(random: Random): WorldPlan {
  const aiTypes = AI_TYPES.slice(0, random.int(2, AI_TYPES.length));
  return {
    startMs: Date.parse(random.pick(STARTS)) + random.int(0, 1_000),
    aiTypes,
    settings: someSettings(random, aiTypes),
    cacheReadPercent: random.pick([100, 100, 10, 0]),
  };
}

type Global = Settings['global'];

const OFF: Global = {
  monthly: 'off',
  enforcedMonthly: 'off',
  daily: 'off',
  hourly: 'off',
  request: 'off',
  tokensPerRequest: 'off',
  criticalRequest: 'off',
  requestsPerMinute: 'off',
  requestsPerDay: 'off',
};

const KINDS: ((random: Random) => Global)[] = [
  () => ({}),
  () => ({ daily: '15%', hourly: '2%' }),
  () => OFF,
  // A month that is soon full, so that its levels are crossed.
  (random) => {
    const enforced = random.int(5_000, 200_000);
    return { ...OFF, monthly: enforced * 2, enforcedMonthly: enforced, request: 'off' };
  },
  (random) => ({
    monthly: random.int(50_000, 2_000_000),
    enforcedShare: random.int(1, 100),
    daily: random.pick(['off', '20%', '3%']),
    hourly: random.pick(['off', '1%', '5%']),
    request: random.int(50, 3_000),
    requestsPerMinute: random.pick(['off', 200, 2_000]),
    requestsPerDay: 'off',
    criticalRequest: random.pick(['off', '10%', 77]),
  }),
  (random) => ({
    ...OFF,
    requestsPerMinute: random.int(0, 150),
    requestsPerDay: random.pick(['off', random.int(0, 5_000)] as const),
  }),
  (random) => ({ ...OFF, tokensPerRequest: random.int(100, 2_000), hourly: random.int(0, 40_000) }),
];

const THRESHOLDS: Global[] = [
  {},
  {},
  { warning: 50, critical: 60, emergency: 100 },
  { warning: 'off', critical: 33 },
  { critical: 'off' },
  { emergency: 'off' },
  { warning: 1, critical: 2, emergency: 99 },
];

export function someSettings(random: Random, aiTypes: readonly string[]): Settings {
  const own = aiTypes.filter(() => random.chance(0.25));
  return {
    global: {
      ...random.pick(KINDS)(random),
      ...random.pick(THRESHOLDS),
      ...random.pick<Global>([{}, {}, { reservationTtl: random.pick([1, 30, 86_400]) }]),
    },
    aiTypes: Object.fromEntries(
      own.map((aiType) => [
        aiType,
        random.pick([
          { daily: random.int(0, 50_000) },
          { monthly: random.int(1_000, 300_000), hourly: random.int(500, 20_000) },
          { request: random.int(1, 1_000) },
        ]),
      ]),
    ),
  };
}
