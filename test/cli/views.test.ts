import { Chalk } from 'chalk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveLimits, NO_SETTINGS, type Settings } from '../../src/budget/limits.ts';
import { lintLimits } from '../../src/budget/lint.ts';
import type { StatusReport } from '../../src/ledger/status.ts';
import type { WindowStatus } from '../../src/ledger/window-status.ts';
import { ASCII, UNICODE, type Screen } from '../../src/cli/output.ts';
import { limitEffectView } from '../../src/cli/views/limit-changes.ts';
import { limitHistoryView, limitsView } from '../../src/cli/views/limits.ts';
import { parseStatusLine } from '../../src/cli/views/status-line.ts';
import { statusView } from '../../src/cli/views/status.ts';
import { grid } from '../../src/cli/views/grid.ts';
import { table } from '../../src/cli/views/table.ts';
import { count, duration, percentText, shorten, timeText } from '../../src/cli/views/text.ts';

const plain = (width: number): Screen => ({
  width,
  colors: new Chalk({ level: 0 }),
  symbols: ASCII,
});

function window(
  scope: string,
  kind: WindowStatus['window'],
  used: number,
  limit = 2_000_000,
): WindowStatus {
  return {
    scope,
    window: kind,
    startsAt: '2026-11-24T06:00:00.000Z',
    resetsAt: '2026-12-01T00:00:00.000Z',
    used,
    held: 1_000,
    limit,
    remaining: Math.max(0, limit - used - 1_000),
    percent: 61.25,
    inputTokens: used,
    outputTokens: 0,
    requests: 123_456,
    failed: 7,
    denied: 8,
  };
}

function report(used: number, limit = 2_000_000): StatusReport {
  return {
    schemaVersion: 1,
    time: '2026-11-24T06:45:00.000Z',
    level: 'warning',
    thresholds: {
      warningAt: 1_600_000,
      criticalAt: 1_900_000,
      emergencyAt: 1_960_000,
      criticalRequest: 250,
    },
    database: { kind: 'sqlite', location: '/data/budget.db', since: '2026-11-01T00:00:00.000Z' },
    month: null,
    windows: [
      window('global', 'month', used, limit),
      window('global', 'day', used, limit),
      window('global', 'hour', used, limit),
      window('a-service-with-a-very-long-name-of-fifty-characters', 'month', used, limit),
    ],
    rates: [
      { window: 'minute', requests: 12, limit: 42 },
      { window: 'day', requests: 1_234, limit: null },
    ],
    aiTypes: [
      {
        aiType: 'a-service-with-a-very-long-name-of-fifty-characters',
        inputTokens: used,
        outputTokens: 4_321,
        used,
        held: 1_000,
        today: 4_000,
        requests: 123_456,
        failed: 7,
        denied: 8,
        limit: null,
        percentOfGlobal: 100,
        lastRequestAt: '2026-11-24T06:44:00.000Z',
        status: 'limit_reached',
      },
    ],
    largestAdmissible: 1_000,
    binding: {
      scope: 'global',
      window: 'hour',
      unit: 'tokens',
      limit,
      remaining: 1_000,
      freesAt: '2026-11-24T07:00:00.000Z',
    },
    burnRate: { lastHour: 5_000, lastDay: null, limitReachedAt: '2026-11-25T00:00:00.000Z' },
    lastLogAt: '2026-11-24T06:44:00.000Z',
    aiType: null,
    limitsRevision: 3,
    findings: lintLimits(NO_SETTINGS).filter(({ severity }) => severity === 'problem'),
  };
}

describe('the status screen', () => {
  it.each([
    [60, 1_224_999, 2_000_000],
    [80, 1_224_999_000, 2_000_000_000],
    [120, 1_224_999_000, 2_000_000_000],
  ])('fits %i columns, and no number is cut', (width, used, limit) => {
    const text = statusView(report(used, limit), plain(width));
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    expect(text.split(count(used)).length).toBeGreaterThan(5);
    expect(text).toContain(count(limit - used - 1_000));
    expect(text).toContain('61.25 %');
  });

  it('shows everything that is asked at first sight, at 80 columns', () => {
    const text = statusView(report(84_000), plain(80));
    for (const part of [
      /Level +WARNING/,
      /denies nothing yet; from 1,900,000 tokens requests above 250 are\s+denied/,
      /Database +SQLite \/data\/budget.db since 2026-11-01 00:00 UTC, limits\s+revision 3/,
      /Window +Used +Held +Left +Percent +# used = held +Resets in/,
      /Resets at hour 2026-12-01 00:00 UTC/,
      /a request of 1,000 tokens passes now/,
      /an\s+hour\s+\(1,000\s+left\)\s+binds\s+first,\s+frees\s+in\s+15\s+min/,
      /12 of 42 requests in the last 60 s, 1,234 requests today/,
      /AI type +Used +Share +Today +Requests +Failed +Denied/,
      /5,000 tokens an hour over 1 h, not enough data over 24 h/,
      /Runs out +in 17 h 15 min at this rate, 2026-11-25 00:00 UTC/,
      /1 min ago/,
      /-> tokenctl limits apply --profile paced/,
    ]) {
      expect(text).toMatch(part);
    }
  });

  it('names the global windows as such beside those of one AI type', () => {
    const text = statusView({ ...report(0), aiType: 'sandbox', aiTypes: [] }, plain(80));
    for (const kind of ['month', 'day', 'hour']) expect(text).toMatch(`\nglobal ${kind} `);
    expect(text).toContain('\nsandbox has used nothing in 2026-11.\n');
  });

  it('says so where there is no data, no limit and no use', () => {
    const empty: StatusReport = {
      ...report(0),
      windows: [{ ...window('global', 'month', 0), limit: null, remaining: null, percent: null }],
      aiTypes: [],
      binding: null,
      burnRate: { lastHour: null, lastDay: null, limitReachedAt: null },
      lastLogAt: null,
      findings: [],
    };
    const text = statusView(empty, plain(80));
    expect(text).toMatch(/any request passes now: every limit is off/);
    expect(text).toMatch(/Burn rate not enough data/);
    expect(text).toMatch(/never: there is no monthly limit/);
    expect(text).toMatch(/none yet/);
    expect(text).toMatch(/No AI type has used anything in 2026-11/);
  });

  it('shows of a past month what it was, not what passes now', () => {
    const [month] = report(5).windows;
    const past: StatusReport = {
      ...report(5),
      month: '2026-10',
      windows: month === undefined ? [] : [month],
      binding: null,
      largestAdmissible: null,
    };
    const text = statusView(past, plain(80));
    expect(text).toMatch(/in 2026-10/);
    expect(text).not.toMatch(/Largest|Rates|Resets in/);
  });

  it('shows used, held and free apart, in characters and in colours', () => {
    const [month] = report(500_000).windows;
    const held = { ...month!, used: 500_000, held: 500_000, percent: 50 };
    const shown = { ...report(500_000), windows: [held], aiTypes: [] };
    const screen: Screen = { width: 80, colors: new Chalk({ level: 1 }), symbols: UNICODE };
    expect(statusView(shown, screen)).toContain(
      '\u001b[32m███\u001b[39m\u001b[36m▒▒▒\u001b[39m\u001b[2m░░░░░░\u001b[22m',
    );
    expect(statusView(shown, plain(80))).toContain('###===......');
    const little = { ...shown, windows: [{ ...held, used: 999_000, held: 1_000 }] };
    expect(statusView(little, plain(80))).toContain('######=.......');
    const full = { ...shown, windows: [{ ...held, percent: 99.99 }] };
    expect(statusView(full, plain(80))).toMatch(/ [#=]{11}\.  /);
  });

  it.each([
    ['ok', 1_000, /Level +OK.*\nLargest/],
    ['critical', 250, /requests above 250 tokens are denied; from 1,960,000 on every request\s+is/],
    [
      'emergency',
      0,
      /the emergency stop at 1,960,000 tokens \(98 %\) is reached: every\s+request is denied until 2026-12-01 00:00 UTC, or until usage is reset\s+or the limit raised/,
    ],
  ] as const)('says what the level %s does to requests', (level, largest, expected) => {
    const text = statusView({ ...report(5), level, largestAdmissible: largest }, plain(80));
    expect(text).toMatch(expected);
  });

  it('is whole also where a terminal is very narrow', () => {
    for (const width of [20, 40]) {
      const text = statusView(report(84_000), plain(width));
      expect(text).toContain('61.25 %');
      for (const line of text.split('\n')) {
        // A command stays whole, so that it can be copied.
        if (!line.startsWith('  ->')) expect(line.length).toBeLessThanOrEqual(width);
      }
    }
  });

  it('gives times as the local clock shows them, and in UTC', () => {
    const at = (utcOffsetMinutes: (atMs: number) => number): string =>
      statusView(report(84_000), { ...plain(120), utcOffsetMinutes });
    expect(at(() => 60)).toMatch(/Runs out .*, 2026-11-25 01:00 UTC\+1 \(00:00 UTC\)/);
    expect(at(() => -210)).toMatch(/Runs out .*, 20:30 UTC-3:30 \(2026-11-25 00:00 UTC\)/);
    const later = (atMs: number): number => (atMs < Date.parse('2026-11-24T12:00:00Z') ? 60 : 120);
    expect(at(later)).toMatch(/Runs out .*, 2026-11-25 02:00 UTC\+2 \(00:00 UTC\)/);
    expect(at(later)).toMatch(/Last log .*, 07:44 UTC\+1 \(06:44 UTC\)/);
  });
});

describe('status --format', () => {
  it.each([
    ['{level} {month.percent}', 'warning 61.25'],
    ['{percent}% {hour.left} {day.held}/{day.limit}', '61.25% 1915000 1000/2000000'],
    ['{hour.resets_in}, {binding.window} {largest} {last_log_age}', '6 d 17 h, hour 1000 1 min'],
    ['{{{level}}} }}{{', '{warning} }{'],
    ['{ai:own.used} {ai:own.percent} {ai:none.used}', '84000 100.00 0'],
    ['plain\ntext', 'plain\ntext'],
  ])('%s', (template, expected) => {
    const [own] = report(84_000).aiTypes;
    const shown = { ...report(84_000), aiTypes: [{ ...own!, aiType: 'own' }] };
    expect(parseStatusLine(template)(shown)).toBe(expected);
  });

  it('has a dash where there is no value', () => {
    const empty = { ...report(5), windows: [], binding: null, largestAdmissible: null };
    const template = '{percent} {day.used} {binding.window} {largest} {last_log_age}';
    expect(parseStatusLine(template)({ ...empty, lastLogAt: null })).toBe('- - - - -');
  });

  it.each([
    ['{levle}', '--format: does not know {levle}'],
    ['{month}', '--format: does not know {month}'],
    ['{toString}', '--format: does not know {toString}'],
    ['{ai:x.held}', '--format: does not know {ai:x.held}'],
    ['{}', '--format: does not know {}'],
    ['{level', 'has a "{" without its other half'],
    ['level}', 'has a "}" without its other half'],
    [' ', '--format: is empty'],
  ])('refuses %s', (template, message) => {
    expect(() => parseStatusLine(template)).toThrow(message);
  });
});

describe('the limits table', () => {
  it.each([60, 80, 160])('fits %i columns, with source and derivation', (width) => {
    const inForce = { revision: 1, settings: NO_SETTINGS, ...resolveLimits(NO_SETTINGS) };
    const text = limitsView(inForce, plain(width));
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    expect(text).toMatch(/hourly +194 .*derived +daily \/ 24/);
  });
});

describe.each([
  { name: 'a table', layOut: table },
  { name: 'a table that wraps', layOut: grid },
])('$name', ({ name, layOut }) => {
  const columns = [
    { title: 'Name' },
    { title: 'Count', align: 'right' as const },
    { title: 'Extra', expendable: 1 },
    { title: 'Text', flexible: true },
  ];

  it('keeps every number whole, whatever the width', () => {
    const row = fc.tuple(
      fc.stringMatching(/^[a-z]{1,12}$/),
      fc.nat(),
      fc.stringMatching(/^[a-z]{0,12}$/),
      name === 'a table that wraps'
        ? fc.stringMatching(/^([a-z]{1,9} ){0,9}$/)
        : fc.stringMatching(/^[a-z]{0,9}$/),
    );
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 5 }),
        fc.integer({ min: 48, max: 120 }),
        (rows, width) => {
          const lines = layOut(
            columns,
            rows.map(([name, number, extra, text]) => [name, count(number), extra, text]),
            plain(width),
          );
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
          for (const [, number] of rows) expect(lines.join('\n')).toContain(count(number));
        },
      ),
    );
  });

  it('ends no line with spaces', () => {
    const lines = layOut(
      columns,
      [
        ['a', '1', '', ''],
        ['bb', '22', 'x', 'y'],
      ],
      plain(80),
    );
    expect(lines).toEqual(['Name  Count  Extra  Text', 'a         1', 'bb       22  x      y']);
  });
});

describe('words and numbers', () => {
  it('are written the same everywhere', () => {
    expect([0, 999, 1_000, 18_059_974].map(count)).toEqual(['0', '999', '1,000', '18,059,974']);
    expect([0, 9_000, 60_000, 3_661_000, 90_000_000].map(duration)).toEqual([
      '0 s',
      '9 s',
      '1 min',
      '1 h 1 min',
      '1 d 1 h',
    ]);
    expect(percentText(99.99)).toBe('99.99 %');
    expect(timeText('2026-11-24T06:32:10.000Z')).toBe('2026-11-24 06:32:10 UTC');
    expect(shorten('a-service-with-a-name', 12)).toHaveLength(12);
  });
});

describe('the history of limits', () => {
  it.each([60, 80, 120])('has number, time, who, what and why in %i columns', (width) => {
    const settings = {
      global: { enforcedMonthly: 1_000_000_000_000, requestsPerMinute: 1_000_000 },
      aiTypes: { sandbox: { monthly: 999_999_999_999 } },
    };
    const row = {
      revision: 1_234,
      settings,
      source: 'environment',
      actor: 'deployment@budget-7.example.org',
      reason: 'the pilot',
      at: '2026-11-24T06:32:10.000Z',
    };
    const text = limitHistoryView([row], plain(width));
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    const words = [
      ...['1234', '2026-11-24 06:32:10 UTC', 'environment by'],
      ...['enforcedMonthly=1000000000000', 'requestsPerMinute=1000000', 'sandbox'],
      ...['monthly=999999999999', '(the', 'pilot)'],
    ];
    for (const word of words) expect(text).toContain(word);
    if (width > 60) expect(text).toContain('deployment@budget-7.example.org');
  });

  it('says what each revision changed of the one before', () => {
    const row = (revision: number, settings: Settings) => ({
      ...{ revision, settings, source: 'set', actor: null, reason: null },
      at: '2026-11-24T06:32:10.000Z',
    });
    const text = limitHistoryView(
      [
        row(4, { global: {}, aiTypes: {} }),
        row(3, { global: { hourly: 2_800 }, aiTypes: { sandbox: { monthly: 50 } } }),
        row(2, { global: { hourly: '2%' }, aiTypes: {} }),
        row(1, NO_SETTINGS),
      ],
      plain(120),
    );
    const changes = text
      .split('\n')
      .slice(1)
      .map((line) => line.replace(/^.* set: /, ''));
    expect(changes).toEqual([
      'hourly 2800 -> unset, sandbox monthly 50 -> unset',
      'hourly 2% -> 2800, sandbox monthly unset -> 50',
      'hourly unset -> 2%',
      'the defaults',
    ]);
  });
});

describe('what a change of limits does', () => {
  const hour = (limit: number) => ({
    scope: 'global',
    window: 'hour' as const,
    unit: 'tokens' as const,
    limit,
    remaining: limit - 4,
    freesAt: null,
  });
  const effect = {
    aiType: null,
    largestAdmissible: { before: 190, after: 1_000 },
    binding: { before: hour(194), after: null },
    denialsToday: 11,
    wouldHavePassed: { before: 0, after: 3 },
    cut: false,
  };

  it('is told in lines that fit', () => {
    expect(limitEffectView(effect, plain(80))).toEqual([
      'Largest request that passes now: 190 tokens -> 1,000 tokens',
      'Binds first: the limit of 194 tokens an hour (190 left) -> none, every limit is',
      'off',
      'Of the 11 requests that were denied today (UTC), 3 would have passed.',
    ]);
    for (const line of limitEffectView(effect, plain(60)))
      expect(line.length).toBeLessThanOrEqual(60);
  });

  it.each([
    [{ denialsToday: 0 }, 'No request was denied today (UTC).'],
    [
      { denialsToday: 1, wouldHavePassed: { before: 0, after: 1 } },
      'The one request that was denied today (UTC) would have passed.',
    ],
    [
      { denialsToday: 1, wouldHavePassed: { before: 1, after: 0 } },
      'The one request that was denied today (UTC) would not have passed; under the',
    ],
    [
      { wouldHavePassed: { before: 2, after: 0 } },
      'Of the 11 requests that were denied today (UTC), none would have passed; 2 under',
    ],
    [
      { denialsToday: 1_000, cut: true },
      'Of the newest 1,000 requests that were denied today (UTC), 3 would have passed.',
    ],
    [
      { largestAdmissible: { before: 5, after: 0 } },
      'Largest request that passes now: 5 tokens -> none',
    ],
    [
      { largestAdmissible: { before: 5, after: 5 }, aiType: 'sandbox' },
      'Largest request of sandbox that passes now: 5 tokens, as before',
    ],
  ])('says %j in words', (changed, line) => {
    expect(limitEffectView({ ...effect, ...changed }, plain(80))).toContain(line);
  });
});
