import {
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  stringify,
  type ErrorCode,
  type Node,
} from 'yaml';
import { parseAiType } from '../budget/ai-type.ts';
import { invalidInput, TokenctlError } from '../budget/errors.ts';
import { AI_TYPE_LIMIT_KEYS, LIMIT_KEYS, type Settings } from '../budget/limits.ts';
import { parseKey, parseSetting, type SettingChange } from '../budget/settings.ts';

/**
 * Limits as a file, in YAML or JSON (which YAML contains): the keys and values of `limits set`, and
 * those of AI types under `aiTypes`. The file is walked node by node, so that an error has its line,
 * and no alias is ever expanded.
 */

/** The largest file that is read, in bytes. */
export const MAX_LIMITS_FILE_BYTES = 64 * 1024;

const AI_TYPES = 'aiTypes';

/** Names the file, and the line of an offset into it. */
type Place = (offset: number | undefined) => string;

/**
 * What a limits file sets.
 * @param file its name, for messages
 * @throws invalid_input naming file, line and key
 */
export function parseLimitsFile(text: string, file: string): SettingChange[] {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // Compared below, where the case of a key does not count.
    uniqueKeys: false,
  });
  const place: Place = (offset = 0) => `${file}:${String(Math.max(1, lines.linePos(offset).line))}`;
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw invalidInput(
      place(broken.pos[0]),
      PROBLEMS[broken.code] ?? `is neither YAML nor JSON: ${broken.message}`,
    );
  }
  const root: unknown = document.contents;
  if (root === null) {
    throw invalidInput(
      file,
      'is empty',
      'write {} for no settings; tokenctl limits export shows the format',
    );
  }
  return entriesOf(root, file, place(0), place).flatMap(({ key, at, value }) =>
    key.toLowerCase() === AI_TYPES.toLowerCase()
      ? aiTypeChanges(value, at, place)
      : [settingOf(key, value, null, at)],
  );
}

/** What the parser says in words for those who call it. */
const PROBLEMS: Partial<Record<ErrorCode, string>> = {
  MULTIPLE_DOCS: 'a second document begins; one file holds one',
  RESOURCE_EXHAUSTION: 'is nested too deeply to be read',
};

function aiTypeChanges(node: unknown, at: string, place: Place): SettingChange[] {
  const entries = entriesOf(node, AI_TYPES, at, place).map((entry) => ({
    ...entry,
    key: placed(`${entry.at}: `, () => parseAiType(entry.key, AI_TYPES)),
  }));
  refuseTwice(entries);
  return entries.flatMap(({ key: aiType, at: where, value }) =>
    entriesOf(value, aiType, where, place).map((own) =>
      settingOf(own.key, own.value, aiType, own.at),
    ),
  );
}

function settingOf(key: string, node: unknown, aiType: string | null, at: string): SettingChange {
  const whose = aiType === null ? '' : `${AI_TYPES}.${aiType}.`;
  return placed(`${at}: ${whose}`, () => {
    // A key that is none is told before its value is looked at.
    const known = parseKey(key, aiType);
    return parseSetting(known, textOf(node, known), aiType);
  });
}

interface Entry {
  readonly key: string;
  /** File and line. */
  readonly at: string;
  readonly value: unknown;
}

/** The entries of a mapping. @throws invalid_input for anything else, and for a key that is there twice */
function entriesOf(node: unknown, what: string, at: string, place: Place): Entry[] {
  if (!isMap(node)) {
    const where = at.startsWith(`${what}:`) ? at : `${at}: ${what}`;
    throw invalidInput(where, 'must be keys with values, such as hourly: 2800');
  }
  const entries = node.items.map(({ key, value }): Entry => {
    const where = place((key as Node | null)?.range?.[0]);
    if (!isScalar(key)) throw invalidInput(where, 'a key must be a name');
    return { key: printable(key.source ?? String(key.value)), at: where, value };
  });
  refuseTwice(entries);
  return entries;
}

/** A key as a message may show it. None that is valid is changed: they are short letters and digits. */
function printable(key: string): string {
  return key.slice(0, 60).replaceAll(/\p{C}/gu, '?');
}

function refuseTwice(entries: readonly Entry[]): void {
  const seen = new Map<string, Entry>();
  for (const entry of entries) {
    const name = entry.key.toLowerCase();
    const first = seen.get(name);
    if (first !== undefined) {
      throw invalidInput(
        `${entry.at}: ${entry.key}`,
        `is there twice, first at ${first.at}`,
        'leave one of them out',
      );
    }
    seen.set(name, entry);
  }
}

/** A value as it is written: a number is checked by its digits, not by what YAML makes of them. */
function textOf(node: unknown, key: string): string {
  const form = 'must be an amount, a share such as 15%, or off';
  if (isAlias(node)) throw invalidInput(key, `${form}, not an alias: write the value out`);
  if (!isScalar(node)) throw invalidInput(key, `${form}, not a list or a mapping`);
  const { value, source } = node;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return source ?? String(value);
  if (value === null) {
    throw invalidInput(key, `${form}, not nothing`, 'leave the key out to set nothing');
  }
  throw invalidInput(key, `${form}, not ${source ?? typeof value}`, 'to lift a limit, write off');
}

/** Puts where it is (file, line, AI type) before the key that was wrong. */
function placed<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.field === null) throw error;
    const problem = error.message.slice(`${error.field}: `.length);
    throw invalidInput(`${where}${error.field}`, problem, error.fix ?? undefined);
  }
}

/** Settings as the text of a limits file. @param heading lines of a comment above them */
export function limitsFileText(settings: Settings, heading: readonly string[]): string {
  const comment = heading.map((line) => `# ${line}\n`).join('');
  return comment + stringify(limitsFileDocument(settings), { lineWidth: 0 });
}

/** A limits file: only what is set. */
export type LimitsFile = Settings['global'] & {
  readonly aiTypes?: Settings['aiTypes'];
};

/** Settings in the shape of a limits file, keys in the order in which they are shown elsewhere. */
export function limitsFileDocument({ global, aiTypes }: Settings): LimitsFile {
  const own = Object.entries(aiTypes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, limits]) => [name, ordered(limits, AI_TYPE_LIMIT_KEYS)] as const);
  return {
    ...ordered(global, Object.keys(LIMIT_KEYS)),
    ...(own.length === 0 ? {} : { [AI_TYPES]: Object.fromEntries(own) }),
  };
}

function ordered<T extends object>(own: T, keys: readonly string[]): T {
  const entries = keys.flatMap((key) =>
    Object.hasOwn(own, key) ? [[key, own[key as keyof T]] as const] : [],
  );
  return Object.fromEntries(entries) as T;
}
