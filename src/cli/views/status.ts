import type { Level } from '../../budget/levels.ts';
import type { StatusReport } from '../../ledger/status.ts';
import {
  bindingText,
  burnText,
  globalMonth,
  levelMeaning,
  runsOutText,
  shareText,
  takenOf,
} from '../../ledger/status-words.ts';
import type { Screen } from '../output.ts';
import { aiTypeTable } from './ai-types.ts';
import { findingLines } from './findings.ts';
import { count, counted, duration, hang, localTimeText } from './text.ts';
import { windowTable } from './windows.ts';

/** The width of a line's label. */
export const LEAD = 'Burn rate '.length;

/** The whole state of the budget on one screen. @param alerts what is raised or silenced, in lines */
export function statusView(
  report: StatusReport,
  screen: Screen,
  alerts: readonly string[] = [],
): string {
  const nowMs = Date.parse(report.time);
  const past = report.month !== null;
  return [
    ...summary(report, screen, nowMs),
    ...alerts,
    '',
    ...windowTable(report, screen, nowMs),
    '',
    ...aiTypeTable(report, screen, nowMs),
    '',
    ...(past ? [] : pace(report, screen, nowMs)),
    ...databaseLines(report, screen, nowMs),
    ...findingLines(report.findings, screen),
  ].join('\n');
}

/** A level's word in its colour. */
export function levelText(level: Level, { colors }: Screen): string {
  return levelPaint(level, colors)(level.toUpperCase());
}

function levelPaint(level: Level, colors: Screen['colors']): (text: string) => string {
  return {
    ok: colors.green,
    warning: colors.yellow,
    critical: colors.red,
    emergency: colors.redBright.bold,
  }[level];
}

/** Text behind a label, wrapped under itself. */
export function labelled(label: string, text: string, { width }: Screen): string[] {
  return hang(label.padEnd(LEAD), text, width);
}

/** Are we blocked, by what, and until when. */
function summary(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const lines = levelLines(report, screen);
  return report.month === null ? [...lines, ...passesLines(report, screen, nowMs)] : lines;
}

/** The level, and how much of the month is taken. */
export function levelLines(report: StatusReport, screen: Screen): string[] {
  const { level, month } = report;
  const word = level.toUpperCase();
  const share = `${word}  ${shareText(report)} in ${month ?? report.time.slice(0, 7)}`;
  const paint = levelPaint(level, screen.colors);
  return labelled('Level', share, screen).map((line) => line.replace(word, () => paint(word)));
}

/** What the level does to requests, and the largest that passes. */
export function passesLines(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const { colors } = screen;
  const meaning = levelMeaning(report, timesOn(screen, nowMs));
  const lines = meaning === null ? [] : labelled('', meaning, screen).filter((line) => line !== '');
  // The emergency stop has said it all.
  if (report.level === 'emergency') return lines;
  const blocked = report.largestAdmissible === 0 ? colors.red : (text: string) => text;
  const [first = '', ...rest] = labelled('Largest', bindingText(report, nowMs), screen);
  return [
    ...lines,
    first.slice(0, LEAD) + blocked(first.slice(LEAD)),
    ...rest.map((line) => blocked(line)),
  ];
}

/** How times stand in sentences. */
function timesOn(screen: Screen, nowMs: number): (iso: string) => string {
  return (iso) => localTimeText(iso, screen, nowMs);
}

/** How fast it goes, when it runs out, and when it comes back. */
function pace(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const resets = report.windows
    .filter(({ scope }) => scope === 'global')
    .toReversed()
    .map(({ window, resetsAt }) => `${window} ${localTimeText(resetsAt, screen, nowMs)}`);
  const { runsOut, burnRate, rates, lastLog } = paceParts(report, screen, nowMs);
  return [
    ...labelled('Resets at', resets.join(', '), screen),
    ...[...runsOut, ...burnRate, ...rates, ...lastLog],
  ];
}

/** The lines of each, in the order in which they are shown. */
export interface PaceParts {
  readonly runsOut: string[];
  readonly burnRate: string[];
  readonly rates: string[];
  readonly lastLog: string[];
}

/** When it runs out, how fast it goes, and how old the last log is. */
export function paceParts(report: StatusReport, screen: Screen, nowMs: number): PaceParts {
  const { burnRate, lastLogAt, rates } = report;
  const requests = rates.map(({ window, requests: made, limit }) => {
    const of = limit === null ? '' : ` of ${count(limit)}`;
    return `${count(made)}${of} requests ${window === 'minute' ? 'in the last 60 s' : 'today'}`;
  });
  const last =
    lastLogAt === null
      ? 'none yet'
      : `${duration(nowMs - Date.parse(lastLogAt))} ago, ${localTimeText(lastLogAt, screen, nowMs)}`;
  return {
    runsOut: labelled('Runs out', runsOutText(report, nowMs, timesOn(screen, nowMs)), screen),
    burnRate: labelled('Burn rate', burnText(burnRate), screen),
    rates: labelled('Rates', requests.join(', '), screen),
    lastLog: labelled('Last log', last, screen),
  };
}

function databaseLines(report: StatusReport, screen: Screen, nowMs: number): string[] {
  const { kind, location, since } = report.database;
  const begun = since === null ? '' : `since ${localTimeText(since, screen, nowMs)}, `;
  const about = `${begun}limits revision ${String(report.limitsRevision)}`;
  const name = kind === 'sqlite' ? 'SQLite' : 'PostgreSQL';
  // Whole, so that it can be copied.
  return labelled('Database', `${name} ${location} ${about}`, screen);
}

/** One paragraph for scripts that only see the level: what is used, in words. */
export function usageLine(report: StatusReport): string {
  const global = globalMonth(report);
  const requests = counted(global?.requests ?? 0, 'request');
  const share =
    global === undefined || global.limit === null
      ? counted(takenOf(global), 'token')
      : shareText(report);
  return `${share}, ${requests}`;
}
