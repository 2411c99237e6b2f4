import { LEVELS, type Level } from '../../budget/levels.ts';
import { isoTime } from '../../budget/windows.ts';
import type { AlertCare, Silence } from '../../ledger/alert-status.ts';
import type { Screen } from '../output.ts';
import { labelled, levelText } from './status.ts';
import { age, localTimeText, oneLine } from './text.ts';

/** What every screen says of alerts: what is raised, who takes care of it, and the silence. Pure. */

/** `Alerts    EMERGENCY raised 12 min ago, acknowledged by anna` and, while it lasts, the silence. */
export function careLines({ open, silence, nowMs }: AlertCare, screen: Screen): string[] {
  return [...openLines(open, screen, nowMs), ...silenceLines(silence, screen, nowMs)];
}

function openLines(open: AlertCare['open'], screen: Screen, nowMs: number): string[] {
  const rank = (level: Level): number => LEVELS.indexOf(level);
  // The highest; of the same level what nobody takes care of yet.
  const [first, ...others] = open.toSorted(
    (a, b) =>
      rank(b.level) - rank(a.level) || Number(a.ackedAtMs !== null) - Number(b.ackedAtMs !== null),
  );
  if (first === undefined) return [];
  const word = first.level.toUpperCase();
  const kind = first.kind === 'level' ? '' : ` (${first.kind})`;
  const more = others.length === 0 ? '' : `; and ${String(others.length)} more: tokenctl alerts`;
  const text = `${word}${kind} raised ${age(nowMs - first.raisedAtMs)} ago, ${ackText(first)}${more}`;
  return labelled('Alerts', text, screen).map((line) =>
    line.replace(word, () => levelText(first.level, screen)),
  );
}

/** Whether someone takes care of it. */
export function ackText({
  ackedAtMs,
  ackedBy,
}: {
  readonly ackedAtMs: number | null;
  readonly ackedBy: string | null;
}): string {
  if (ackedAtMs === null) return 'not acknowledged';
  return ackedBy === null ? 'acknowledged' : `acknowledged by ${oneLine(ackedBy)}`;
}

export function silenceLines(silence: Silence | null, screen: Screen, nowMs: number): string[] {
  if (silence === null) return [];
  const { untilMs, actor, reason } = silence;
  const whose = actor === null ? '' : `, by ${oneLine(actor)}`;
  const until = localTimeText(isoTime(untilMs), screen, nowMs);
  const text = `until ${until}${whose}: ${oneLine(reason)}`;
  return labelled('Silent', text, screen).map((line) =>
    line.replace('Silent', () => screen.colors.yellow('Silent')),
  );
}
