import type { PrunableRows } from '../../ledger/port.ts';
import type { Screen } from '../output.ts';
import { grid } from './grid.ts';
import { count, counted } from './text.ts';

/** What `db prune --json` prints. */
export interface Pruned {
  /** The first month that stays, YYYY-MM. */
  readonly before: string;
  readonly dryRun: boolean;
  /** How many rows can be deleted. */
  readonly rows: number;
  readonly deleted: number;
  /** Open reservations of those months, which stay. */
  readonly openKept: number;
  readonly months: readonly PrunableRows[];
}

export function pruneView(pruned: Pruned, screen: Screen): string {
  const { before, dryRun, rows, deleted } = pruned;
  if (rows === 0) {
    return [`Nothing to delete: there are no log rows before ${before}.`, ...kept(pruned)].join(
      '\n',
    );
  }
  if (dryRun) {
    return [...prunePlanLines(pruned, screen), 'Nothing was deleted, because of --dry-run.'].join(
      '\n',
    );
  }
  return [
    `${counted(deleted, 'log row')} before ${before} ${deleted === 1 ? 'was' : 'were'} deleted. Every count stays as it was.`,
    ...kept(pruned),
  ].join('\n');
}

/** What would be deleted, by month and AI type. */
export function prunePlanLines(pruned: Pruned, screen: Screen): string[] {
  const { before, rows, months } = pruned;
  return [
    `${counted(rows, 'log row')} before ${before} would be deleted; their counts stay:`,
    '',
    ...grid(
      [{ title: 'Month' }, { title: 'AI type' }, { title: 'Log rows', align: 'right' }],
      months.map((each) => [each.month, each.aiType, count(each.rows)]),
      screen,
    ),
    ...kept(pruned),
  ];
}

function kept({ openKept }: Pruned): string[] {
  return openKept === 0
    ? []
    : [
        `${counted(openKept, 'open reservation')} of those months ${openKept === 1 ? 'stays' : 'stay'}.`,
      ];
}
