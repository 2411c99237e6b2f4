import type { ResetChange } from '../../ledger/resets.ts';
import type { PastReset } from '../../store/resets.ts';
import type { Screen } from '../output.ts';
import { grid } from './grid.ts';
import { count, fixLine, hang, timeText } from './text.ts';

/** Each window before and after. Holds stay, so they are shown beside. */
export function resetChangesView(changes: readonly ResetChange[], screen: Screen): string[] {
  return grid(
    [
      { title: 'Scope' },
      { title: 'Window' },
      { title: 'Used before', align: 'right' },
      { title: 'after', align: 'right' },
      { title: 'Held', align: 'right', expendable: 1 },
      { title: 'Requests', align: 'right', expendable: 2 },
      { title: 'after', align: 'right', expendable: 2 },
    ],
    changes.map((row) => [
      row.scope,
      `${row.window} ${row.start}`,
      count(row.before),
      count(row.after),
      count(row.held),
      count(row.requestsBefore),
      count(row.requestsAfter),
    ]),
    screen,
  );
}

/** What was done, and the command that takes it back. */
export function resetDoneLines(
  { what, undoable }: { readonly what: string; readonly undoable: boolean },
  id: number | null,
  screen: Screen,
): string[] {
  if (!undoable || id === null) return [`Done: ${what}.`];
  return [
    ...hang('Done: ', `${what}, as reset ${String(id)}. This takes it back:`, screen.width),
    fixLine(`tokenctl reset --undo ${String(id)}`, screen),
  ];
}

export function resetListView(resets: readonly PastReset[], screen: Screen): string {
  if (resets.length === 0) return 'Nothing was reset yet.';
  return grid(
    [
      { title: 'Id', align: 'right' },
      { title: 'When' },
      { title: 'Who', expendable: 1 },
      { title: 'Undone', expendable: 2 },
      { title: 'Tokens taken, and why', flexible: true },
    ],
    resets.map(({ id, at, actor, undone, windows, reason }) => [
      String(id),
      timeText(at),
      actor ?? '-',
      undone ? 'yes' : 'no',
      `${takenText(windows)}${reason === null ? '' : ` (${reason})`}`,
    ]),
    screen,
  ).join('\n');
}

/** `global month 1,200, imperium month 1,200` */
function takenText(windows: PastReset['windows']): string {
  return windows.map(({ scope, window, taken }) => `${scope} ${window} ${count(taken)}`).join(', ');
}
