import { join, resolve } from 'node:path';
import { invalidInput } from '../budget/errors.ts';

/** Settings that are secrets: never a flag, which the process list shows. */

export interface SecretPlaces {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly directory: string;
  /** Reads a file that holds a secret; null where there is none. */
  readonly readSecret: (path: string) => string | null;
}

/**
 * The variable itself, else what the file holds that its `_FILE` names, else systemd's credential.
 * @returns the value, and where it came from, for messages; null where none is set
 * @throws invalid_input where the file is missing
 */
export function secretSetting(
  variable: string,
  credential: string,
  { environment, directory, readSecret }: SecretPlaces,
): { readonly value: string; readonly field: string } | null {
  const value = setVariable(environment[variable]);
  if (value !== null) return { value, field: variable };
  const field = `${variable}_FILE`;
  const named = setVariable(environment[field]);
  if (named !== null) {
    const secret = readSecret(resolve(directory, named));
    if (secret === null) throw invalidInput(field, `there is no file ${named}`);
    return { value: secret.trim(), field };
  }
  const credentials = setVariable(environment['CREDENTIALS_DIRECTORY']);
  if (credentials === null) return null;
  const path = join(credentials, credential);
  const secret = readSecret(path);
  return secret === null ? null : { value: secret.trim(), field: path };
}

/** A variable's value, trimmed; null where it is not set, or empty. */
export function setVariable(value: string | undefined): string | null {
  return value === undefined || value.trim() === '' ? null : value.trim();
}
