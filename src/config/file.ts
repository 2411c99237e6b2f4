import { dirname, join, resolve } from 'node:path';
import { invalidInput } from '../budget/errors.ts';
import type { EstimatorName } from '../budget/estimate.ts';
import { readTextFile, fileProblem } from '../platform/files.ts';

/** What configuration files set; null where none does. */
export interface Config {
  readonly database: { readonly database: string; readonly file: string } | null;
  readonly estimator: EstimatorName | null;
  /** Where the alert log is, as a whole path. */
  readonly alertFile: string | null;
  /** How long the alert log may become, in bytes. */
  readonly alertFileMaxBytes: number | null;
  /** The alert channels, which are not checked yet (alert-channels.ts), and the file that has them. */
  readonly alertChannels: { readonly channels: readonly unknown[]; readonly file: string } | null;
  /** Which kinds of alerts are raised, not checked yet (alert-kinds.ts), and the file that says so. */
  readonly alertKinds: { readonly kinds: unknown; readonly file: string } | null;
}

export interface ConfigPlaces {
  /** `--config FILE`: then no other file is read. */
  readonly named?: string | undefined;
  readonly directory: string;
  readonly userDirectory: string;
  readonly systemDirectory: string;
}

/**
 * Reads the configuration: the file that was named, else the user's, then the system's; for each key
 * the first that sets it.
 * @throws invalid_input naming file and key
 */
export async function loadConfig(places: ConfigPlaces): Promise<Config> {
  const { named, directory, userDirectory, systemDirectory } = places;
  const files =
    named === undefined
      ? [join(userDirectory, 'config.json'), join(systemDirectory, 'config.json')]
      : [resolve(directory, named)];
  let config: Config = {
    ...{ database: null, estimator: null },
    ...{ alertFile: null, alertFileMaxBytes: null, alertChannels: null, alertKinds: null },
  };
  for (const file of files) {
    const text = read(file);
    if (text === null && named !== undefined) {
      throw invalidInput('--config', `there is no file ${file}`);
    }
    if (text === null) continue;
    // Only where there is a file: the checks cost more than the rest of a start.
    const { parseConfigFile } = await import('./schema.ts');
    const { database, estimator, alerts } = parseConfigFile(text, file);
    config = {
      database: config.database ?? (database === undefined ? null : { database, file }),
      estimator: config.estimator ?? estimator ?? null,
      alertFile:
        config.alertFile ??
        (alerts?.file === undefined ? null : resolve(dirname(file), alerts.file)),
      alertFileMaxBytes: config.alertFileMaxBytes ?? alerts?.maxFileBytes ?? null,
      alertChannels:
        config.alertChannels ??
        (alerts?.channels === undefined ? null : { channels: alerts.channels, file }),
      alertKinds:
        config.alertKinds ?? (alerts?.kinds === undefined ? null : { kinds: alerts.kinds, file }),
    };
  }
  return config;
}

function read(file: string): string | null {
  try {
    return readTextFile(file);
  } catch (error) {
    throw invalidInput(file, `can't be read: ${fileProblem(error)}`);
  }
}
