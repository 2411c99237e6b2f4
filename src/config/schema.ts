import * as z from 'zod/mini';
import { invalidInput } from '../budget/errors.ts';
import { ESTIMATORS } from '../budget/estimate.ts';

/** So that a rotation never removes what was just written. */
const MIN_FILE_BYTES = 65_536;

const alerts = z.strictObject({
  /** The alert log; a relative path starts at the configuration file's directory. */
  file: z.optional(z.string()),
  /** A line that would make the alert log longer begins a new file. */
  maxFileBytes: z.optional(z.int().check(z.gte(MIN_FILE_BYTES))),
  /** Checked by who uses them (alert-channels.ts). */
  channels: z.optional(z.array(z.unknown())),
  /** Checked by who uses them (alert-kinds.ts). */
  kinds: z.optional(z.unknown()),
});

const configFile = z.strictObject({
  database: z.optional(z.string()),
  estimator: z.optional(z.enum(ESTIMATORS)),
  alerts: z.optional(alerts),
});

export type ConfigFile = z.infer<typeof configFile>;

/** @throws invalid_input naming file and key */
export function parseConfigFile(text: string, file: string): ConfigFile {
  let raw: unknown;
  try {
    raw = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalidInput(file, `is not JSON${error instanceof Error ? `: ${error.message}` : ''}`);
  }
  const { success, data, error } = configFile.safeParse(raw);
  if (success) return data;
  const issue = error.issues[0];
  const key = issue?.path.join('.') ?? '';
  const keys = Object.keys((key === 'alerts' ? alerts : configFile).shape).join(', ');
  if (issue?.code === 'unrecognized_keys') {
    const unknown = issue.keys.join('", "');
    const where = key === '' ? file : `${key} in ${file}`;
    throw invalidInput(where, `has no key "${unknown}"`, `the keys are: ${keys}`);
  }
  if (key === 'alerts') {
    throw invalidInput(`${key} in ${file}`, 'must be an object', `the keys are: ${keys}`);
  }
  if (key === '') throw invalidInput(file, 'must be an object', `the keys are: ${keys}`);
  if (key === 'alerts.channels') {
    throw invalidInput(`${key} in ${file}`, 'must be a list of channels');
  }
  if (key === 'alerts.maxFileBytes') {
    const least = String(MIN_FILE_BYTES);
    throw invalidInput(`${key} in ${file}`, `must be a whole number of bytes, at least ${least}`);
  }
  if (key === 'estimator') {
    throw invalidInput(`${key} in ${file}`, `must be one of ${ESTIMATORS.join(', ')}`);
  }
  throw invalidInput(`${key} in ${file}`, 'must be text');
}
