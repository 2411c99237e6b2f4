import type { DatabaseKind } from '../../src/ledger/port.ts';
import { text, written, type WrittenName, type WrittenTime } from './foreign.ts';
import type { Random } from './random.ts';

/** Every way to write a time or a name that docs/database.md tells of, built from what it means. */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const pad = (value: number, length = 2): string => String(value).padStart(length, '0');

/** An instant in some form; forms that know no seconds or hours cut it. */
export function timeAt(random: Random, kind: DatabaseKind, atMs: number): WrittenTime {
  const form = random.pick(kind === 'sqlite' ? SQLITE : POSTGRES);
  const [value, meansMs] = form(atMs, random);
  return { sql: value, atMs: meansMs, flag: null };
}

/** A time that counts when it is written. */
export function noTime(random: Random, kind: DatabaseKind, unique: number): WrittenTime {
  const garbage = ['yesterday', 'null', 'n/a', '24-02-29', '2024/02/29'].map(
    (word) => `${word} ${String(unique)}`,
  );
  const unreadable =
    kind === 'sqlite'
      ? [...garbage, '0000-00-00 00:00:00', '1999-12-31 23:59:59', '1970-01-01']
      : ["'infinity'", "'-infinity'", "'1999-12-31 23:59:59'"];
  const future = `'20${String(random.int(31, 90))}-0${String(random.int(1, 9))}-11 10:00:00'`;
  return random.pick<() => WrittenTime>([
    () => ({ sql: null, atMs: null, flag: null }),
    () => ({ sql: future, atMs: null, flag: 'future' }),
    () => {
      const word = random.pick(unreadable);
      const sql = kind === 'sqlite' ? text(word) : word;
      return { sql, atMs: null, flag: 'unreadable' };
    },
  ])();
}

type Form = (atMs: number, random: Random) => [sql: string, meansMs: number];

const plain = (atMs: number): string => written(atMs).slice(0, 19);
const cut = (atMs: number, to: number): number => Math.floor(atMs / to) * to;

const USUAL: Form[] = [
  (atMs) => [text(plain(atMs)), cut(atMs, 1_000)],
  (atMs) => [text(written(atMs)), atMs],
  (atMs) => [text(written(atMs).slice(0, 23)), atMs],
  // Micros never reach the next millisecond.
  (atMs) => [text(`${written(atMs).slice(0, 23)}999`), atMs],
  (atMs) => [text(written(atMs).slice(0, 21)), cut(atMs, 100)],
  (atMs) => [text(`${plain(atMs).replace(' ', 'T')}Z`), cut(atMs, 1_000)],
  (atMs) => [text(written(atMs).slice(0, 16)), cut(atMs, MINUTE_MS)],
  (atMs) => [text(written(atMs).slice(0, 10)), cut(atMs, DAY_MS)],
];

const SQLITE: Form[] = [
  ...USUAL,
  (atMs) => [text(new Date(atMs).toISOString()), atMs],
  (atMs) => [text(written(atMs).slice(0, 16).replace(' ', 'T')), cut(atMs, MINUTE_MS)],
  (atMs, random) => {
    const minutes = random.pick([120, -330, 345, 0, -720, 840]);
    const hours = pad(Math.floor(Math.abs(minutes) / 60));
    const zone = random.pick([
      `${hours}:${pad(Math.abs(minutes) % 60)}`,
      hours + pad(Math.abs(minutes) % 60),
    ]);
    const local = written(atMs + minutes * MINUTE_MS).slice(0, 23);
    const between = random.pick(['', ' ']);
    return [
      text(
        `${local.replace(' ', random.pick(['T', ' ']))}${between}${minutes < 0 ? '-' : '+'}${zone}`,
      ),
      atMs,
    ];
  },
  (atMs, random) => {
    const hours = random.pick([2, -5, 14]);
    const local = plain(atMs + hours * 60 * MINUTE_MS);
    return [text(`${local}${hours < 0 ? '-' : '+'}${pad(Math.abs(hours))}`), cut(atMs, 1_000)];
  },
  (atMs) => [String(cut(atMs, 1_000) / 1_000), cut(atMs, 1_000)],
  (atMs) => [`${String(cut(atMs, 1_000) / 1_000)}.5`, cut(atMs, 1_000) + 500],
  (atMs) => [String(atMs), atMs],
  (atMs) => [text(String(atMs)), atMs],
];

const POSTGRES: Form[] = [
  ...USUAL,
  // The column drops the offset of a text.
  (atMs) => [text(`${plain(atMs)}+02:00`), cut(atMs, 1_000)],
  // A value with a time zone becomes the session's, which is UTC.
  (atMs) => {
    const local = plain(atMs + 330 * MINUTE_MS);
    return [`TIMESTAMPTZ ${text(`${local}+05:30`)}`, cut(atMs, 1_000)];
  },
  (atMs) => [`to_timestamp(${String(atMs)} / 1000.0)`, atMs],
];

/** A name, spelled as someone might. */
export function nameOf(random: Random, aiType: string): WrittenName {
  if (random.chance(0.1)) {
    const none = [
      '',
      '   ',
      'GLOBAL',
      'all',
      ' none',
      'unknown',
      'two words',
      '-dash',
      '.dot',
      'zw\u00f6lf',
      "quote's",
      'x'.repeat(51),
    ];
    return { sql: random.chance(0.1) ? 'NULL' : text(random.pick(none)), countsAs: 'unknown' };
  }
  const spelled = random.pick([
    aiType,
    aiType,
    aiType.toUpperCase(),
    `  ${aiType}`,
    `\t${aiType} \n`,
    aiType[0]!.toUpperCase() + aiType.slice(1),
  ]);
  return { sql: text(spelled), countsAs: aiType };
}
