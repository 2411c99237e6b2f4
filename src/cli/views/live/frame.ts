import { isoTime } from '../../../budget/windows.ts';
import type { Silence } from '../../../ledger/alert-status.ts';
import type { Pulse } from '../../../ledger/pulse.ts';
import type { Screen } from '../../output.ts';
import { clip, fitBlocks, joinFitting, type Block } from './fit.ts';
import { faded, headline, SORTS, stateBlocks, type LiveAlert, type Sort } from './blocks.ts';
import { labelled } from '../status.ts';
import { clockText, duration, hang, localTimeText, oneLine, unwrapped } from '../text.ts';

/** The living monitor: what it knows → the lines of its screen. Pure. */

export interface LiveState {
  /** What the last check that was answered has found; null before. */
  readonly pulse: Pulse | null;
  readonly alerts: readonly LiveAlert[];
  /** Null where none lasts, or none is looked for. */
  readonly silence: Silence | null;
  /** Times by this machine's clock, in ms since 1970. When `pulse` was read. */
  readonly checkedMs: number | null;
  /** When the next check begins; null while one is under way. */
  readonly nextMs: number | null;
  /** Since when the database does not answer, and why. */
  readonly lost: {
    readonly sinceMs: number;
    readonly message: string;
    /** Since when the channels are told of it; null when they are not. */
    readonly toldMs: number | null;
  } | null;
  /** Since when no checks are made. */
  readonly pausedMs: number | null;
  readonly sort: Sort;
  /** The only AI type that is shown; null shows all. */
  readonly aiType: string | null;
  readonly help: boolean;
}

export const FIRST_STATE: LiveState = {
  pulse: null,
  alerts: [],
  silence: null,
  checkedMs: null,
  nextMs: null,
  lost: null,
  pausedMs: null,
  sort: 'used',
  aiType: null,
  help: false,
};

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The whole screen: exactly as many lines as it has rows, none wider than it is, the keys last. */
export function liveFrame(
  state: LiveState,
  nowMs: number,
  { columns, rows }: Size,
  screen: Screen,
): string[] {
  const at = { ...screen, width: columns };
  const room = Math.max(0, rows - 1);
  const lines = fitBlocks(
    [...headBlocks(state, nowMs, at, true), ...bodyBlocks(state, nowMs, at)],
    room,
  );
  const empty = Array.from({ length: room - lines.length }, () => '');
  return [...lines, ...empty, keyLine(state, at)].map((line) => clip(line, columns));
}

/** The last state for the normal screen: all of it, whatever the height. */
export function lastState(state: LiveState, nowMs: number, screen: Screen): string {
  const blocks = [
    ...headBlocks(state, nowMs, screen, false),
    ...bodyBlocks({ ...state, help: false }, nowMs, screen),
  ];
  return fitBlocks(blocks, Infinity)
    .map((line) => clip(line, screen.width))
    .join('\n');
}

/** Level, age and loss: what is read first. `running` tells what comes next. */
function headBlocks(state: LiveState, nowMs: number, screen: Screen, running: boolean): Block[] {
  const { lost, pulse } = state;
  const level: Block = {
    lines: pulse === null ? [] : headline(pulse.report, screen),
    rank: 1,
    least: 1,
  };
  const checked: Block = { lines: [checkedLine(state, nowMs, screen, running)], rank: 2 };
  if (lost === null) return [level, checked];
  const why = labelled('Why', `${oneLine(lost.message)}; ${DENIES}`, screen);
  return [
    { lines: lostLines(lost, nowMs, screen), rank: 1, least: 1 },
    { lines: why, rank: 3, least: 2 },
    checked,
    faded(level, screen),
  ];
}

const DENIES = 'until it answers, every request is denied';

function lostLines(
  { sinceMs, toldMs }: NonNullable<LiveState['lost']>,
  nowMs: number,
  screen: Screen,
): string[] {
  const told = toldMs === null ? '' : ', alerted';
  const when = localTimeText(isoTime(sinceMs), screen, nowMs);
  const since = `LOST  since ${when}, ${duration(nowMs - sinceMs)}${told}`;
  return labelled('Database', since, screen).map((line) =>
    line.replace('LOST', () => screen.colors.redBright.bold('LOST')),
  );
}

/** `Checked   12 s ago, next in 48 s                       09:54:20 UTC+1` */
function checkedLine(state: LiveState, nowMs: number, screen: Screen, running: boolean): string {
  const { checkedMs, lost, pausedMs } = state;
  const { colors, width } = screen;
  const ago = checkedMs === null ? 'not yet' : `${duration(nowMs - checkedMs)} ago`;
  const stale = lost === null || checkedMs === null ? '' : ', what follows is from then';
  const parts = [
    `Checked   ${ago}`,
    ...(stale === '' ? [] : [stale]),
    ...(running && pausedMs === null ? [`, ${nextText(state, nowMs)}`] : []),
    ...(pausedMs === null
      ? []
      : [`, PAUSED since ${unwrapped(localTimeText(isoTime(pausedMs), screen, nowMs))}`]),
  ];
  const text = joinFitting(parts, '', width);
  const clock = clockText(nowMs, screen, 'seconds');
  const gap = width - text.length - clock.length;
  const whole = gap < 2 ? text : `${text}${' '.repeat(gap)}${colors.dim(clock)}`;
  return whole.replace('PAUSED', () => colors.yellow.bold('PAUSED'));
}

function nextText({ nextMs, lost }: LiveState, nowMs: number): string {
  if (nextMs === null) return 'checking now';
  return `${lost === null ? 'next' : 'trying again'} in ${duration(nextMs - nowMs)}`;
}

function bodyBlocks(state: LiveState, nowMs: number, screen: Screen): Block[] {
  const { pulse, alerts, silence, checkedMs, lost, sort, help } = state;
  if (help) return [helpBlock(screen)];
  if (pulse === null) return [];
  // The database's clock may be another than this one's.
  const thenMs = Date.parse(pulse.report.time) + Math.max(0, nowMs - (checkedMs ?? nowMs));
  return stateBlocks({ pulse, alerts, silence, sort, stale: lost !== null }, thenMs, screen);
}

const KEYS = [
  ['q', 'quit; so do Ctrl-C and SIGTERM'],
  ['?', 'this help, and back'],
  ['p', 'pause: no checks until the next p'],
  ['s', `sort AI types by ${SORTS.join(', ')}`],
  ['a', 'one AI type alone, the next one, then all again'],
  ['r', 'check now'],
  ['Ctrl-Z', 'to the shell; fg comes back'],
] as const;

function helpBlock(screen: Screen): Block {
  const lines = KEYS.flatMap(([key, does]) =>
    hang(key.padEnd('Ctrl-Z  '.length), does, screen.width),
  );
  return { lines, rank: 5, least: 1, apart: true };
}

function keyLine({ sort, aiType, pausedMs, help }: LiveState, { width, colors }: Screen): string {
  const parts = [
    'q quit',
    `? ${help ? 'back' : 'help'}`,
    `p ${pausedMs === null ? 'pause' : 'go on'}`,
    `s sort: ${sort}`,
    `a AI type: ${aiType ?? 'all'}`,
    'r refresh',
  ];
  return colors.dim(joinFitting(parts, '  ', width));
}
