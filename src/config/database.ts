import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalidInput } from '../budget/errors.ts';
import { secretSetting, setVariable, type SecretPlaces } from './secret.ts';

/** Which database a process uses: by flag, environment, configuration file or default, in this order. */
export interface DatabaseTarget {
  readonly kind: 'sqlite' | 'postgresql';
  /** SQLite: the file's absolute path. PostgreSQL: the URL, with its password. */
  readonly url: string;
  /** For messages: the path, or the URL without its password. */
  readonly location: string;
  readonly source:
    'flag' | 'TOKENCTL_DATABASE_URL' | 'DATABASE_URL' | 'config' | 'default' | 'option';
}

export interface DatabaseInputs extends SecretPlaces {
  readonly flag?: string | undefined;
  /** What the configuration file names, and the file. */
  readonly config?: { readonly database: string; readonly file: string } | null;
  readonly dataDirectory: string;
}

const DEFAULT_FILE = 'tokenctl.db';

/** @throws invalid_input, naming where the value came from and never what it holds */
export function resolveDatabase(inputs: DatabaseInputs): DatabaseTarget {
  const { flag, environment, config, directory, dataDirectory } = inputs;
  if (flag !== undefined) return parseDatabase(flag, '--database', 'flag', directory);
  const own = secretSetting('TOKENCTL_DATABASE_URL', 'database-url', inputs);
  if (own !== null) {
    return parseDatabase(own.value, own.field, 'TOKENCTL_DATABASE_URL', directory);
  }
  const usual = setVariable(environment['DATABASE_URL']);
  if (usual !== null) return parseDatabase(usual, 'DATABASE_URL', 'DATABASE_URL', directory);
  if (config !== null && config !== undefined) {
    const folder = resolve(config.file, '..');
    return parseDatabase(config.database, `"database" in ${config.file}`, 'config', folder);
  }
  const path = join(dataDirectory, DEFAULT_FILE);
  return { kind: 'sqlite', url: path, location: path, source: 'default' };
}

const ACCEPTED = 'write file:PATH, a path, or postgresql://USER:PASSWORD@HOST:5432/DATABASE';

/**
 * Reads `file:PATH`, `sqlite:PATH`, a plain path, `postgresql://…` or `postgres://…`.
 * `sqlite:///PATH` is relative and `sqlite:////PATH` absolute, as SQLAlchemy reads them.
 * @param field where the value came from, for the message
 * @throws invalid_input
 */
export function parseDatabase(
  text: string,
  field: string,
  source: DatabaseTarget['source'],
  directory: string,
): DatabaseTarget {
  const value = text.trim();
  // One letter before the colon is a drive, not a scheme.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(value)?.[1]?.toLowerCase() ?? null;
  switch (scheme) {
    case null:
      return sqlite(value, field, source, directory);
    case 'file':
      return sqlite(filePath(value, field), field, source, directory);
    case 'sqlite':
      return sqlite(value.replace(/^sqlite:(\/\/\/|\/\/)?/i, ''), field, source, directory);
    case 'postgres':
    case 'postgresql':
      return { kind: 'postgresql', url: value, location: withoutPassword(value, field), source };
    default:
      throw invalidInput(field, `tokenctl knows no databases of the kind "${scheme}:"`, ACCEPTED);
  }
}

function sqlite(
  written: string,
  field: string,
  source: DatabaseTarget['source'],
  directory: string,
): DatabaseTarget {
  const path = written.replace(/\?.*$/s, '');
  if (path === '' || path.includes('\0')) throw invalidInput(field, 'names no database', ACCEPTED);
  if (path === ':memory:') {
    throw invalidInput(field, 'a database in memory would forget the budget', ACCEPTED);
  }
  const url = isAbsolute(path) ? resolve(path) : resolve(directory, path);
  return { kind: 'sqlite', url, location: url, source };
}

function filePath(value: string, field: string): string {
  if (!/^file:\/\//i.test(value)) return value.slice('file:'.length);
  try {
    return fileURLToPath(value.replace(/\?.*$/s, ''));
  } catch {
    throw invalidInput(field, 'is no file URL of this machine', ACCEPTED);
  }
}

/** What named a database, to be shown and pasted again: a URL without its passwords, or the path as it is. */
export function withoutSecrets(text: string): string {
  if (!/^postgres(ql)?:/i.test(text.trim())) return text;
  try {
    const url = new URL(text.trim());
    url.password = '';
    for (const name of ['password', 'sslpassword']) url.searchParams.delete(name);
    return url.toString();
  } catch {
    return 'URL';
  }
}

function withoutPassword(value: string, field: string): string {
  let shown: URL;
  try {
    shown = new URL(value);
  } catch {
    throw invalidInput(
      field,
      'is no URL that can be read',
      'write postgresql://USER:PASSWORD@HOST:5432/DATABASE (special characters in the password percent-encoded)',
    );
  }
  if (shown.pathname.length < 2) throw invalidInput(field, 'names no database', ACCEPTED);
  const schema = shown.searchParams.get('schema');
  shown.password = '';
  shown.search = schema === null || schema === 'public' ? '' : `?schema=${schema}`;
  shown.hash = '';
  return shown.toString();
}
