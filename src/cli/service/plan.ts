import { dirname, join, resolve } from 'node:path';
import { invalidInput, TokenctlError } from '../../budget/errors.ts';
import { programFile } from '../../platform/package-files.ts';
import { targetOf, type CommandContext } from '../context.ts';
import { signed } from './unit-file.ts';
import { unitName, unitText, WANTED_BY, SERVICES, type Scope, type ServiceName } from './unit.ts';

export interface ServiceFlags {
  readonly user?: boolean;
  readonly system?: boolean;
  readonly name?: string;
}

export interface ServicePlan {
  readonly service: ServiceName;
  readonly scope: Scope;
  /** Such as 'tokenctl-monitor.service'. */
  readonly unit: string;
  readonly file: string;
  /** The link by which systemctl enable has it started. */
  readonly link: string;
  readonly text: string;
  /** What runs, and its arguments. */
  readonly command: readonly string[];
  /** In words: which database it uses. */
  readonly database: string;
  /** The file that must hold the database's URL; null where none must. */
  readonly databaseFile: string | null;
}

const SYSTEM_UNITS = '/etc/systemd/system';
const SYSTEM_STATE = '/var/lib/tokenctl';
/** What a service of the system does not see. */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)\//;

/**
 * What a service would be, here. Touches nothing.
 * @param program where tokenctl is installed
 * @throws invalid_input
 */
export async function servicePlan(
  context: CommandContext,
  flags: ServiceFlags,
  program = programFile(),
): Promise<ServicePlan> {
  const { host, options } = context;
  if (host.platform !== 'linux') {
    throw invalidInput(
      'service',
      `systemd is a part of Linux, and this is ${host.platform}`,
      'let what starts services here run tokenctl monitor',
    );
  }
  const scope = scopeOf(flags);
  const service = serviceOf(flags.name);
  const config = options.config === undefined ? null : resolve(host.directory, options.config);
  if (scope === 'system') refuseHidden(host.nodePath, program, config ?? '');
  const { word, databaseFile, database } = await databaseFor(context, scope);
  const command = [
    ...[host.nodePath, program, service],
    ...(word === null ? [] : ['--database', word]),
    ...(config === null ? [] : ['--config', config]),
  ];
  const environment =
    scope === 'system'
      ? { XDG_DATA_HOME: dirname(SYSTEM_STATE) }
      : ownDirectories(host.environment);
  const unit = unitName(service);
  const text = signed(unitText({ service, scope, command, databaseFile, environment }));
  const folder =
    scope === 'system' ? SYSTEM_UNITS : join(dirname(host.configDirectory), 'systemd/user');
  return {
    ...{ service, scope, unit, file: join(folder, unit), text, command },
    database,
    databaseFile,
    link: join(folder, `${WANTED_BY[scope]}.wants`, unit),
  };
}

function scopeOf({ user = false, system = false }: ServiceFlags): Scope {
  if (user !== system) return user ? 'user' : 'system';
  throw invalidInput(
    user ? '--user' : 'service',
    user ? '--user and --system are two services' : 'whose service is it?',
    'add --user for one of your own, or --system for one of the whole machine',
  );
}

function serviceOf(name = 'monitor'): ServiceName {
  const found = SERVICES.find((each) => each === name);
  if (found !== undefined) return found;
  throw invalidInput('--name', `there is no service "${name}"`, `write ${SERVICES.join(' or ')}`);
}

function refuseHidden(...paths: readonly string[]): void {
  const hidden = paths.find((path) => HIDDEN.test(path));
  if (hidden === undefined) return;
  throw invalidInput(
    '--system',
    `a service of the system does not see ${hidden}`,
    'install Node.js and tokenctl for all users, or make the service your own with --user',
  );
}

interface NamedDatabase {
  /** After `--database`; null where that is not needed. */
  readonly word: string | null;
  readonly databaseFile: string | null;
  readonly database: string;
}

/** A URL never goes into a unit, which everyone may read. */
async function databaseFor(context: CommandContext, scope: Scope): Promise<NamedDatabase> {
  const { target } = await targetOf(context);
  if (target.source === 'default' || (target.source === 'config' && scope === 'user')) {
    const own = scope === 'system' ? join(SYSTEM_STATE, 'tokenctl.db') : target.location;
    return { word: null, databaseFile: null, database: own };
  }
  if (target.kind === 'sqlite') {
    if (scope === 'system' && dirname(target.url) !== SYSTEM_STATE) {
      throw invalidInput(
        '--database',
        `a service of the system has a user of its own, which can't write ${target.location}`,
        `put it into ${SYSTEM_STATE}, use PostgreSQL, or make the service your own with --user`,
      );
    }
    return { word: `file:${target.url}`, databaseFile: null, database: target.location };
  }
  const { configDirectory, systemConfigDirectory } = context.host;
  const folder = scope === 'system' ? systemConfigDirectory : configDirectory;
  const databaseFile = join(folder, 'database-url');
  return {
    word: null,
    databaseFile,
    database: `${target.location}, by the URL in ${databaseFile}`,
  };
}

/** Where files lie, if it is elsewhere than usual: a service does not have the shell's environment. */
function ownDirectories(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    ['XDG_DATA_HOME', 'XDG_CONFIG_HOME'].flatMap((name) => {
      const value = environment[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );
}

/** The file of a service could not be changed. */
export function notAllowed(file: string, cause: unknown): TokenctlError {
  const code = (cause as NodeJS.ErrnoException | null)?.code ?? '';
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOSPC'].includes(code)) throw cause;
  return new TokenctlError('output_failed', `${file} can't be changed (${code})`, {
    cause,
    fix: 'with --system run it as root; --user needs no privileges',
  });
}
