import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, HELD_MUST_LAST_MS } from '../../src/alerts/evaluate.ts';
import type { AlertState } from '../../src/alerts/signal.ts';
import { USUAL_ALERT_KINDS, type AlertKindSettings } from '../../src/budget/alert-kinds.ts';
import { LEVELS, levelAt } from '../../src/budget/levels.ts';
import { resolveLimits, type Settings } from '../../src/budget/limits.ts';
import { parseQuietHours } from '../../src/budget/quiet-hours.ts';
import { windowAt, windowsAt, type WindowKind } from '../../src/budget/windows.ts';
import type { Alert, AlertLevel, NewestReset } from '../../src/ledger/alerts.ts';
import type { WindowRow } from '../../src/ledger/port.ts';

const NOW = Date.parse('2025-06-15T12:30:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Counts {
  readonly used?: number;
  readonly held?: number;
  readonly requests?: number;
  readonly denied?: number;
}

/** One instant: no limit but those that are named, and no usage but this. */
interface Given {
  readonly nowMs?: number;
  readonly limits?: Settings['global'];
  readonly aiTypes?: Settings['aiTypes'];
  readonly month?: Counts;
  readonly day?: Counts;
  readonly hour?: Counts;
  /** Of the AI type imperium. */
  readonly imperium?: Partial<Record<WindowKind, Counts>>;
  /** What the global hours before the current one used, the last one first. */
  readonly hoursBefore?: readonly number[];
  readonly resets?: readonly NewestReset[];
  readonly kinds?: Partial<AlertKindSettings>;
  readonly usualHour?: number;
  readonly lastLogAtMs?: number | null;
  readonly deniedMostBy?: string;
}

function row(aiType: string | null, kind: WindowKind, atMs: number, counts: Counts): WindowRow {
  return {
    ...{ aiType, kind, start: windowAt(kind, atMs).start, tokensIn: 0, tokensOut: 0 },
    ...{ used: 0, held: 0, requests: 0, requestsReset: 0, failed: 0, denied: 0 },
    ...{ lastRequestAtMs: null, ...counts },
  };
}

const OFF = { daily: 'off', hourly: 'off', requestsPerDay: 'off', enforcedMonthly: 'off' } as const;

function at(given: Given): AlertState {
  const { nowMs = NOW, limits = {}, aiTypes = {}, imperium = {}, hoursBefore = [] } = given;
  const kinds = ['month', 'day', 'hour'] as const;
  return {
    nowMs,
    current: windowsAt(nowMs),
    windows: [
      ...kinds.map((kind) => row(null, kind, nowMs, given[kind] ?? {})),
      ...kinds.map((kind) => row('imperium', kind, nowMs, imperium[kind] ?? {})),
    ],
    hours: hoursBefore
      .map((used, back) => row(null, 'hour', nowMs - (back + 1) * HOUR_MS, { used }))
      .toReversed(),
    sinceMs: nowMs - 30 * DAY_MS,
    lastLogAtMs: given.lastLogAtMs ?? null,
    limits: resolveLimits({ global: { ...OFF, ...limits }, aiTypes }).limits,
    kinds: { ...USUAL_ALERT_KINDS, ...given.kinds },
    resets: given.resets ?? [],
    usualHour: given.usualHour ?? null,
    deniedMostBy: given.deniedMostBy ?? null,
  };
}

/** The enforced month alone: warning at 800, critical at 950, emergency at 980. */
function month(
  used: number,
  held = 0,
  rest: { nowMs?: number; enforced?: number; newestReset?: number } = {},
): AlertState {
  const { nowMs = NOW, enforced = 1_000, newestReset = 0 } = rest;
  return at({
    ...{ nowMs, month: { used, held }, limits: { enforcedMonthly: enforced } },
    resets: newestReset === 0 ? [] : [{ aiType: null, kind: 'month', id: newestReset }],
    kinds: { overrun: false, 'burn-rate': null },
  });
}

function alert(level: AlertLevel, state: Alert['state'], rest: Partial<Alert> = {}): Alert {
  const threshold = { warning: 800, critical: 950, emergency: 980 }[level];
  return {
    ...{ id: `${level}-${state}`, kind: 'level', level, state, aiType: null, message: '' },
    ...{ windowKind: 'month', windowStart: '2025-06', seenAtMs: NOW, resolvedAtMs: null },
    raisedAtMs: state === 'pending' ? null : NOW,
    data: {
      ...{ used: threshold, held: 0, limit: 1_000, percent: threshold / 10, threshold },
      ...{ newestReset: 0, resetsAt: '2025-07-01T00:00:00.000Z' },
    },
    ...rest,
  };
}

/** What is done, as words. */
function done(state: AlertState, known: readonly Alert[] = []): string[] {
  const { resolve, drop, raise, wait } = evaluate(state, known);
  const name = (kind: string, level: string): string =>
    kind === 'level' ? level : `${kind} ${level}`;
  return [
    ...resolve.map(
      ({ alert: { kind, level }, told, goesOnAt }) =>
        `resolve ${name(kind, level)}${told ? '' : ' silently'}${goesOnAt === null ? '' : `, still ${goesOnAt}`}`,
    ),
    ...drop.map((one) => `drop ${name(one.kind, one.level)}`),
    ...raise.map(
      ({ signal, level, pending }) =>
        `raise ${name(signal.kind, level.level)}${pending === null ? '' : ', which was pending'}`,
    ),
    ...wait.map(({ signal, level }) => `wait ${name(signal.kind, level.level)}`),
  ];
}

/** A small ledger of alerts: does what is to be done, and says how many messages that made. */
class Book {
  known: Alert[] = [];
  messages: string[] = [];
  #ids = 0;

  look(state: AlertState): void {
    const { resolve, drop, raise, wait } = evaluate(state, this.known);
    const gone = new Set<Alert>([...drop, ...resolve.map((each) => each.alert)]);
    for (const { pending } of raise) if (pending !== null) gone.add(pending);
    this.known = this.known.filter((each) => !gone.has(each));
    for (const { alert: over, told } of resolve) {
      this.known.push({ ...over, state: 'resolved' });
      if (told) this.messages.push(`resolved ${over.kind} ${over.level} ${over.windowStart}`);
    }
    const made = (found: (typeof wait)[number], state_: Alert['state'], seenAtMs: number): Alert =>
      alert(found.level.level, state_, {
        ...{ id: String(++this.#ids), kind: found.signal.kind, aiType: found.signal.aiType },
        ...{ windowKind: found.signal.window.kind, windowStart: found.signal.window.start },
        ...{ data: found.level.data, seenAtMs },
      });
    for (const each of raise) {
      const { kind, window } = each.signal;
      this.known.push(made(each, 'raised', each.pending?.seenAtMs ?? state.nowMs));
      this.messages.push(`raised ${kind} ${each.level.level} ${window.start}`);
    }
    for (const each of wait) this.known.push(made(each, 'pending', state.nowMs));
  }

  get open(): Alert[] {
    return this.known.filter(({ state }) => state === 'raised');
  }
}

/** The alert that a state raises, as it is known afterwards. */
function raisedBy(state: AlertState, become: Alert['state'] = 'raised'): Alert {
  const book = new Book();
  book.look(state);
  expect(book.open).toHaveLength(1);
  return { ...book.open[0]!, state: become };
}

describe('a level', () => {
  it.each<[string, AlertState, Alert[], string[]]>([
    ['below warning', month(799), [], []],
    ['at warning', month(800), [], ['raise warning']],
    ['at critical at once: one alert', month(950), [], ['raise critical']],
    ['at emergency at once: one alert', month(990), [], ['raise emergency']],
    ['still at warning', month(900), [alert('warning', 'raised')], []],
    ['from warning to critical', month(960), [alert('warning', 'raised')], ['raise critical']],
    [
      'corrected below the upper of two',
      month(900),
      [alert('warning', 'raised'), alert('critical', 'raised')],
      ['resolve critical, still warning'],
    ],
    [
      'reset below all three: one of them says so',
      month(0, 0, { newestReset: 1 }),
      [alert('warning', 'raised'), alert('critical', 'raised'), alert('emergency', 'raised')],
      ['resolve warning silently', 'resolve critical silently', 'resolve emergency'],
    ],
    [
      'reset from an emergency to warning, which was never told',
      month(900, 0, { newestReset: 1 }),
      [alert('emergency', 'raised')],
      ['resolve emergency', 'raise warning'],
    ],
    [
      'reset just below',
      month(799, 0, { newestReset: 1 }),
      [alert('warning', 'raised')],
      ['resolve warning'],
    ],
    [
      'reset, and still reached',
      month(850, 0, { newestReset: 1 }),
      [alert('warning', 'raised')],
      ['resolve warning', 'raise warning'],
    ],
    [
      'reached again after it was over',
      month(850),
      [alert('warning', 'resolved')],
      ['raise warning'],
    ],
    ['corrected just below: within the hysteresis', month(799), [alert('warning', 'raised')], []],
    [
      'holds that went, just below: within the hysteresis',
      month(790, 5),
      [alert('warning', 'raised')],
      [],
    ],
    [
      'holds that went, 1 % of the limit below',
      month(780, 9),
      [alert('warning', 'raised')],
      ['resolve warning'],
    ],
    [
      'a limit raised just above it',
      month(800, 0, { enforced: 1_001 }),
      [alert('warning', 'raised')],
      ['resolve warning'],
    ],
    [
      'a new month',
      month(0, 0, { nowMs: Date.parse('2025-07-01T00:00:01Z') }),
      [alert('critical', 'raised'), alert('emergency', 'pending')],
      ['resolve critical', 'drop emergency'],
    ],
  ])('%s', (_, state, open, expected) => {
    expect(done(state, open)).toEqual(expected);
  });

  it('belongs to the incident that a lower one opened', () => {
    const opener = alert('warning', 'raised');
    expect(evaluate(month(960), [opener]).raise).toMatchObject([{ opener }]);
    expect(evaluate(month(960), []).raise).toMatchObject([{ opener: null }]);
  });
});

describe('a level that only holds reach', () => {
  const lasted = { seenAtMs: NOW - HELD_MUST_LAST_MS };

  it.each<[string, AlertState, Alert[], string[]]>([
    ['is waited for', month(100, 700), [], ['wait warning']],
    [
      'with each level below it',
      month(100, 890),
      [],
      ['wait warning', 'wait critical', 'wait emergency'],
    ],
    [
      'is not raised before its time',
      month(100, 700),
      [alert('warning', 'pending', { seenAtMs: NOW - HELD_MUST_LAST_MS + 1 })],
      [],
    ],
    [
      'is raised when it has lasted',
      month(100, 700),
      [alert('warning', 'pending', lasted)],
      ['raise warning, which was pending'],
    ],
    [
      'is dropped when it goes',
      month(100, 600),
      [alert('warning', 'pending', lasted)],
      ['drop warning'],
    ],
    [
      'is raised at once when usage reaches it',
      month(800, 0),
      [alert('warning', 'pending')],
      ['raise warning, which was pending'],
    ],
    [
      'is overtaken by a higher one that has lasted as long',
      month(100, 855),
      [alert('warning', 'pending', lasted), alert('critical', 'pending', lasted)],
      ['drop warning', 'raise critical, which was pending'],
    ],
    [
      'lasts level by level',
      month(100, 855),
      [alert('warning', 'pending', lasted), alert('critical', 'pending')],
      ['raise warning, which was pending'],
    ],
    ['lies above one that usage reaches', month(800, 150), [], ['raise warning', 'wait critical']],
  ])('%s', (_, state, open, expected) => {
    expect(done(state, open)).toEqual(expected);
  });

  it('that was first seen by a clock which has gone back since is seen anew', () => {
    const ahead = alert('warning', 'pending', { seenAtMs: NOW + HOUR_MS });
    expect(done(month(100, 700), [ahead])).toEqual(['drop warning', 'wait warning']);
  });

  it('says when it will have lasted', () => {
    const seenAtMs = NOW - 20_000;
    expect(evaluate(month(100, 700), []).lookAgainAtMs).toBe(NOW + 60_000);
    expect(
      evaluate(month(100, 700), [alert('warning', 'pending', { seenAtMs })]).lookAgainAtMs,
    ).toBe(NOW + 40_000);
    expect(evaluate(month(900), []).lookAgainAtMs).toBeNull();
  });
});

describe('a day or an hour that is exhausted', () => {
  const limits = { daily: 20_000, hourly: 2_000 };

  it.each<[string, Given, string[]]>([
    ['has 1 % left', { day: { used: 19_800 } }, []],
    ['has less than 1 % left', { day: { used: 19_801 } }, ['raise exhausted critical']],
    ['has held most of it', { day: { used: 19_000, held: 900 } }, ['wait exhausted critical']],
    ['is an hour', { hour: { used: 1_981 } }, ['raise exhausted warning']],
    [
      'are both: the longer one says it',
      { day: { used: 20_000 }, hour: { used: 2_000 } },
      ['raise exhausted critical'],
    ],
    [
      'are both, the day by holds alone',
      { day: { used: 19_000, held: 900 }, hour: { used: 2_000 } },
      ['raise exhausted warning', 'wait exhausted critical'],
    ],
    [
      'is in an emergency, which says it',
      {
        ...{ limits: { ...limits, enforcedMonthly: 20_000 }, kinds: { overrun: false } },
        ...{ month: { used: 20_000 }, day: { used: 20_000 }, hour: { used: 2_000, denied: 99 } },
      },
      ['raise emergency'],
    ],
    ['is off', { day: { used: 20_000 }, kinds: { exhausted: false } }, []],
    ['has no limit', { limits: OFF, day: { used: 20_000 } }, []],
    ['has a limit of 0, which is meant', { limits: { daily: 0, hourly: 'off' } }, []],
  ])('%s', (_, given, expected) => {
    expect(done(at({ limits, ...given }))).toEqual(expected);
  });

  it('says what passes still, and until when', () => {
    const { raise } = evaluate(at({ limits, day: { used: 19_862 } }), []);
    const [found] = raise;
    expect(`${found!.level.fact}; ${found!.level.effect}`).toBe(
      '99.31 % of the 20,000 tokens of the day 2025-06-15 are used or held; requests above 138 tokens are denied until 2025-06-16 00:00 UTC',
    );
    expect(evaluate(at({ limits, hour: { used: 2_000 } }), []).raise[0]!.level).toMatchObject({
      fact: '100.00 % of the 2,000 tokens of the hour 2025-06-15 12:00 UTC are used or held',
      effect: 'every request is denied until 2025-06-15 13:00 UTC',
    });
  });

  const full: Given = { limits, hour: { used: 2_000 } };
  const reset = [{ aiType: null, kind: 'hour', id: 7 }] as const;
  it.each<[string, Given, Alert['state'], string[]]>([
    ['stays', full, 'raised', []],
    ['flaps within 1 % of the limit', { limits, hour: { used: 1_970 } }, 'raised', []],
    ['falls below', { limits, hour: { used: 1_900 } }, 'raised', ['resolve exhausted warning']],
    ['comes again in the same hour', full, 'resolved', []],
    [
      'comes again after a reset',
      { ...full, resets: reset },
      'resolved',
      ['raise exhausted warning'],
    ],
    [
      'comes again in the next hour',
      { ...full, nowMs: NOW + HOUR_MS },
      'resolved',
      ['raise exhausted warning'],
    ],
    [
      'comes again under a higher limit',
      { limits: { hourly: 3_000 }, hour: { used: 2_990 } },
      'resolved',
      ['raise exhausted warning'],
    ],
    [
      'is over with its hour',
      { limits, nowMs: NOW + HOUR_MS },
      'raised',
      ['resolve exhausted warning'],
    ],
    [
      'is switched off',
      { ...full, kinds: { exhausted: false } },
      'raised',
      ['resolve exhausted warning'],
    ],
    [
      'loses its limit',
      { ...full, limits: { hourly: 'off' } },
      'raised',
      ['resolve exhausted warning'],
    ],
  ])('%s', (_, given, become, expected) => {
    expect(done(at(given), [raisedBy(at(full), become)])).toEqual(expected);
  });

  it.each<[string, Given, string]>([
    ['ended', { limits, nowMs: NOW + HOUR_MS }, 'the hour has ended'],
    ['reset', { limits, resets: reset }, 'usage was reset'],
    ['raised', { limits: { hourly: 9_000 }, hour: { used: 2_000 } }, 'the limit was raised'],
    ['less', { limits, hour: { used: 100 } }, 'less is used and held'],
    ['off', { ...full, kinds: { exhausted: false } }, 'it was switched off'],
    ['no limit', { ...full, limits: { hourly: 'off' } }, 'it has no limit any more'],
  ])('says why it is over: %s', (_, given, because) => {
    expect(evaluate(at(given), [raisedBy(at(full))]).resolve).toMatchObject([{ because }]);
  });
});

describe("an AI type's own limit", () => {
  const aiTypes = { imperium: { monthly: 1_000, daily: 500, hourly: 100 } };

  it.each<[string, Given, string[]]>([
    ['below the warning percentage', { imperium: { month: { used: 799 } } }, []],
    ['at it', { imperium: { month: { used: 800 } } }, ['raise ai-type warning']],
    ['the month exhausted', { imperium: { month: { used: 991 } } }, ['raise ai-type critical']],
    ['the day', { imperium: { day: { used: 496 } } }, ['raise ai-type critical']],
    ['the hour', { imperium: { hour: { used: 100 } } }, ['raise ai-type warning']],
    [
      'the day and the hour',
      { imperium: { day: { used: 500 }, hour: { used: 100 } } },
      ['raise ai-type critical'],
    ],
    ['held', { imperium: { hour: { held: 100 } } }, ['wait ai-type warning']],
    ['all tokens of others', { month: { used: 5_000 }, day: { used: 5_000 } }, []],
    ['none', { aiTypes: {}, imperium: { month: { used: 1_000 } } }, []],
    ['switched off', { imperium: { month: { used: 1_000 } }, kinds: { 'ai-type': false } }, []],
  ])('%s', (_, given, expected) => {
    expect(done(at({ aiTypes, ...given }))).toEqual(expected);
  });

  it('names it', () => {
    const { raise } = evaluate(at({ aiTypes, imperium: { hour: { used: 100 } } }), []);
    expect(raise[0]!.level).toMatchObject({
      fact: "100.00 % of imperium's 100 tokens of the hour 2025-06-15 12:00 UTC are used or held",
      effect: 'every request of imperium is denied until 2025-06-15 13:00 UTC',
      command: 'tokenctl status --ai-type imperium',
      data: { used: 100, held: 0, limit: 100, percent: 100 },
    });
  });

  it('that is taken away is over, both levels as one', () => {
    const state = at({ aiTypes, imperium: { month: { used: 850 } } });
    const higher = at({ aiTypes, imperium: { month: { used: 1_000 } } });
    const book = new Book();
    book.look(state);
    book.look(higher);
    book.look(at({ imperium: { month: { used: 1_000 } } }));
    expect(book.messages).toEqual([
      'raised ai-type warning 2025-06',
      'raised ai-type critical 2025-06',
      'resolved ai-type critical 2025-06',
    ]);
  });
});

describe('a rate of denials', () => {
  const many = { hour: { requests: 9, denied: 31 } };

  it.each<[string, Given, string[]]>([
    ['of few requests', { hour: { denied: 19 } }, []],
    ['of enough', { hour: { denied: 20 } }, ['raise denials warning']],
    ['of half', { hour: { requests: 10, denied: 10 } }, ['raise denials warning']],
    ['of less', { hour: { requests: 11, denied: 10 } }, []],
    ['of the configured percent', { ...many, kinds: { denials: { percent: 78 } } }, []],
    [
      'of another one',
      { hour: { requests: 19, denied: 1 }, kinds: { denials: { percent: 5 } } },
      ['raise denials warning'],
    ],
    ['switched off', { ...many, kinds: { denials: null } }, []],
  ])('%s', (_, given, expected) => {
    expect(done(at(given))).toEqual(expected);
  });

  it('says which limit denied most', () => {
    const [found] = evaluate(at({ ...many, deniedMostBy: 'the limit of the day' }), []).raise;
    expect(found!.level).toMatchObject({
      fact: '31 of 40 requests in the hour 2025-06-15 12:00 UTC were denied',
      effect: 'most were denied by the limit of the day',
      data: { details: { denied: 31, requests: 40, mostBy: 'the limit of the day' }, limit: null },
    });
  });

  it('lasts until its hour ends, and comes once in it', () => {
    const known = [raisedBy(at(many))];
    expect(done(at({ hour: { requests: 900, denied: 31 } }), known)).toEqual([]);
    expect(done(at({ nowMs: NOW + HOUR_MS }), known)).toEqual(['resolve denials warning']);
    expect(done(at(many), [raisedBy(at(many), 'resolved')])).toEqual([]);
  });
});

describe('an unusual hour', () => {
  const unusual: Given = {
    ...{ limits: { enforcedMonthly: 100_000 }, hour: { used: 3_001 }, usualHour: 1_000 },
    kinds: { overrun: false },
  };

  it.each<[string, Given, string[]]>([
    ['above three times the usual', {}, ['raise burn-rate warning']],
    ['at three times the usual', { hour: { used: 3_000 } }, []],
    ['without enough history', { usualHour: undefined } as unknown as Given, []],
    ['of next to nothing', { limits: { enforcedMonthly: 300_100 } }, []],
    ['without a limit of the month', { limits: {} }, ['raise burn-rate warning']],
    ['of other times', { kinds: { overrun: false, 'burn-rate': { times: 3.5 } } }, []],
    ['switched off', { kinds: { overrun: false, 'burn-rate': null } }, []],
  ])('%s', (_, given, expected) => {
    expect(done(at({ ...unusual, ...given }))).toEqual(expected);
  });

  it('says what is usual, and carries the numbers of the day', () => {
    const [found] = evaluate(at({ ...unusual, day: { used: 4_000, held: 5 } }), []).raise;
    expect(found!.level.fact).toBe(
      '3,001 tokens were used in the hour 2025-06-15 12:00 UTC, 3.0 times what hours of the last 7 days used at most, as a rule (1,000)',
    );
    expect(found!.level.data).toMatchObject({
      ...{ used: 4_000, held: 5, limit: null, percent: null, threshold: 3_001 },
      details: { tokensThisHour: 3_001, usual: 1_000 },
    });
  });

  it('is over when an hour was as usual, or with the day', () => {
    const known = [raisedBy(at(unusual))];
    const later = { ...unusual, usualHour: undefined } as unknown as Given;
    const next = { ...later, nowMs: NOW + HOUR_MS, hour: { used: 5 } };
    expect(done(at({ ...next, hoursBefore: [3_001] }), known)).toEqual([]);
    expect(done(at({ ...next, hoursBefore: [3_000] }), known)).toEqual([
      'resolve burn-rate warning',
    ]);
    expect(done(at({ ...next, nowMs: NOW + DAY_MS, hour: { used: 9_000 } }), known)).toEqual([
      'resolve burn-rate warning',
    ]);
  });

  it('comes once a day', () => {
    const known = [raisedBy(at(unusual), 'resolved')];
    expect(done(at({ ...unusual, nowMs: NOW + HOUR_MS }), known)).toEqual([]);
    expect(done(at({ ...unusual, nowMs: NOW + DAY_MS }), known)).toEqual([
      'raise burn-rate warning',
    ]);
  });
});

describe('a projected overrun', () => {
  /** 15.5 days of the month are left: 372 hours. */
  const given = (used: number, rate: number): Given => ({
    ...{ limits: { enforcedMonthly: 10_000 }, month: { used } },
    hoursBefore: Array.from({ length: 25 }, () => rate),
    ...{ kinds: { 'burn-rate': null } },
  });
  const reset = [{ aiType: null, kind: 'month', id: 3 }] as const;

  it.each<[string, Given, string[]]>([
    ['below the limit', given(6_000, 10), []],
    ['above it', given(6_500, 10), ['raise overrun warning']],
    ['at level warning too', given(8_000, 10), ['raise level warning', 'raise overrun warning']],
    ['at critical, which says more', given(9_600, 10), ['raise level critical']],
    ['without a day of data', { ...given(6_500, 0), hoursBefore: [] }, []],
    ['without a limit', { ...given(6_500, 10), limits: {} }, []],
    ['switched off', { ...given(6_500, 10), kinds: { overrun: false } }, []],
  ])('%s', (_, state, expected) => {
    const words = done(at(state)).map((each) =>
      each.replace(/^raise (warning|critical)$/, 'raise level $1'),
    );
    expect(words).toEqual(expected);
  });

  it('says by how much, and when the limit is reached', () => {
    const [found] = evaluate(at(given(6_500, 10)), []).raise;
    expect(found!.level).toMatchObject({
      fact: 'at 10 tokens an hour, as in the last 24, the month 2025-06 comes to 10,215 tokens, of 10,000',
      effect: 'nothing is denied for it yet; the limit is reached 2025-06-30 02:30 UTC',
      data: { used: 6_500, limit: 10_000, percent: 65, details: { projected: 10_215 } },
    });
  });

  it('is over below 95 % of the limit, and comes once a month', () => {
    const known = [raisedBy(at(given(6_500, 10)))];
    expect(done(at(given(6_500, 9)), known)).toEqual([]);
    expect(done(at(given(6_500, 8)), known)).toEqual(['resolve overrun warning']);
    const over = [raisedBy(at(given(6_500, 10)), 'resolved')];
    expect(done(at(given(6_500, 10)), over)).toEqual([]);
    expect(done(at({ ...given(6_500, 10), resets: reset }), over)).toEqual([
      'raise overrun warning',
    ]);
    expect(done(at({ ...given(6_500, 20), limits: { enforcedMonthly: 11_000 } }), over)).toEqual([
      'raise overrun warning',
    ]);
  });
});

describe('silence', () => {
  const hours = parseQuietHours((key) => key, { from: '08:00', to: '20:00', tz: 'Europe/Berlin' });
  const always = { silence: { afterMs: 2 * HOUR_MS, hours: null } };
  const open = { silence: { afterMs: 2 * HOUR_MS, hours } };
  const ago = (ms: number): number => NOW - ms;

  it.each<[string, Given, string[]]>([
    ['of two hours', { kinds: always, lastLogAtMs: ago(2 * HOUR_MS) }, []],
    ['of longer', { kinds: always, lastLogAtMs: ago(2 * HOUR_MS + 1) }, ['raise silence critical']],
    ['since there is a ledger', { kinds: always }, ['raise silence critical']],
    ['unless configured', { lastLogAtMs: 0 }, []],
    ['in its hours', { kinds: open, lastLogAtMs: ago(3 * HOUR_MS) }, ['raise silence critical']],
    ['over night', { kinds: open, nowMs: Date.parse('2025-06-15T05:59:00Z'), lastLogAtMs: 0 }, []],
    [
      'until two hours after they began',
      { kinds: open, nowMs: Date.parse('2025-06-15T07:59:59Z'), lastLogAtMs: 0 },
      [],
    ],
    [
      'from then on',
      { kinds: open, nowMs: Date.parse('2025-06-15T08:00:00Z'), lastLogAtMs: 0 },
      ['raise silence critical'],
    ],
  ])('%s', (_, given, expected) => {
    expect(done(at(given))).toEqual(expected);
  });

  it('is over when a log comes, and may come again', () => {
    const silent: Given = { kinds: open, lastLogAtMs: ago(3 * HOUR_MS) };
    const known = [raisedBy(at(silent))];
    expect(done(at({ ...silent, nowMs: NOW + 10 * HOUR_MS }), known)).toEqual([]);
    const spoke: Given = { kinds: open, nowMs: NOW + HOUR_MS, lastLogAtMs: NOW };
    expect(done(at(spoke), known)).toEqual(['resolve silence critical']);
    const again: Given = { kinds: open, nowMs: NOW + 3 * HOUR_MS, lastLogAtMs: NOW };
    expect(done(at(again), known)).toEqual(['resolve silence critical', 'raise silence critical']);
    expect(done(at({ ...again, kinds: {} }), known)).toEqual(['resolve silence critical']);
  });

  it('lasts from one month into the next', () => {
    const known = [raisedBy(at({ kinds: always, lastLogAtMs: 0 }))];
    expect(done(at({ kinds: always, lastLogAtMs: 0, nowMs: NOW + 20 * DAY_MS }), known)).toEqual(
      [],
    );
  });
});

it('what the monitor tells by itself is left alone', () => {
  expect(done(at({}), [alert('critical', 'raised', { kind: 'blind' })])).toEqual([]);
});

describe('whatever happens', () => {
  const counts = (max: number) =>
    fc.record({
      used: fc.integer({ min: 0, max }),
      held: fc.integer({ min: 0, max: Math.round(max / 3) }),
    });
  const moves = fc.array(
    fc.record({
      ...{ month: counts(1_100), day: counts(500), hour: counts(100) },
      imperium: fc.record({ month: counts(400), day: counts(200), hour: counts(50) }),
      ...{ requests: fc.nat(30), denied: fc.nat(30) },
      hoursBefore: fc.array(fc.nat(90), { minLength: 25, maxLength: 25 }),
      lastLogAgoMs: fc.nat(3 * HOUR_MS),
      usualHour: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      reset: fc.constantFrom(0, 0, 0, 0, 1),
      afterMs: fc.oneof(fc.nat(90_000), fc.nat(4 * HOUR_MS), fc.nat(9 * DAY_MS)),
      on: fc.constantFrom(true, true, true, true, false),
    }),
    { minLength: 1, maxLength: 40 },
  );
  const limits = { enforcedMonthly: 1_000, daily: 450, hourly: 90 };
  const aiTypes = { imperium: { monthly: 350, daily: 150, hourly: 40 } };

  /** Each state after the other, and what a book makes of it. */
  function walk(
    steps: readonly (typeof moves extends fc.Arbitrary<infer T> ? T : never)[number][],
    after: (book: Book, state: AlertState, reset: number) => void,
  ): Book {
    const book = new Book();
    let nowMs = NOW;
    let resetId = 0;
    for (const step of steps) {
      nowMs += step.afterMs;
      resetId += step.reset;
      const { month: m, day, hour, imperium, hoursBefore, usualHour, on } = step;
      const state = at({
        ...{ nowMs, limits, aiTypes, month: m, day, imperium, hoursBefore },
        ...(usualHour === undefined ? {} : { usualHour }),
        hour: { ...hour, requests: step.requests, denied: step.denied },
        lastLogAtMs: nowMs - step.lastLogAgoMs,
        resets: (['month', 'day', 'hour'] as const).flatMap((kind) => [
          { aiType: null, kind, id: resetId },
          { aiType: 'imperium', kind, id: resetId },
        ]),
        kinds: { silence: { afterMs: 2 * HOUR_MS, hours: null }, exhausted: on, overrun: on },
      });
      book.look(state);
      after(book, state, resetId);
    }
    return book;
  }

  it('of an incident no level is raised twice, and none outlives its window', () => {
    fc.assert(
      fc.property(moves, (steps) => {
        walk(steps, (book, state) => {
          const names = book.known
            .filter((one) => one.state !== 'resolved')
            .map((one) => [one.kind, one.aiType, one.windowStart, one.level].join(' '));
          expect(new Set(names).size).toBe(names.length);
          for (const one of book.open) {
            if (one.kind === 'silence') continue;
            expect(one.windowStart).toBe(windowAt(one.windowKind, state.nowMs).start);
          }
        });
      }),
    );
  });

  it('what usage of the month reaches has been told', () => {
    fc.assert(
      fc.property(moves, (steps) => {
        walk(steps, (book, state) => {
          const told = book.open
            .filter(({ kind }) => kind === 'level')
            .map(({ level }) => LEVELS.indexOf(level));
          const { used } = state.windows[0]!;
          const reached = LEVELS.indexOf(levelAt(used, state.limits));
          expect(Math.max(0, ...told)).toBeGreaterThanOrEqual(reached);
        });
      }),
    );
  });

  it('a kind is raised once in a window, and once more for each reset of it', () => {
    fc.assert(
      fc.property(moves, (steps) => {
        const raised = new Map<string, number>();
        let before = 0;
        walk(steps, (book, _, reset) => {
          for (const one of book.messages.slice(before)) {
            if (!one.startsWith('raised') || /level|silence/.test(one)) continue;
            const again = /exhausted|ai-type|overrun/.test(one)
              ? ` after reset ${String(reset)}`
              : '';
            raised.set(one + again, (raised.get(one + again) ?? 0) + 1);
          }
          before = book.messages.length;
        });
        for (const [name, times] of raised) {
          expect([name, times]).toEqual([name, 1]);
        }
      }),
    );
  });

  it('a count that wanders at a border makes few messages', () => {
    const wander = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 50, maxLength: 200 });
    fc.assert(
      fc.property(wander, (steps) => {
        const book = new Book();
        for (const [index, off] of steps.entries()) {
          const state = at({
            nowMs: NOW + index * 1_000,
            limits: { ...limits, enforcedMonthly: 10_000 },
            kinds: { 'burn-rate': null, overrun: false },
            ...{ aiTypes, month: { used: 8_000 + off }, day: { used: 446 + off } },
            imperium: { day: { used: 149 + off } },
          });
          book.look(state);
        }
        expect(book.messages.length).toBeLessThanOrEqual(5);
      }),
    );
  });

  it('holds that come and go within a minute make none', () => {
    const waves = fc.array(fc.boolean(), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(waves, (steps) => {
        const book = new Book();
        let since: number | null = null;
        for (const [index, high] of steps.entries()) {
          const nowMs = NOW + index * 20_000;
          since = high ? (since ?? nowMs) : null;
          // The fourth in a row has lasted a minute.
          const held = since !== null && nowMs - since < HELD_MUST_LAST_MS ? 1_000 : 0;
          if (held === 0) since = null;
          book.look(at({ nowMs, limits, month: { held }, day: { held }, hour: { held } }));
        }
        expect(book.messages).toEqual([]);
      }),
    );
  });
});
