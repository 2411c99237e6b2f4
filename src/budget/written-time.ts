/**
 * Times as usage logs write them: `YYYY-MM-DD HH:MM:SS[.fffffff]`, ISO 8601 with `T`, `Z` or an
 * offset, or the seconds or milliseconds since 1970. Without an offset they are UTC.
 */

const CALENDAR =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?$/i;
const EPOCH = /^(\d{1,14})(?:\.\d{1,12})?$/;
/** Seconds reach this only in the year 5138; milliseconds passed it in 1973. */
const SECONDS_BELOW = 100_000_000_000;

/** Milliseconds since 1970; null when it is no time. What is below a millisecond is cut, never rounded. */
export function parseTime(text: string): number | null {
  const trimmed = text.trim();
  const epoch = EPOCH.exec(trimmed);
  if (epoch !== null) return epochMs(trimmed, Number(epoch[1]));
  const match = CALENDAR.exec(trimmed);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone = 'Z'] = match;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (mo < 1 || mo > 12 || h > 23 || mi > 59 || s > 59) return null;
  const atMs = Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.padEnd(3, '0').slice(0, 3)));
  // A day that the month does not have would become one of the next.
  if (new Date(atMs).getUTCDate() !== d || y < 1970) return null;
  const offset = offsetMinutes(zone);
  return offset === null ? null : atMs - offset * 60_000;
}

function epochMs(text: string, whole: number): number {
  if (whole >= SECONDS_BELOW) return whole;
  const fraction = text.split('.')[1] ?? '';
  return whole * 1_000 + Number(fraction.padEnd(3, '0').slice(0, 3));
}

function offsetMinutes(zone: string): number | null {
  if (/^(z|utc)$/i.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || '0');
  if (hours > 18 || minutes > 59) return null;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
