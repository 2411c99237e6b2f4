import {
  ALERT_KINDS,
  USUAL_ALERT_KINDS,
  type AlertKind,
  type AlertKindSettings,
} from '../budget/alert-kinds.ts';
import { parseDuration } from '../budget/duration.ts';
import { invalidInput } from '../budget/errors.ts';
import { lengthMs, parseQuietHours, type QuietHours } from '../budget/quiet-hours.ts';

/**
 * `alerts.kinds` of a configuration file. Checked when a monitor starts, not by every command, as the
 * channels are.
 */

export interface AlertKindInputs {
  /** As the configuration file has them, and the file. */
  readonly kinds: unknown;
  readonly file: string;
}

/** `alerts.kinds.denials.percent in FILE` */
type Place = (...path: string[]) => string;

const SILENCE = 'write { "after": "2h" }, with "hours" where logs are expected in some hours alone';
const LONGEST_SILENCE = '7d';
const MOST_TIMES = 1_000;

/** What is not named is as usual. @throws invalid_input naming file, kind and key, and what is accepted */
export function parseAlertKinds({ kinds, file }: AlertKindInputs): AlertKindSettings {
  const place: Place = (...path) => `${['alerts.kinds', ...path].join('.')} in ${file}`;
  const all = objectOf(
    kinds,
    ALERT_KINDS,
    place,
    `an object, the keys are: ${ALERT_KINDS.join(', ')}`,
  );
  const onOff = (kind: AlertKind): boolean => {
    const value = all[kind] === undefined ? true : all[kind];
    if (typeof value === 'boolean') return value;
    throw invalidInput(place(kind), 'must be true or false');
  };
  return {
    level: onOff('level'),
    'ai-type': onOff('ai-type'),
    exhausted: onOff('exhausted'),
    overrun: onOff('overrun'),
    blind: onOff('blind'),
    denials: withNumber('denials', 'percent', all, place, (percent) =>
      Number.isInteger(percent) && percent >= 1 && percent <= 100
        ? null
        : 'must be a whole number from 1 to 100',
    ),
    'burn-rate': withNumber('burn-rate', 'times', all, place, (times) =>
      times > 1 && times <= MOST_TIMES
        ? null
        : `must be a number above 1, up to ${String(MOST_TIMES)}`,
    ),
    silence: silenceOf(all['silence'], (...path) => place('silence', ...path)),
  };
}

/** `true`, `false` or an object of one number. */
function withNumber<Key extends string>(
  kind: 'denials' | 'burn-rate',
  key: Key,
  all: Readonly<Record<string, unknown>>,
  place: Place,
  problem: (value: number) => string | null,
): Readonly<Record<Key, number>> | null {
  const usual = USUAL_ALERT_KINDS[kind] as Readonly<Record<Key, number>>;
  const value = all[kind] === undefined ? true : all[kind];
  if (value === true) return usual;
  if (value === false) return null;
  const accepted = `true, false or { "${key}": ${String(usual[key])} }`;
  const number =
    objectOf(value, [key], (...path) => place(kind, ...path), accepted)[key] ?? usual[key];
  const wrong = typeof number === 'number' ? problem(number) : 'must be a number';
  if (wrong !== null) throw invalidInput(place(kind, key), wrong);
  return { [key]: number } as Record<Key, number>;
}

function silenceOf(value: unknown, place: Place): AlertKindSettings['silence'] {
  if (value === undefined || value === false) return null;
  const { after, hours } = objectOf(
    value,
    ['after', 'hours'],
    place,
    `false or an object: ${SILENCE}`,
  );
  if (after === undefined) throw invalidInput(place('after'), 'is needed', SILENCE);
  if (typeof after !== 'string') throw invalidInput(place('after'), 'must be text', SILENCE);
  const afterMs = parseDuration(place('after'), after, LONGEST_SILENCE);
  const open = hours === undefined ? null : hoursOf(hours, (...path) => place('hours', ...path));
  if (open !== null && afterMs >= lengthMs(open)) {
    throw invalidInput(
      place('after'),
      'is as long as the hours are, so that nothing would ever be raised',
      'a shorter one, or longer hours',
    );
  }
  return { afterMs, hours: open };
}

function hoursOf(value: unknown, place: Place): QuietHours {
  const accepted = 'an object: { "from": "08:00", "to": "20:00", "tz": "Europe/Berlin" }';
  const { from, to, tz } = objectOf(value, ['from', 'to', 'tz'], place, accepted);
  const text = (key: string, given: unknown): string => {
    if (typeof given === 'string') return given;
    throw invalidInput(place(key), given === undefined ? 'is needed' : 'must be text', accepted);
  };
  return parseQuietHours(place, {
    from: text('from', from),
    to: text('to', to),
    tz: tz === undefined ? undefined : text('tz', tz),
  });
}

/** @throws invalid_input for what is no object, and for a key that it does not know */
function objectOf(
  value: unknown,
  keys: readonly string[],
  place: Place,
  accepted: string,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidInput(place(), `must be ${accepted}`);
  }
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) {
    const shown = unknown.slice(0, 60).replaceAll(/\p{C}/gu, '?');
    throw invalidInput(place(), `has no key "${shown}"`, `the keys are: ${keys.join(', ')}`);
  }
  return value as Readonly<Record<string, unknown>>;
}
