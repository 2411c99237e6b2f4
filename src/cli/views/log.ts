import { isoTime } from '../../budget/windows.ts';
import type { LogEntry, RequestState } from '../../ledger/port.ts';
import { verdictOf } from '../../ledger/request-document.ts';
import type { Screen } from '../output.ts';
import { count, hang, oneLine, shorten } from './text.ts';

/** How wide the columns are; they stay so while more requests come. */
export interface LogLayout {
  readonly time: 'date' | 'clock';
  readonly aiType: number;
  readonly parts: boolean;
  readonly tokens: number;
  readonly model: number;
  readonly name: number;
}

const GAP = '  ';
const STATE_WIDTH = 'released'.length;
const SHORTEST_AI_TYPE = 'imperium'.length;
const TIME_WIDTH = { date: '2026-11-24 12:00:00'.length, clock: '12:00:00'.length } as const;

/**
 * Lays the columns out for these requests. Where a terminal is narrow, long AI types are shortened,
 * then in and out are left out, then the date. Off a terminal (`width` null) a request is one line.
 */
export function logLayout(entries: readonly LogEntry[], width: number | null): LogLayout {
  const widest = (least: number, texts: readonly string[]): number =>
    Math.max(least, ...texts.map(({ length }) => length));
  const tokens = widest('123,456'.length, entries.flatMap(tokenTexts));
  const aiType = Math.min(
    20,
    widest(
      SHORTEST_AI_TYPE,
      entries.map((entry) => entry.aiType),
    ),
  );
  const columns = {
    tokens,
    model: Math.min(
      30,
      widest(
        'Model'.length,
        entries.map(({ model }) => oneLine(model ?? '-')),
      ),
    ),
    name: Math.min(36, widest('Request'.length, entries.map(nameOf))),
  };
  const room = (time: LogLayout['time'], parts: boolean): number =>
    (width ?? Infinity) -
    TIME_WIDTH[time] -
    STATE_WIDTH -
    tokens * (parts ? 3 : 1) -
    GAP.length * (parts ? 5 : 3);
  const arrangements: readonly (readonly [LogLayout['time'], boolean])[] = [
    ['date', true],
    ['date', false],
    ['clock', false],
  ];
  const [time, parts] =
    arrangements.find((each) => room(each[0], each[1]) >= SHORTEST_AI_TYPE) ??
    (['clock', false] as const);
  const narrowed = Math.max(SHORTEST_AI_TYPE, Math.min(aiType, room(time, parts)));
  return { ...columns, time, parts, aiType: narrowed };
}

export function logHeader(layout: LogLayout, screen: Screen, width: number | null): string {
  const time = layout.time === 'date' ? 'Time (UTC)' : 'UTC';
  const head = row(layout, time, 'AI type', 'State', ['In', 'Out', 'Total']);
  const details = ['Model'.padEnd(layout.model), 'Request'.padEnd(layout.name), 'Error'];
  const whole = [head, ...details].join(GAP);
  return screen.colors.dim(width === null || whole.length <= width ? whole : head);
}

/** A request: one line where there is room, else what does not fit below it. */
export function logLines(
  entry: LogEntry,
  layout: LogLayout,
  screen: Screen,
  width: number | null,
): string {
  const { colors } = screen;
  const time = isoTime(entry.atMs);
  const clock = layout.time === 'date' ? time.slice(0, 19).replace('T', ' ') : time.slice(11, 19);
  const head = row(layout, clock, shorten(entry.aiType, layout.aiType), entry.state, [
    ...tokenTexts(entry),
  ]);
  const paint = PAINT[entry.state];
  const painted = head.replace(` ${entry.state}`, (text) =>
    paint === null ? text : ` ${colors[paint](text.slice(1))}`,
  );
  const model = oneLine(entry.model ?? '-');
  const error = errorOf(entry);
  const columns = [model.padEnd(layout.model), nameOf(entry).padEnd(layout.name), error];
  const whole = `${head}${GAP}${columns.join(GAP)}`.trimEnd();
  if (width === null || whole.length <= width) {
    return `${painted}${whole.slice(head.length)}`;
  }
  const below = [nameOf(entry), ...(entry.model === null ? [] : [model]), error];
  const text = below.filter((part) => part !== '').join(GAP);
  return [painted.trimEnd(), ...hang('    ', text, width)].join('\n');
}

const PAINT: Readonly<Record<RequestState, 'green' | 'yellow' | 'red' | 'cyan' | null>> = {
  held: 'cyan',
  settled: null,
  released: null,
  failed: 'red',
  expired: 'yellow',
  denied: 'red',
};

function row(
  layout: LogLayout,
  time: string,
  aiType: string,
  state: string,
  tokens: readonly string[],
): string {
  return [
    time.padEnd(TIME_WIDTH[layout.time]),
    aiType.padEnd(layout.aiType),
    state.padEnd(STATE_WIDTH),
    ...tokens.slice(layout.parts ? 0 : 2).map((text) => text.padStart(layout.tokens)),
  ].join(GAP);
}

/** In, out and total: charged, for a hold reserved, for a denial what it asked for. */
function tokenTexts(entry: LogEntry): readonly [string, string, string] {
  if (entry.state === 'denied') {
    const estimate = verdictOf(entry)?.estimate;
    return estimate === undefined
      ? ['-', '-', '-']
      : [count(estimate.input), count(estimate.output), count(estimate.total)];
  }
  const { reservedTokens: total, reservedInputTokens: input } = entry;
  if (entry.state === 'held') return [count(input), count(total - input), count(total)];
  return [count(entry.tokensIn), count(entry.tokensOut), count(entry.charged)];
}

/** What `explain` takes: the request's own id where it has one. */
function nameOf({ requestId, id }: LogEntry): string {
  return oneLine(requestId ?? id);
}

function errorOf({ error, deniedCount, state }: LogEntry): string {
  const times = state === 'denied' && deniedCount > 1 ? `${count(deniedCount)} denials: ` : '';
  return `${times}${oneLine(error ?? '')}`;
}
