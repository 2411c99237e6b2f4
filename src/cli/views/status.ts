import type { Level } from '../../budget/levels.ts';
import type { StatusReport } from '../../ledger/status.ts';
import type { WindowStatus } from '../../ledger/window-status.ts';
import type { Screen } from '../output.ts';
import { bindingText } from './binding.ts';
import { findingLines } from './findings.ts';
import { table, type Cell } from './table.ts';
import {
  count,
  counted,
  duration,
  hang,
  limitText,
  percentText,
  shorten,
  timeText,
} from './text.ts';

const BAR = 10;
const LEAD = 'Database  '.length;

/** The whole state of the budget on one screen. */
export function statusView(report: StatusReport, screen: Screen): string {
  const nowMs = Date.parse(report.time);
  return [
    ...summary(report, screen),
    '',
    ...windowTable(report, screen, nowMs),
    ...(report.month === null ? ['', ...present(report, screen, nowMs)] : []),
    '',
    ...aiTypeTable(report, screen, nowMs),
    ...(report.findings.length === 0 ? [] : ['', ...findingLines(report.findings, screen)]),
  ].join('\n');
}

/** A level's word in its colour. */
export function levelText(level: Level, { colors }: Screen): string {
  const paint = {
    ok: colors.green,
    warning: colors.yellow,
    critical: colors.red,
    emergency: colors.redBright.bold,
  }[level];
  return paint(level.toUpperCase());
}

function summary(report: StatusReport, screen: Screen): string[] {
  const { database, level, month } = report;
  const global = globalMonth(report);
  const share =
    global === undefined || global.limit === null
      ? `${count((global?.used ?? 0) + (global?.held ?? 0))} tokens used, no monthly limit`
      : `${percentText(global.percent)} of ${count(global.limit)} tokens`;
  const kind = database.kind === 'sqlite' ? 'SQLite' : 'PostgreSQL';
  return [
    `${'Level'.padEnd(LEAD)}${levelText(level, screen)}  ${share} in ${month ?? report.time.slice(0, 7)}`,
    // Whole, so that it can be copied.
    `${'Database'.padEnd(LEAD)}${kind} ${database.location}`,
    ...(database.since === null ? [] : [`${'Since'.padEnd(LEAD)}${timeText(database.since)}`]),
    `${'Limits'.padEnd(LEAD)}revision ${String(report.limitsRevision)}`,
  ];
}

function globalMonth(report: StatusReport): WindowStatus | undefined {
  return report.windows.find((row) => row.scope === 'global' && row.window === 'month');
}

function windowTable(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const rows = report.windows.filter((row) => row.scope === 'global' || row.limit !== null);
  const name = (row: WindowStatus): string =>
    row.scope === 'global'
      ? row.window
      : `${shorten(row.scope, Math.floor(screen.width / 6))} ${row.window}`;
  const past = report.month !== null;
  return table(
    [
      { title: 'Window' },
      { title: 'Used', align: 'right' },
      { title: 'Held', align: 'right', expendable: 2 },
      { title: 'Limit', align: 'right' },
      { title: 'Left', align: 'right' },
      { title: 'Percent', align: 'right' },
      { title: '', expendable: 3 },
      ...(past ? [] : [{ title: 'Resets in', expendable: 1 }]),
    ],
    rows.map((row) => [
      name(row),
      count(row.used),
      count(row.held),
      limitText(row.limit),
      row.remaining === null ? '-' : count(row.remaining),
      percentText(row.percent),
      bar(row.percent, screen),
      ...(past ? [] : [duration(Date.parse(row.resetsAt) - nowMs)]),
    ]),
    screen,
  );
}

/** Ten steps; a bar is full only when nothing is left. */
function bar(percent: number | null, { symbols, colors }: Screen): Cell {
  if (percent === null) return { text: '' };
  const filled = Math.min(BAR, Math.floor(percent / (100 / BAR)));
  const paint = percent >= 95 ? colors.red : percent >= 80 ? colors.yellow : colors.green;
  return { text: symbols.full.repeat(filled) + symbols.empty.repeat(BAR - filled), paint };
}

function present(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const { burnRate, lastLogAt, rates } = report;
  const line = (label: string, text: string): string[] =>
    hang(label.padEnd(LEAD), text, screen.width);
  return [
    ...line('Largest', bindingText(report, nowMs)),
    ...line(
      'Rates',
      rates
        .map(({ window, requests, limit }) => {
          const of = limit === null ? '' : ` of ${count(limit)}`;
          return `${count(requests)}${of} requests ${window === 'minute' ? 'in the last 60 s' : 'today'}`;
        })
        .join(', '),
    ),
    ...line('Burn rate', burnText(burnRate)),
    ...line('Runs out', runsOutText(report, nowMs)),
    ...line(
      'Last log',
      lastLogAt === null
        ? 'none yet'
        : `${duration(nowMs - Date.parse(lastLogAt))} ago (${timeText(lastLogAt)})`,
    ),
  ];
}

function burnText({ lastHour, lastDay }: StatusReport['burnRate']): string {
  if (lastHour === null && lastDay === null) return 'not enough data';
  const rate = (tokens: number | null): string =>
    tokens === null ? 'not enough data' : `${count(tokens)} tokens an hour`;
  return `${rate(lastHour)} over the last hour, ${rate(lastDay)} over the last day`;
}

function runsOutText({ burnRate, windows }: StatusReport, nowMs: number): string {
  const month = windows.find((row) => row.scope === 'global' && row.window === 'month');
  if (month === undefined || month.limit === null) return 'never: there is no monthly limit';
  const resets = `the month resets in ${duration(Date.parse(month.resetsAt) - nowMs)} (${timeText(month.resetsAt)})`;
  if (month.remaining === 0) return `the monthly limit is used up; ${resets}`;
  const { limitReachedAt, lastHour, lastDay } = burnRate;
  if (limitReachedAt !== null) {
    const reached = `in ${duration(Date.parse(limitReachedAt) - nowMs)} (${timeText(limitReachedAt)})`;
    return `${reached} at this rate; ${resets}`;
  }
  return lastHour === null && lastDay === null
    ? `not enough data; ${resets}`
    : `not this month at this rate; ${resets}`;
}

function aiTypeTable(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const { aiTypes } = report;
  if (aiTypes.length === 0) {
    return [`No AI type has used anything in ${report.month ?? report.time.slice(0, 7)}.`];
  }
  const { colors } = screen;
  const paint = {
    active: undefined,
    warning: colors.yellow,
    critical: colors.red,
    limit_reached: colors.red,
  };
  return table(
    [
      { title: 'AI type' },
      { title: 'Used', align: 'right' },
      { title: 'Held', align: 'right', expendable: 5 },
      { title: 'In', align: 'right', expendable: 3 },
      { title: 'Out', align: 'right', expendable: 3 },
      { title: 'Requests', align: 'right', expendable: 2 },
      { title: 'Failed', align: 'right', expendable: 4 },
      { title: 'Share', align: 'right', expendable: 1 },
      { title: 'Last', align: 'right', expendable: 6 },
      { title: 'Status', expendable: 7 },
    ],
    aiTypes.map((row) => {
      const color = paint[row.status];
      return [
        shorten(row.aiType, Math.max(12, Math.floor(screen.width / 3))),
        count(row.used),
        count(row.held),
        count(row.inputTokens),
        count(row.outputTokens),
        count(row.requests),
        count(row.failed),
        percentText(row.percentOfGlobal),
        row.lastRequestAt === null ? '-' : `${duration(nowMs - Date.parse(row.lastRequestAt))} ago`,
        { text: row.status.replace('_', ' '), ...(color === undefined ? {} : { paint: color }) },
      ];
    }),
    screen,
  );
}

/** One paragraph for scripts that only see the level: what is used, in words. */
export function usageLine(report: StatusReport): string {
  const global = globalMonth(report);
  const taken = (global?.used ?? 0) + (global?.held ?? 0);
  const requests = counted(global?.requests ?? 0, 'request');
  if (global === undefined || global.limit === null) return `${count(taken)} tokens, ${requests}`;
  return `${percentText(global.percent)} of ${count(global.limit)} tokens, ${requests}`;
}
