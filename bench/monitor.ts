import { fork, spawn as spawnPiped } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn } from '@lydell/node-pty';
import { openBudget, sqliteTarget } from './databases.ts';
import { format, printTable, temporaryFolder } from './measure.ts';
import type { Refreshed } from './refresher.ts';

const BINARY = join(import.meta.dirname, '../bin/tokenctl.js');
const WATCHED_S = 60;
/** Three checks. */
const SERVICE_S = 185;
const REFRESHES = 100_000;

/** What a monitor that is left open costs: processor time in a terminal, and memory over many refreshes. */
export async function monitor(): Promise<void> {
  const folder = temporaryFolder();
  try {
    const target = sqliteTarget(folder.path, 'monitor.db');
    const { app } = await openBudget(target);
    await app.close();
    const share = await processorShare(target.url);
    const service = await serviceShare(target.url);
    const { first, last, resident } = await refreshes(target.url);
    const mib = (bytes: number): string => `${format(bytes / 2 ** 20, 1)} MiB`;
    printTable('The monitor in a terminal', [
      {
        what: `processor time over ${String(WATCHED_S)} s, at the interval of 60 s`,
        value: `${format(share * 100, 2)} % of a core`,
        goal: '< 1 %',
      },
      {
        what: `the same off a terminal, as a service with what it tells systemd, over ${String(SERVICE_S)} s`,
        value: `${format(service * 100, 2)} % of a core`,
        goal: '< 0.5 %',
      },
      {
        what: `heap after ${format(REFRESHES / 10)} refreshes, and after ${format(REFRESHES)}`,
        value: `${mib(first)}, ${mib(last)}`,
        goal: 'the same within noise',
      },
      { what: 'resident after that', value: mib(resident), goal: '' },
    ]);
  } finally {
    folder.remove();
  }
}

/** The share of a core that the built command takes in a pseudo terminal; needs Linux's /proc. */
async function processorShare(database: string): Promise<number> {
  const child = spawn(process.execPath, [BINARY, 'monitor', '--database', database], {
    ...{ name: 'xterm-256color', cols: 80, rows: 24 },
    env: { ...process.env, LANG: 'C.UTF-8' },
  });
  const ended = new Promise((resolve) => child.onExit(resolve));
  // Its start is not what is measured.
  await new Promise<void>((resolve) => {
    child.onData((text) => {
      if (text.includes('next in')) resolve();
    });
  });
  const before = processorMs(child.pid);
  await sleep(WATCHED_S * 1_000);
  const used = processorMs(child.pid) - before;
  child.write('q');
  await ended;
  return used / (WATCHED_S * 1_000);
}

/** The same off a terminal, with the processes that it starts. */
async function serviceShare(database: string): Promise<number> {
  const child = spawnPiped(process.execPath, [BINARY, 'monitor', '--database', database], {
    // Nobody hears it, which costs as much.
    env: { ...process.env, NOTIFY_SOCKET: '/nonexistent/notify' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  // The first message is out, too.
  await sleep(1_000);
  const before = processorMs(child.pid ?? 0, { withEnded: true });
  await sleep(SERVICE_S * 1_000);
  const used = processorMs(child.pid ?? 0, { withEnded: true }) - before;
  child.kill();
  await once(child, 'close');
  return used / (SERVICE_S * 1_000);
}

/**
 * User and system time of a process so far, in ms, also of the processes that it has started and that have
 * ended. A tick is 10 ms on Linux.
 */
function processorMs(pid: number, { withEnded = false } = {}): number {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, withEnded ? 15 : 13);
  return ticks.reduce((sum, each) => sum + Number(each), 0) * 10;
}

async function refreshes(database: string): Promise<Refreshed> {
  const child = fork(
    join(import.meta.dirname, 'refresher.ts'),
    [database, String(REFRESHES / 10), String(REFRESHES)],
    { execArgv: ['--import', 'tsx', '--expose-gc'] },
  );
  const [refreshed] = (await once(child, 'message')) as [Refreshed];
  return refreshed;
}
