/** Calendar windows in UTC. All times are milliseconds since 1970-01-01T00:00:00Z. */

export const WINDOW_KINDS = ['month', 'day', 'hour'] as const;
export type WindowKind = (typeof WINDOW_KINDS)[number];

export interface Window {
  readonly kind: WindowKind;
  /** The window's name: its start in ISO 8601 reduced precision ('2026-11', '2026-11-24', '2026-11-24T05'). */
  readonly start: string;
  readonly startsAtMs: number;
  /** The first instant after the window. */
  readonly resetsAtMs: number;
}

const NAME_LENGTH: Record<WindowKind, number> = { month: 7, day: 10, hour: 13 };

/** The window of one kind that holds an instant. */
export function windowAt(kind: WindowKind, atMs: number): Window {
  const at = new Date(atMs);
  const year = at.getUTCFullYear();
  const month = at.getUTCMonth();
  const day = at.getUTCDate();
  const hour = at.getUTCHours();
  const start = at.toISOString().slice(0, NAME_LENGTH[kind]);
  switch (kind) {
    case 'month':
      return {
        kind,
        start,
        startsAtMs: Date.UTC(year, month, 1),
        resetsAtMs: Date.UTC(year, month + 1, 1),
      };
    case 'day':
      return {
        kind,
        start,
        startsAtMs: Date.UTC(year, month, day),
        resetsAtMs: Date.UTC(year, month, day + 1),
      };
    case 'hour':
      return {
        kind,
        start,
        startsAtMs: Date.UTC(year, month, day, hour),
        resetsAtMs: Date.UTC(year, month, day, hour + 1),
      };
  }
}

/** The month, day and hour that hold an instant. */
export function windowsAt(atMs: number): Record<WindowKind, Window> {
  return {
    month: windowAt('month', atMs),
    day: windowAt('day', atMs),
    hour: windowAt('hour', atMs),
  };
}

/**
 * A time as JSON has it: ISO 8601 in UTC, with `Z`.
 * @format date-time
 */
export type IsoTime = string;

export function isoTime(atMs: number): IsoTime {
  return new Date(atMs).toISOString();
}

/** '2026-12-01 00:00 UTC' */
export function utcMinute(iso: IsoTime): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

/** 'month 2026-11', 'day 2026-11-24', 'hour 2026-11-24 05:00 UTC' */
export function windowText(kind: WindowKind, start: string): string {
  return `${kind} ${kind === 'hour' ? utcMinute(`${start}:00`) : start}`;
}
