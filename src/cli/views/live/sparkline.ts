import type { HourOfUse } from '../../../ledger/pulse.ts';
import type { Screen } from '../../output.ts';
import { labelled } from '../status.ts';
import { clockText, counted } from '../text.ts';

/** A bar an hour, and which was the highest. */
export function sparklineLines(hours: readonly HourOfUse[], screen: Screen): string[] {
  const peak = hours.reduce<HourOfUse | null>(
    (highest, hour) => (hour.used > (highest?.used ?? 0) ? hour : highest),
    null,
  );
  const bars = sparkline(
    hours.map(({ used }) => used),
    screen.symbols.heights,
  );
  const about =
    peak === null
      ? 'no tokens used'
      : `peak ${counted(peak.used, 'token')} at ${clockText(Date.parse(peak.startsAt), screen, 'minutes')}`;
  return labelled(`Last ${String(hours.length)} h`, `${bars} ${about}`, screen).map((line) =>
    line.replace(bars, () => screen.colors.cyan(bars)),
  );
}

/** Scaled to the peak. The lowest bar is nothing at all: whatever was used stands higher. */
export function sparkline(amounts: readonly number[], heights: string): string {
  const peak = Math.max(...amounts, 1);
  const highest = heights.length - 1;
  return amounts
    .map((amount) => heights[amount <= 0 ? 0 : Math.ceil((amount / peak) * highest)])
    .join('');
}
