/** A crash run's summary: a Markdown table with one column for each database. */
import type { Findings } from './checks.ts';
import { POINTS } from './plan.ts';
import type { CrashReport } from './run.ts';

const NAMES = { sqlite: 'SQLite', postgresql: 'PostgreSQL' } as const;

const FINDINGS: Record<keyof Findings, string> = {
  over: 'commits above a limit',
  leaked: 'leaked: still held after their time, or counted wrongly',
  lost: 'lost: journaled, but not in the ledger',
  wronglyEnded: 'not ended exactly once at their price',
  doubled: 'counted twice',
};

type Line = readonly [name: string, of: (report: CrashReport) => number | string];

const LINES: readonly Line[] = [
  ['kills', ({ died }) => died.length],
  ...['random', ...POINTS].map((at): Line => {
    const name = at === 'random' ? '… at a random moment' : `… ${at}`;
    return [name, ({ died }) => died.filter((death) => death.at === at).length];
  }),
  ['reservations', ({ states }) => sum(Object.values(states))],
  ['… settled', ({ states }) => states['settled'] ?? 0],
  ['… released', ({ states }) => states['released'] ?? 0],
  ['… expired, and charged in full', ({ states }) => states['expired'] ?? 0],
  ['calls journaled', ({ calls }) => calls.length],
  ['… of these made again, with their key, after a death', ({ repeated }) => repeated],
  ['reservations of which nobody lived to hear', ({ unheard }) => unheard],
  ['denied by a limit', ({ denied }) => denied],
  ['resets by the supervisor', ({ resets }) => resets],
  ...Object.entries(FINDINGS).map(([key, name]): Line => [
    `**${name}**`,
    (report) => `**${report[key as keyof Findings].length}**`,
  ]),
  ['workers that failed otherwise', ({ failures }) => failures.length],
  ['time', ({ ms }) => `${Math.round(ms / 1_000)} s`],
];

export function summary(reports: readonly CrashReport[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(['', ...reports.map(({ kind }) => NAMES[kind])]),
    row(['---', ...reports.map(() => '---:')]),
    ...LINES.map(([name, of]) =>
      row([name, ...reports.map((report) => of(report).toLocaleString('en'))]),
    ),
  ].join('\n');
}

/** Everything that is wrong, a line each; empty when all is well. */
export function wrongs(report: CrashReport): string[] {
  return [
    ...Object.entries(FINDINGS).flatMap(([key, name]) =>
      report[key as keyof Findings].map((found) => `${NAMES[report.kind]}: ${name}: ${found}`),
    ),
    ...report.failures.map((failure) => `${NAMES[report.kind]}: ${failure}`),
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
