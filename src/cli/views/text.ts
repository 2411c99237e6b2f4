import { count, limitText } from '../../budget/tokens.ts';
import { isoTime } from '../../budget/windows.ts';
import { age, counted, duration, percentText } from '../../budget/words.ts';
import type { Screen } from '../output.ts';

/** Words and numbers as every screen writes them. Pure. */

export { age, count, counted, duration, limitText, percentText };

/** Numbers inside a formula, grouped as everywhere else. */
export function grouped(formula: string): string {
  return formula.replace(/\d{4,}/g, (digits) => count(Number(digits)));
}

/** '18 KiB', '1,204 MiB'; rounded up */
export function sizeText(bytes: number): string {
  const kib = Math.ceil(bytes / 1_024);
  return kib < 1_024 ? `${count(kib)} KiB` : `${count(Math.ceil(kib / 1_024))} MiB`;
}

/** '2026-11-24 06:32:10 UTC'; '2026-12-01 00:00 UTC' at a full minute */
export function timeText(iso: string): string {
  const clock = iso.slice(11, 19);
  return `${iso.slice(0, 10)} ${clock.endsWith(':00') ? clock.slice(0, 5) : clock} UTC`;
}

/**
 * A time to the minute, as the local clock shows it and in UTC: '2026-12-01 01:00 UTC+1 (00:00 UTC)'.
 * For text that is wrapped (hang). The date is left out where it is today's. Not Intl: its first formatter costs a third of a start.
 */
export function localTimeText(iso: string, { utcOffsetMinutes }: Screen, nowMs: number): string {
  const atMs = Date.parse(iso);
  const offset = utcOffsetMinutes?.(atMs) ?? 0;
  const local = minuteText(atMs, offset);
  const today = minuteText(nowMs, utcOffsetMinutes?.(nowMs) ?? 0).date;
  const date = local.date === today ? '' : `${local.date} `;
  if (offset === 0) return together(`${date}${local.clock} UTC`);
  const utc = minuteText(atMs, 0);
  const utcDate = utc.date === local.date ? '' : `${utc.date} `;
  const here = together(`${date}${local.clock} ${zoneText(offset)}`);
  return `${here} ${together(`(${utcDate}${utc.clock} UTC)`)}`;
}

/** '09:54:20 UTC+1' by the local clock, or '09:54 UTC+1'. */
export function clockText(
  atMs: number,
  { utcOffsetMinutes }: Screen,
  precision: 'minutes' | 'seconds',
): string {
  const offset = utcOffsetMinutes?.(atMs) ?? 0;
  const clock = isoTime(atMs + offset * 60_000).slice(11, precision === 'minutes' ? 16 : 19);
  return `${clock} ${offset === 0 ? 'UTC' : zoneText(offset)}`;
}

function minuteText(atMs: number, offset: number): { date: string; clock: string } {
  const shifted = new Date(atMs + offset * 60_000).toISOString();
  return { date: shifted.slice(0, 10), clock: shifted.slice(11, 16) };
}

/** 'UTC+1', 'UTC-3:30' */
function zoneText(offset: number): string {
  const minutes = Math.abs(offset) % 60;
  const hours = String(Math.floor(Math.abs(offset) / 60));
  const rest = minutes === 0 ? '' : `:${String(minutes).padStart(2, '0')}`;
  return `UTC${offset < 0 ? '-' : '+'}${hours}${rest}`;
}

/** Keeps a name's beginning and end within `max` characters. */
export function shorten(name: string, max: number): string {
  if (name.length <= max) return name;
  const keep = Math.max(1, max - 1);
  const tail = Math.floor(keep / 3);
  return `${name.slice(0, keep - tail)}~${tail === 0 ? '' : name.slice(-tail)}`;
}

/** Words that stay on one line, where wrap breaks text. */
function together(text: string): string {
  return text.replaceAll(' ', NO_BREAK);
}

const NO_BREAK = '\u00a0';

/** What to do next, under what it mends. It stays on one line, so that a command can be copied. */
export function fixLine(fix: string, { symbols, suggest }: Screen, indent = 2): string {
  return `${' '.repeat(indent)}${symbols.arrow} ${suggest === undefined ? fix : suggest(fix)}`;
}

/** Text that is never wrapped, such as a time: with plain spaces. */
export function unwrapped(text: string): string {
  return text.replaceAll(NO_BREAK, ' ');
}

/** Another program's text as one line: nothing in it can move the cursor or break a line. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/\p{C}/gu, '?').trim();
}

/** Breaks text between words into lines of at most `width`; a longer word has its own line. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  const words = text
    .split(' ')
    .flatMap((word) => (word.length > width ? word.split(NO_BREAK) : [word]));
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((each) => each.replaceAll(NO_BREAK, ' '));
}

const NARROWEST_HANGING = 20;

/**
 * Wraps with a first line's lead (`! `, `-> `) and the rest indented under it; where that leaves no
 * room, the lead has a line of its own.
 */
export function hang(lead: string, text: string, width: number): string[] {
  if (width - lead.length < NARROWEST_HANGING && lead.length > 2) {
    return [lead.trimEnd(), ...wrap(text, width - 2).map((line) => `  ${line}`)];
  }
  const indent = ' '.repeat(lead.length);
  return wrap(text, width - lead.length).map((line, index) =>
    index === 0 ? `${lead}${line}` : `${indent}${line}`,
  );
}
