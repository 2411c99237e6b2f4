import { runProgram } from '../platform/program.ts';
import { backupFailed, backupInterrupted, type BackupOptions } from './backup.ts';
import { unreachable } from './postgres-errors.ts';
import { postgresTarget, type PostgresTarget } from './postgres-url.ts';
import { connectPostgres } from './postgres.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const CONNECT_MS = 5_000;

/** What libpq knows of a URL's parameters; it refuses others, and a password goes another way. */
const LIBPQ = [
  'host',
  'port',
  'user',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'options',
  'connect_timeout',
];

/**
 * Dumps a PostgreSQL database as it is at one instant, in pg_dump's custom format.
 * @throws ledger_unavailable, database_missing, backup_failed, interrupted
 */
export async function backupPostgres(
  url: string,
  environment: Environment,
  options: BackupOptions,
): Promise<void> {
  const { to, signal, onProgress } = options;
  const target = postgresTarget(url);
  const version = await serverVersion(target);
  const { name, password } = libpqUrl(target);
  onProgress('Running pg_dump');
  const args = ['--format=custom', '--no-password', `--file=${to}`, `--dbname=${name}`];
  // Never an argument: everybody sees those.
  const secret = password === '' ? {} : { PGPASSWORD: password };
  const end = await runProgram('pg_dump', args, { ...environment, ...secret }, signal);
  if (signal.aborted) throw backupInterrupted();
  const major = version.split('.')[0] ?? version;
  if (end === null) {
    throw backupFailed(
      'pg_dump is not on the PATH, and only it can back up PostgreSQL',
      `install the client programs of PostgreSQL ${major}, or run elsewhere: pg_dump --format=custom --file=FILE --dbname='${name}'`,
    );
  }
  if (end.code === 0) return;
  if (/server version mismatch/.test(end.errors)) {
    throw backupFailed(
      `the pg_dump on the PATH is older than the server, which is PostgreSQL ${version}`,
      `put the pg_dump of PostgreSQL ${major} first on the PATH (Debian: /usr/lib/postgresql/${major}/bin)`,
    );
  }
  throw backupFailed(
    lastLine(end.errors) ?? `pg_dump ended with code ${String(end.code)}`,
    'mend what pg_dump names, then run it again',
  );
}

async function serverVersion(target: PostgresTarget): Promise<string> {
  try {
    const client = await connectPostgres(target, CONNECT_MS);
    try {
      const { rows } = await client.query<{ version: string }>(
        `SELECT split_part(current_setting('server_version'), ' ', 1) AS version`,
      );
      return rows[0]?.version ?? '';
    } finally {
      await client.end().catch(() => undefined);
    }
  } catch (error) {
    throw unreachable(target, error);
  }
}

/** The database's URL for libpq's programs, and apart from it the password. */
function libpqUrl(target: PostgresTarget): { name: string; password: string } {
  const url = new URL(target.config.connectionString ?? '');
  const password = url.searchParams.get('password') ?? decodeURIComponent(url.password);
  url.password = '';
  for (const key of [...url.searchParams.keys()]) {
    if (!LIBPQ.includes(key)) url.searchParams.delete(key);
  }
  return { name: url.toString(), password };
}

function lastLine(text: string): string | null {
  return text.trim().split('\n').at(-1)?.trim() || null;
}
