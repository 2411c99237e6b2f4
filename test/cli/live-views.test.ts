/** The living monitor's screen as pure data → lines. */
import { stripVTControlCharacters } from 'node:util';
import { Chalk } from 'chalk';
import { describe, expect, it } from 'vitest';
import type { Reason } from '../../src/budget/verdict.ts';
import type { LogEntry } from '../../src/ledger/port.ts';
import type { Pulse } from '../../src/ledger/pulse.ts';
import type { StatusReport } from '../../src/ledger/status.ts';
import { ASCII, UNICODE, type Screen } from '../../src/cli/output.ts';
import { keysOf, pressKey } from '../../src/cli/live/keys.ts';
import { sortAiTypes, SORTS } from '../../src/cli/views/live/blocks.ts';
import { denialTable, reasonText } from '../../src/cli/views/live/denials.ts';
import { clip, fitBlocks } from '../../src/cli/views/live/fit.ts';
import {
  FIRST_STATE,
  lastState,
  liveFrame,
  type LiveState,
} from '../../src/cli/views/live/frame.ts';
import { sparkline } from '../../src/cli/views/live/sparkline.ts';

const NOW = '2026-11-24T06:45:00.000Z';
const NOW_MS = Date.parse(NOW);

const plain = (width = 80): Screen => ({
  width,
  colors: new Chalk({ level: 0 }),
  symbols: ASCII,
});
const colored: Screen = { width: 80, colors: new Chalk({ level: 1 }), symbols: UNICODE };

type AiType = StatusReport['aiTypes'][number];

function aiType(name: string, change: Partial<AiType> = {}): AiType {
  return {
    aiType: name,
    inputTokens: 1_000,
    outputTokens: 234,
    used: 1_234_567,
    held: 0,
    today: 4_000,
    requests: 123_456,
    failed: 7,
    denied: 8,
    limit: null,
    percentOfGlobal: 12.34,
    lastRequestAt: '2026-11-24T06:44:00.000Z',
    status: 'active',
    ...change,
  };
}

function reason(change: Partial<Reason> = {}): Reason {
  return {
    code: 'window_exceeded',
    scope: 'global',
    window: 'hour',
    limit: 2_800,
    used: 1_700,
    held: 26,
    requested: 1_200,
    canEverPass: true,
    retryAt: null,
    message: 'as the ledger says it',
    fix: null,
    ...change,
  };
}

function denial(reasons: readonly Reason[], change: Partial<LogEntry> = {}): LogEntry {
  return {
    id: '019ab000-0000-7000-8000-000000000000',
    atMs: NOW_MS - 120_000,
    aiType: 'sandbox',
    state: 'denied',
    tokensIn: 0,
    tokensOut: 0,
    charged: 0,
    reservedTokens: 0,
    reservedInputTokens: 0,
    requestItems: 1,
    deniedCount: 1,
    model: null,
    requestId: null,
    idempotencyKey: null,
    requestType: null,
    error: null,
    stopReason: null,
    expiresAtMs: null,
    endedAtMs: null,
    verdict: JSON.stringify({ estimate: { input: 1_000, output: 200, total: 1_200 }, reasons }),
    ...change,
  };
}

function pulse(aiTypes: readonly AiType[]): Pulse {
  const windows = (['month', 'day', 'hour'] as const).map((window) => ({
    scope: 'global',
    window,
    startsAt: '2026-11-24T06:00:00.000Z',
    resetsAt: '2026-11-24T07:00:00.000Z',
    used: 1_234_567,
    held: 900,
    limit: 2_000_000,
    remaining: 764_533,
    percent: 61.77,
    inputTokens: 1_000_000,
    outputTokens: 234_567,
    requests: 123_456,
    failed: 7,
    denied: 8,
  }));
  return {
    report: {
      schemaVersion: 1,
      time: NOW,
      level: 'warning',
      thresholds: {
        warningAt: 1_600_000,
        criticalAt: 1_900_000,
        emergencyAt: 1_960_000,
        criticalRequest: 250,
      },
      database: { kind: 'sqlite', location: '/data/budget.db', since: null },
      month: null,
      windows,
      rates: [
        { window: 'minute', requests: 12, limit: 42 },
        { window: 'day', requests: 1_234, limit: null },
      ],
      aiTypes,
      largestAdmissible: 0,
      binding: {
        scope: 'global',
        window: 'hour',
        unit: 'tokens',
        limit: 2_000_000,
        remaining: 764_533,
        freesAt: '2026-11-24T07:00:00.000Z',
      },
      burnRate: { lastHour: 5_000, lastDay: null, limitReachedAt: null },
      lastLogAt: '2026-11-24T06:44:00.000Z',
      aiType: null,
      limitsRevision: 3,
      findings: [
        {
          code: 'hourly_below_request',
          scope: 'global',
          severity: 'problem',
          message: 'requests of 195 to 1000 tokens can never pass: an hour holds 194',
          fix: 'tokenctl limits apply --profile paced',
        },
      ],
    },
    aiTypes,
    hours: [{ startsAt: '2026-11-24T06:00:00.000Z', used: 5_000 }],
    denials: [denial([reason()])],
  };
}

const state = (change: Partial<LiveState> = {}): LiveState => ({
  ...FIRST_STATE,
  pulse: pulse([aiType('imperium'), aiType('guardian', { used: 1 })]),
  checkedMs: NOW_MS - 12_000,
  nextMs: NOW_MS + 48_000,
  ...change,
});

const frame = (of: LiveState, columns = 80, rows = 40, screen = plain(columns)): string[] =>
  liveFrame(of, NOW_MS, { columns, rows }, screen);

describe('the frame', () => {
  const alert = { level: 'warning', percent: 80.5, at: NOW, state: 'raised' } as const;
  const alerts = [{ ...alert, about: null, acked: null }];

  it('has one line a row, none too wide, whatever the size', () => {
    const many = state({ pulse: pulse(Array.from({ length: 30 }, (_, at) => aiType(`a${at}`))) });
    for (const of of [FIRST_STATE, state(), many, state({ alerts }), state({ help: true })]) {
      for (const columns of [1, 5, 10, 20, 33, 60, 80, 200]) {
        for (const rows of [1, 2, 3, 5, 10, 24, 60]) {
          const lines = frame(of, columns, rows);
          expect(lines).toHaveLength(rows);
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
        }
      }
    }
  });

  it('cuts inside no number', () => {
    const whole = new Set(
      frame(state({ alerts }), 200, 60)
        .concat(lastState(state({ alerts }), NOW_MS, plain(200)).split('\n'))
        .flatMap((line) => line.match(/\d[\d,.:-]*\d/g) ?? []),
    );
    for (let columns = 20; columns <= 120; columns += 1) {
      for (const line of frame(state({ alerts }), columns, 60)) {
        for (const number of line.match(/\d[\d,.:-]*\d/g) ?? []) expect(whole).toContain(number);
      }
    }
  });

  it('leaves out what matters least first', () => {
    const parts = [
      /^problem: /m,
      /^Last 1 h /m,
      /^Denied /m,
      /^Last log /m,
      /^AI type /m,
      /^Largest /m,
      /^day /m,
      /^month /m,
    ];
    let shown = parts.length;
    for (let rows = 40; rows >= 5; rows -= 1) {
      const text = frame(state(), 80, rows).join('\n');
      const has = parts.filter((part) => part.test(text));
      expect(has.length).toBeLessThanOrEqual(shown);
      shown = has.length;
      expect(text).toMatch(/^Level +WARNING[^]*Checked +12 s ago[^]*q quit/);
    }
    expect(shown).toBe(1);
    expect(frame(state(), 80, 22).join('\n')).toMatch(/Last log[^]*Denied/);
  });

  it('says how many AI types it has no room for', () => {
    const many = state({ pulse: pulse(Array.from({ length: 30 }, (_, at) => aiType(`a${at}`))) });
    expect(frame(many, 80, 24).join('\n')).toMatch(/^a0 [^]*^\d\d more AI types$/m);
  });

  it('shows a lost database, since when and why, above the faded last state', () => {
    const message = 'the ledger can\u001b[2Jnot be reached';
    const lost = { sinceMs: NOW_MS - 65_000, message, toldMs: null };
    const lines = frame(state({ lost, nextMs: NOW_MS + 4_000 }), 80, 40, colored);
    expect(lines.slice(0, 4).map((line) => stripVTControlCharacters(line).trimEnd())).toEqual([
      'Database  LOST  since 06:43 UTC, 1 min 5 s',
      'Why       the ledger can?[2Jnot be reached; until it answers, every request is',
      '          denied',
      'Checked   12 s ago, what follows is from then, trying again in 4 s  06:45:00 UTC',
    ]);
    expect(lines[4]).toBe(
      colored.colors.dim('Level     WARNING  61.77 % of 2,000,000 tokens in 2026-11'),
    );
  });

  it.each([
    ['checks', { nextMs: null }, 'Checked   12 s ago, checking now'],
    ['waits', {}, 'Checked   12 s ago, next in 48 s'],
    ['is paused', { pausedMs: NOW_MS - 1 }, 'Checked   12 s ago, PAUSED since 06:44 UTC'],
    ['begins', { pulse: null, checkedMs: null, nextMs: null }, 'Checked   not yet, checking now'],
    ['was turned back', { checkedMs: NOW_MS + 9_000 }, 'Checked   0 s ago, next in 48 s'],
  ])('says that it %s', (_, change, text) => {
    expect(frame(state(change)).find((line) => line.startsWith('Checked'))).toMatch(
      new RegExp(`^${text} +06:45:00 UTC$`),
    );
  });

  it('counts on from what the database said', () => {
    const text = frame(state()).join('\n');
    expect(text).toContain('Last log  1 min 12 s ago');
    expect(text).toContain('14 min 48 s');
  });

  it('lists alerts with their level, age and state', () => {
    expect(frame(state({ alerts })).join('\n')).toContain(
      'Alerts    WARNING  12 s ago, raised, at 80.50 %\n',
    );
  });

  it('lists three alerts of other kinds, who takes care of them, and the silence', () => {
    const about = '31 of 40 requests denied in the hour 15:00 UTC';
    const other = { ...alert, about, acked: 'acknowledged by ann@desk' };
    const silence = {
      fromMs: NOW_MS,
      untilMs: NOW_MS + 3_600_000,
      reason: 'load\u001b[2J test',
      actor: 'ann@desk',
    };
    const many = [...alerts, ...Array.from({ length: 5 }, () => ({ ...other, percent: null }))];
    const lines = frame(state({ alerts: many, silence }), 80);
    const from = lines.findIndex((line) => line.startsWith('Alerts '));
    const each = `          WARNING  ${about}, 12 s ago`;
    expect(lines.slice(from, from + 6)).toEqual([
      'Alerts    WARNING  12 s ago, raised, at 80.50 %',
      ...[each, each, each],
      '          and 2 more: tokenctl alerts',
      'Silent    until 07:45 UTC, by ann@desk: load?[2J test',
    ]);
    expect(frame(state({ alerts: many, silence }), 120).join('\n')).toContain(
      `          WARNING  ${about}, 12 s ago, acknowledged by ann@desk\n`,
    );
  });

  it('colours each line of what blocks, and no more than that', () => {
    const lines = frame(state(), 40, 40, { ...colored, width: 40 }).map(stripVTControlCharacters);
    expect(lines).toContain('Largest   no request passes now; the');
    expect(lines.filter((line) => line.includes('frees in'))).toHaveLength(1);
  });
});

describe('the last state', () => {
  it('is whole, and says nothing of keys or of what comes next', () => {
    const text = lastState(state({ help: true }), NOW_MS, plain());
    expect(text).toMatch(/^Level[^]*Checked +12 s ago +06:45:00 UTC\n[^]*Denied[^]*problem: /);
    expect(text).not.toMatch(/next in|q quit|Ctrl-Z/);
  });
});

describe('fitting', () => {
  const block = (rank: number, length: number, least = length) => ({
    ...{ rank, least, lines: Array.from({ length }, (_, at) => `${rank}.${at}`) },
    rest: (hidden: number) => `${hidden} more`,
  });

  it.each([
    [9, ['1.0', '1.1', '2.0', '2.1', '2.2', '3.0']],
    [6, ['1.0', '1.1', '2.0', '2.1', '2.2', '3.0']],
    [5, ['1.0', '1.1', '2.0', '2 more', '3.0']],
    [4, ['1.0', '1.1', '3 more', '3.0']],
    [3, ['1.0', '1.1', '3 more']],
    [2, ['1.0', '1.1']],
    [1, ['3 more']],
    [0, []],
  ])('%i lines', (height, lines) => {
    expect(fitBlocks([block(1, 2), block(2, 3, 1), block(3, 1)], height)).toEqual(lines);
  });

  it('parts blocks where there is room', () => {
    const apart = { ...block(2, 1), apart: true };
    expect(fitBlocks([block(1, 1), apart], 3)).toEqual(['1.0', '', '2.0']);
    expect(fitBlocks([block(1, 1), apart], 2)).toEqual(['1.0', '2.0']);
    expect(fitBlocks([apart], 3)).toEqual(['2.0']);
  });

  it.each([
    ['used 1,234,567 now', 14, 'used 1,234,567'],
    ['used 1,234,567 now', 13, 'used'],
    ['1,234,567', 5, '~'],
    ['\u001b[31mred\u001b[39m', 3, '\u001b[31mred\u001b[39m'],
    ['\u001b[31mred hot\u001b[39m', 5, 'red'],
  ])('a line %j to %i columns', (line, width, clipped) => {
    expect(clip(line, width)).toBe(clipped);
  });
});

describe('the sparkline', () => {
  it.each([
    [[0, 1, 500, 1_000], UNICODE.heights, '▁▂▅█'],
    [[0, 1, 500, 1_000], ASCII.heights, '_.=#'],
    [[0, 0], UNICODE.heights, '▁▁'],
    [[7, 7], UNICODE.heights, '██'],
    [[Number.MAX_SAFE_INTEGER, 1, -5], UNICODE.heights, '█▂▁'],
  ])('of %j', (amounts, heights, bars) => {
    expect(sparkline(amounts, heights)).toBe(bars);
  });
});

describe('a denial', () => {
  it.each([
    [{}, 'hour: 1,074 of 2,800 left'],
    [{ scope: 'sandbox' }, 'sandbox hour: 1,074 of 2,800 left'],
    [{ used: 9_000 }, 'hour: 0 of 2,800 left'],
    [{ canEverPass: false }, 'hour: the limit is 2,800'],
    [{ code: 'rate_exceeded', window: 'minute', limit: 42 }, 'rate: 42 requests in 60 s'],
    [{ code: 'rate_exceeded', window: 'day', limit: 3_400 }, 'rate: 3,400 requests a day'],
    [{ code: 'request_too_large', window: null }, 'request: the limit is 2,800'],
    [{ code: 'provider_request_too_large' }, 'request: the ceiling is 2,800'],
    [{ code: 'critical_restricts_large', limit: 250 }, 'level critical: at most 250'],
    [{ code: 'emergency_shutdown' }, 'emergency: every request is denied'],
    [{ code: 'ledger_unavailable', limit: null }, 'as the ledger says it'],
  ] satisfies [Partial<Reason>, string][])('for %j', (change, text) => {
    expect(reasonText(reason(change))).toBe(text);
  });

  it.each([
    [denial([reason()]), '2 min ago  sandbox   1,200  hour: 1,074 of 2,800 left'],
    [
      denial([reason(), reason()], { deniedCount: 7 }),
      '2 min ago  sandbox   1,200  7 times, hour: 1,074 of 2,800 left, and 1 more',
    ],
    [
      denial([], { verdict: '{"reasons":[null],"estimate":{"total":1}}', error: 'mine\u001b[2J' }),
      '2 min ago  sandbox       -  mine?[2J',
    ],
    [denial([], { verdict: null }), '2 min ago  sandbox       -'],
  ])('is one line: %#', (entry, line) => {
    expect(denialTable([entry], plain(), NOW_MS)[1]).toBe(line);
  });
});

describe('a key', () => {
  it.each([
    ['q?', ['q', '?']],
    ['\u001b[A', []],
    ['\u001bOPs', ['s']],
    ['\u001b[1;5Cp\u001b', ['p']],
    ['\u0003', ['\u0003']],
  ])('of %j', (text, keys) => {
    expect(keysOf(text)).toEqual(keys);
  });

  it('cycles through the AI types as they are sorted, then all', () => {
    const types = [
      aiType('most', { used: 9, denied: 0 }),
      aiType('denied', { used: 1, denied: 9 }),
    ];
    let now = state({ pulse: pulse(types), sort: 'denied' });
    const seen: (string | null)[] = [];
    for (let press = 0; press < 4; press += 1) {
      const { state: next, wish } = pressKey(now, 'a', NOW_MS);
      expect(wish).toBe('check');
      seen.push(next.aiType);
      now = next;
    }
    expect(seen).toEqual(['denied', 'most', null, 'denied']);
    // Its month is over.
    expect(pressKey(state({ aiType: 'gone' }), 'a', NOW_MS).state.aiType).toBe('imperium');
    expect(pressKey(FIRST_STATE, 'a', NOW_MS).state.aiType).toBeNull();
  });

  it('that is unknown changes nothing', () => {
    const before = state();
    for (const key of ['x', ' ', '\r', 'é', '7']) {
      expect(pressKey(before, key, NOW_MS)).toEqual({ state: before, wish: null });
    }
  });
});

describe('AI types', () => {
  const types = [
    aiType('a', { used: 3, held: 0, today: null, requests: 1, denied: 2, lastRequestAt: null }),
    aiType('b', { used: 1, held: 1, today: 5, requests: 3, denied: 1 }),
    aiType('c', { used: 1, held: 0, today: 9, requests: 2, denied: 3, lastRequestAt: NOW }),
  ];

  it.each([
    ['used', 'abc'],
    ['today', 'cba'],
    ['requests', 'bca'],
    ['denied', 'cab'],
    ['last', 'cba'],
  ] as const)('are sorted by %s', (sort, order) => {
    expect(SORTS).toContain(sort);
    expect(
      sortAiTypes(types, sort)
        .map((row) => row.aiType)
        .join(''),
    ).toBe(order);
  });
});
