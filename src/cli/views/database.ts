import type { DatabaseInfo } from '../../app.ts';
import type { MigrationReport } from '../../ledger/schema/report.ts';
import type { Difference } from '../../ledger/verify.ts';
import type { Screen } from '../output.ts';
import { grid } from './grid.ts';
import { count, counted, fixLine, sizeText, timeText } from './text.ts';

export function migrationView(report: MigrationReport, location: string, screen: Screen): string {
  const { created, applied, adopted, dryRun, upToDate } = report;
  if (upToDate) return `${location} is up to date.`;
  const was = (number: number): string => (dryRun ? 'would be' : number === 1 ? 'was' : 'were');
  const lines = [
    ...(created ? [`${location} ${dryRun ? 'would be' : 'was'} created.`] : []),
    ...(applied.length === 0
      ? []
      : [
          `${counted(applied.length, 'migration')} ${was(applied.length)} applied: ${applied.join(', ')}`,
        ]),
  ];
  if (adopted !== null) {
    lines.push(`${counted(adopted.logs, 'log row')} of older tables ${was(adopted.logs)} counted.`);
    if (adopted.months.length > 0) lines.push('', ...adoptedTable(adopted.months, screen));
    const fixes = adopted.months.flatMap(({ fix }) => (fix === null ? [] : [fix]));
    lines.push(...fixes.map((fix) => fixLine(fix, screen)));
  }
  if (dryRun) lines.push('Nothing was changed, because of --dry-run.');
  return lines.join('\n');
}

const OUTCOMES = {
  agrees: 'they agree',
  adjusted: 'the difference was added',
  logs_win: 'the logs win',
  ignored: 'ignored: a row of totals, or of no month',
} as const;

function adoptedTable(
  months: NonNullable<MigrationReport['adopted']>['months'],
  screen: Screen,
): string[] {
  return grid(
    [
      { title: 'AI type' },
      { title: 'Month' },
      { title: 'Old figure', align: 'right' },
      { title: 'Logs', align: 'right' },
      { title: 'Outcome', flexible: true },
    ],
    months.map((row) => [
      row.aiType,
      row.month,
      count(row.oldTokens),
      count(row.counted),
      OUTCOMES[row.outcome],
    ]),
    screen,
  );
}

export function verifyView(
  differences: readonly Difference[],
  repaired: boolean,
  screen: Screen,
): string {
  if (differences.length === 0) return 'Every window is the sum of its log rows and adjustments.';
  const head = repaired
    ? `${counted(differences.length, 'count')} differed, and ${differences.length === 1 ? 'was' : 'were'} set to the sum of rows and adjustments:`
    : `${counted(differences.length, 'count')} ${differences.length === 1 ? 'is' : 'are'} not the sum of rows and adjustments:`;
  const rows = grid(
    [
      { title: 'Scope' },
      { title: 'Window' },
      { title: 'Count' },
      { title: 'Counted', align: 'right' },
      { title: 'Sum', align: 'right' },
    ],
    differences.map((row) => [
      row.scope,
      `${row.window} ${row.start}`,
      row.column,
      count(row.counted),
      count(row.expected),
    ]),
    screen,
  );
  const fix = repaired ? [] : [fixLine('tokenctl db verify --repair', screen)];
  return [head, '', ...rows, ...fix].join('\n');
}

const STATES = {
  missing: 'there is no such database',
  empty: 'empty: not migrated yet',
  older_tables: "holds an older backend's tables, not adopted yet",
  behind: 'older than this tokenctl: not migrated yet',
  current: 'up to date',
  newer: 'newer than this tokenctl',
} as const;

export function databaseInfoView(info: DatabaseInfo): string {
  const { migrations, state } = info;
  const rows: [string, string | null][] = [
    ['Database', info.location],
    ['Named by', info.source],
    ['Server', info.server],
    ['State', STATES[state]],
    ['Since', info.since === null ? null : timeText(info.since)],
    ['Size', info.sizeBytes === null ? null : sizeText(info.sizeBytes)],
    ['Log rows', info.logRows === null ? null : count(info.logRows)],
    ['Limits', info.limitsRevision === null ? null : `revision ${String(info.limitsRevision)}`],
    ['Applied', listText(migrations.applied)],
    ['Pending', listText(migrations.pending)],
    ['Unknown', listText(migrations.unknown)],
  ];
  return rows
    .flatMap(([label, value]) => (value === null ? [] : [`${label.padEnd(10)}${value}`]))
    .join('\n');
}

function listText(names: readonly string[]): string | null {
  return names.length === 0 ? null : names.join(', ');
}
