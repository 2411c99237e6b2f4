import { shortMatter } from '../../alerts/message.ts';
import { isoTime } from '../../budget/windows.ts';
import type { AlertsReport, CaredAlert, DeliveryRow } from '../../ledger/alert-care.ts';
import type { Silence } from '../../ledger/alert-status.ts';
import type { Screen } from '../output.ts';
import { grid } from './grid.ts';
import type { Cell } from './table.ts';
import { age, counted, fixLine, hang, oneLine, timeText } from './text.ts';

/** What came back from a test message. */
export interface ChannelTest {
  readonly channel: string;
  readonly ok: boolean;
  /** How long it took. */
  readonly ms: number;
  /** Null when it was told. */
  readonly error: string | null;
}

export function alertsView(
  { nowMs, alerts, silence }: AlertsReport,
  screen: Screen,
  openOnly = false,
): string {
  const lines: string[] = [];
  if (silence !== null) {
    const { untilMs, reason, actor } = silence;
    const whose = actor === null ? '' : ` by ${oneLine(actor)}`;
    const text = `Silent until ${timeText(isoTime(untilMs))}${whose}: ${oneLine(reason)}`;
    lines.push(...hang('! ', text, screen.width).map((line) => screen.colors.yellow(line)));
    lines.push(fixLine('tokenctl alerts silence --off', screen), '');
  }
  if (alerts.length === 0)
    return [...lines, openOnly ? 'No alert is open.' : 'No alert was raised.'].join('\n');
  lines.push(
    ...grid(
      [
        { title: 'Id' },
        { title: 'Raised' },
        { title: 'Level' },
        { title: 'What', flexible: true },
        { title: 'State' },
        { title: 'Told', flexible: true },
      ],
      alerts.map((alert) => [
        shortId(alert.id),
        `${age(nowMs - (alert.raisedAtMs ?? alert.seenAtMs))} ago`,
        levelCell(alert, screen),
        shortMatter(alert),
        alert.ackedAtMs === null ? alert.state : `${alert.state}, acked`,
        toldText(alert.deliveries),
      ]),
      screen,
    ),
  );
  const troubles = alerts.flatMap((alert) =>
    alert.deliveries.filter(({ state, lastError }) => state !== 'delivered' && lastError !== null),
  );
  if (troubles.length > 0)
    lines.push('', ...troubles.flatMap((row) => troubleLines(row, nowMs, screen)));
  if (troubles.some(({ state }) => state === 'dead')) {
    lines.push(fixLine('tokenctl alerts retry', screen));
  }
  return lines.join('\n');
}

/** The random end of an id: two of the same minute begin alike. */
const SHORT = 8;

function shortId(id: string): string {
  return id.slice(-SHORT);
}

function levelCell({ level, state }: CaredAlert, { colors }: Screen): Cell {
  if (state === 'resolved') return { text: level, paint: colors.dim };
  return { text: level, paint: level === 'warning' ? colors.yellow : colors.red };
}

/** `2 of 3`, with the channels that were not told. */
function toldText(deliveries: readonly DeliveryRow[]): string {
  const missing = deliveries.filter(({ state }) => state !== 'delivered');
  const told = `${String(deliveries.length - missing.length)} of ${String(deliveries.length)}`;
  const names = [...new Set(missing.map(({ channel, state }) => `${channel} ${state}`))];
  return names.length === 0 ? told : `${told}: ${names.join(', ')}`;
}

function troubleLines(row: DeliveryRow, nowMs: number, { width }: Screen): string[] {
  const { alertId, event, channel, state, tries, nextTryAtMs, lastError } = row;
  const when =
    state === 'waiting'
      ? nextTryAtMs <= nowMs
        ? ', due now'
        : `, again in ${age(nextTryAtMs - nowMs)}`
      : '';
  const what = `${channel} ${state} after ${counted(tries, 'try', 'tries')}${when}`;
  const text = `${what}, ${event} ${shortId(alertId)}: ${oneLine(lastError ?? '')}`;
  return hang('! ', text, width);
}

export function ackedText({ id, level, windowStart, ackedBy, ackedAtMs }: CaredAlert): string {
  const by = ackedBy === null ? '' : ` by ${oneLine(ackedBy)}`;
  const at = ackedAtMs === null ? '' : ` since ${timeText(isoTime(ackedAtMs))}`;
  return `Alert ${shortId(id)} (${level}, ${windowStart}) is taken care of${by}${at}.`;
}

export function retryText(retried: readonly DeliveryRow[]): string {
  if (retried.length === 0) return 'Nothing was given up.';
  const channels = [...new Set(retried.map(({ channel }) => channel))].join(', ');
  const count = counted(retried.length, 'delivery', 'deliveries');
  return `${count} to ${channels} will be tried at the next check of a monitor.`;
}

export function silenceText(silence: Silence | null, silent: boolean, { width }: Screen): string {
  if (silence === null) return 'There was no silence.';
  const text = silent
    ? `Silent until ${timeText(isoTime(silence.untilMs))}. The console and the alert log go on; the rest is told then.`
    : 'The silence is over. What it held back is told at the next check of a monitor.';
  return hang('', text, width).join('\n');
}

export function testView(
  channels: readonly ChannelTest[],
  { width, symbols, colors }: Screen,
): string {
  return channels
    .flatMap(({ channel, ok, ms, error }) => {
      const mark = ok ? symbols.tick : symbols.cross;
      const text = `${channel}: ${ok ? `told in ${String(ms)} ms` : (error ?? '')}`;
      const [first = '', ...rest] = hang(`${mark} `, text, width);
      return [(ok ? colors.green : colors.red)(first), ...rest];
    })
    .join('\n');
}
