import { stripVTControlCharacters } from 'node:util';
import type { Level, Percent } from '../../../budget/levels.ts';
import type { Silence } from '../../../ledger/alert-status.ts';
import type { Pulse } from '../../../ledger/pulse.ts';
import type { StatusReport } from '../../../ledger/status.ts';
import type { Screen } from '../../output.ts';
import { silenceLines } from '../alert-care.ts';
import { aiTypeTable } from '../ai-types.ts';
import { findingLines } from '../findings.ts';
import { joinFitting, type Block } from './fit.ts';
import { denialTable } from './denials.ts';
import { sparklineLines } from './sparkline.ts';
import { labelled, LEAD, levelLines, levelText, paceParts, passesLines } from '../status.ts';
import { age, count, hang, percentText } from '../text.ts';
import { windowTable } from '../windows.ts';

/** What AI types may be sorted by. */
export const SORTS = ['used', 'today', 'requests', 'denied', 'last'] as const;
export type Sort = (typeof SORTS)[number];

/** What is raised or will be, as the living monitor lists it. */
export interface LiveAlert {
  readonly level: Level;
  /** What the matter is, in a few words; null for a level of the month, whose percent says it all. */
  readonly about: string | null;
  /** What was used and held of the limit when it was reached; null where there is no limit. */
  readonly percent: Percent | null;
  /** ISO 8601 UTC. */
  readonly at: string;
  /** Such as 'raised', in words for people. */
  readonly state: string;
  /** Who takes care of it, in words for people; null when nobody does. */
  readonly acked: string | null;
}

interface Shown {
  readonly pulse: Pulse;
  readonly alerts: readonly LiveAlert[];
  readonly silence: Silence | null;
  readonly sort: Sort;
  /** It is the last known state of a database that is lost. */
  readonly stale: boolean;
}

/** What was found, below the level, down to the findings. `nowMs` is by the database's clock. */
export function stateBlocks(shown: Shown, nowMs: number, screen: Screen): Block[] {
  const { pulse, alerts, silence, sort, stale } = shown;
  const { report, hours, denials } = pulse;
  const sorted = { ...report, aiTypes: sortAiTypes(report.aiTypes, sort) };
  const more = (what: string) => (hidden: number) =>
    screen.colors.dim(`${count(hidden)} more ${what}`);
  const windows = windowTable(report, screen, nowMs);
  const pace = paceParts(report, screen, nowMs);
  const blocks: Block[] = [
    { lines: passesLines(report, screen, nowMs), rank: 6 },
    { lines: alertLines(alerts, screen, nowMs), rank: 7, least: Math.min(2, alerts.length) },
    { lines: silenceLines(silence, screen, nowMs), rank: 7, least: 1 },
    // The month, then day and hour, then those of AI types with limits of their own.
    { lines: windows.slice(0, 2), rank: 4, apart: true },
    { lines: windows.slice(2, 4), rank: 5 },
    { lines: windows.slice(4), rank: 13, least: 1, rest: more('windows') },
    {
      lines: aiTypeTable(sorted, screen, nowMs),
      rank: 8,
      least: LEAST_AI_TYPES + 1,
      rest: more('AI types'),
      apart: true,
    },
    { lines: pace.runsOut, rank: 9, apart: true },
    { lines: pace.burnRate, rank: 12 },
    { lines: pace.rates, rank: 14 },
    { lines: pace.lastLog, rank: 10 },
    { lines: sparklineLines(hours, screen), rank: 15 },
    {
      lines: denials.length === 0 ? [] : denialTable(denials, screen, nowMs),
      rank: 11,
      least: LEAST_DENIALS + 1,
      apart: true,
    },
    { lines: foundLines(report, screen), rank: 16, apart: true },
  ];
  return stale ? blocks.map((block) => faded(block, screen)) : blocks;
}

const LEAST_AI_TYPES = 4;
const LEAST_DENIALS = 2;
const NARROW = 40;

/** What is no longer known to be so: without its colours, and dim. */
export function faded(block: Block, { colors }: Screen): Block {
  return {
    ...block,
    lines: block.lines.map((line) =>
      line === '' ? '' : colors.dim(stripVTControlCharacters(line)),
    ),
  };
}

/** The level in its colour, whatever the width. */
export function headline(report: StatusReport, screen: Screen): string[] {
  if (screen.width >= NARROW) return levelLines(report, screen);
  const month = report.windows.find(
    ({ scope, window }) => scope === 'global' && window === 'month',
  );
  return [`${levelText(report.level, screen)}  ${percentText(month?.percent ?? null)}`];
}

/** The most first; of equal ones, the one that used more. */
export function sortAiTypes(aiTypes: StatusReport['aiTypes'], sort: Sort): StatusReport['aiTypes'] {
  const amount = (row: StatusReport['aiTypes'][number]): number => {
    switch (sort) {
      case 'used':
        return row.used + row.held;
      case 'today':
        return row.today ?? 0;
      case 'requests':
        return row.requests;
      case 'denied':
        return row.denied;
      case 'last':
        return row.lastRequestAt === null ? 0 : Date.parse(row.lastRequestAt);
    }
  };
  return aiTypes.toSorted((a, b) => amount(b) - amount(a));
}

/** Other alerts than levels of the month, at most. */
const MOST_OTHERS = 3;

function alertLines(alerts: readonly LiveAlert[], screen: Screen, nowMs: number): string[] {
  const others = alerts.filter(({ about }) => about !== null);
  const shown = [...alerts.filter(({ about }) => about === null), ...others.slice(0, MOST_OTHERS)];
  const hidden = others.length - MOST_OTHERS;
  const lines = shown.flatMap((alert, place) => {
    const word = alert.level.toUpperCase();
    return alertText(alert, place === 0 ? 'Alerts' : '', screen, nowMs).map((line, index) =>
      index === 0 ? line.replace(word, () => levelText(alert.level, screen)) : line,
    );
  });
  if (hidden <= 0) return lines;
  return [...lines, ...labelled('', `and ${count(hidden)} more: tokenctl alerts`, screen)];
}

function alertText(alert: LiveAlert, label: string, screen: Screen, nowMs: number): string[] {
  const { level, about, at, state, percent, acked } = alert;
  const ago = `${age(nowMs - Date.parse(at))} ago`;
  const word = `${level.toUpperCase()}  `;
  const care = acked === null ? [] : [acked];
  if (about === null) {
    const parts = [
      ago,
      state,
      ...(percent === null ? [] : [`at ${percentText(percent)}`]),
      ...care,
    ];
    return labelled(label, word + parts.join(', '), screen);
  }
  // One line where what matters fits, whatever there is no room for.
  const parts = [about, ago, ...(state === 'raised' ? [] : [state]), ...care];
  const [first = '', ...others] = parts;
  const narrow = LEAD + word.length + first.length > screen.width;
  if (narrow) return labelled(label, word + first, screen);
  return [joinFitting([`${label.padEnd(LEAD)}${word}${first}`, ...others], ', ', screen.width)];
}

/** A command that mends something is broken rather than cut: a part of it may do something else. */
function foundLines(report: StatusReport, screen: Screen): string[] {
  return findingLines(report.findings, screen).flatMap((line) =>
    stripVTControlCharacters(line).length <= screen.width
      ? [line]
      : hang('  ', stripVTControlCharacters(line).trim(), screen.width),
  );
}
