import { invalidInput } from './errors.ts';

const MINUTE_MS = 60_000;
/** In minutes. */
const DAY = 1_440;

/** Hours of each day, such as those in which people sleep. */
export interface QuietHours {
  /** Minutes after midnight. Where `from` is later than `to`, they go over midnight. */
  readonly from: number;
  readonly to: number;
  /** An IANA time zone, such as Europe/Berlin. */
  readonly tz: string;
}

/**
 * Reads `{ from: '22:00', to: '07:00', tz: 'Europe/Berlin' }`; without `tz` in UTC.
 * @param place the caller's own spelling of a key of it, for the message
 * @throws invalid_input
 */
export function parseQuietHours(
  place: (key: 'from' | 'to' | 'tz') => string,
  { from, to, tz = 'UTC' }: { from: string; to: string; tz?: string | undefined },
): QuietHours {
  const hours = { from: minutes(place('from'), from), to: minutes(place('to'), to), tz };
  if (hours.from === hours.to) {
    throw invalidInput(place('to'), 'is the same as from', 'leave quietHours out for none');
  }
  try {
    minuteOfDay(0, tz);
  } catch {
    throw invalidInput(place('tz'), `there is no time zone "${tz.slice(0, 60)}"`, 'Europe/Berlin');
  }
  return hours;
}

/** Whether an instant lies in them: `from` does, `to` does not. */
export function isQuiet({ from, to, tz }: QuietHours, atMs: number): boolean {
  const now = minuteOfDay(atMs, tz);
  return from < to ? now >= from && now < to : now >= from || now < to;
}

/** How long they last, in ms. */
export function lengthMs({ from, to }: QuietHours): number {
  return ((to - from + DAY) % DAY) * MINUTE_MS;
}

/** Since when an instant's hours have lasted, to the minute, in ms; null where it lies outside of them. */
export function openSinceMs(hours: QuietHours, atMs: number): number | null {
  if (!isQuiet(hours, atMs)) return null;
  const minute = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
  const openMs = minute - ((minuteOfDay(atMs, hours.tz) - hours.from + DAY) % DAY) * MINUTE_MS;
  // Where clocks were set in between, the difference is not the time that passed.
  const off = (minuteOfDay(openMs, hours.tz) - hours.from + DAY * 1.5) % DAY;
  return openMs - (off - DAY / 2) * MINUTE_MS;
}

function minutes(field: string, text: string): number {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (match === null) throw invalidInput(field, 'must be a time of day', 'from 00:00 to 23:59');
  return Number(match[1]) * 60 + Number(match[2]);
}

function minuteOfDay(atMs: number, timeZone: string): number {
  const clock = new Intl.DateTimeFormat('en-GB', {
    ...{ timeZone, hourCycle: 'h23' as const },
    ...{ hour: '2-digit' as const, minute: '2-digit' as const },
  }).format(atMs);
  return Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
}
