import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { openBudget, sqliteTarget } from './databases.ts';
import { format, median, printTable, quantile, syncTimeMs, temporaryFolder } from './measure.ts';

const PROCESSES = 16;
const FOR_MS = 15_000;

interface Report {
  readonly admitted: number;
  readonly reserveMs: number[];
}

/** Sixteen processes on one SQLite file, each reserving and settling one call after the other. */
export async function contention(): Promise<void> {
  const folder = temporaryFolder();
  try {
    const target = sqliteTarget(folder.path, 'budget.db');
    const { app } = await openBudget(target);
    await app.close();
    const syncMs = syncTimeMs(folder.path);
    // All are ready before any begins: starting sixteen processes would be measured with them.
    const workers = await Promise.all(Array.from({ length: PROCESSES }, () => worker(target.url)));
    const reports = await Promise.all(workers.map((child) => measured(child)));
    const shares = reports.map(({ admitted }) => admitted);
    const times = reports.flatMap(({ reserveMs }) => reserveMs);
    const bound = Math.max(150, 50 * syncMs);
    printTable('16 processes on one SQLite file, one caller each, synchronous=FULL', [
      { what: 'reserves', value: `${format((times.length / FOR_MS) * 1000)} /s`, goal: '' },
      { what: 'p50 of a reserve', value: `${format(quantile(times, 0.5), 1)} ms`, goal: '' },
      {
        what: 'p999 of a reserve',
        value: `${format(quantile(times, 0.999), 1)} ms`,
        goal: `< ${format(bound)} ms`,
      },
      {
        what: "the slowest process's share of the median one's",
        value: format(Math.min(...shares) / median(shares), 2),
        goal: '≥ 0.33',
      },
      { what: "disk's own sync", value: `${format(syncMs, 2)} ms`, goal: '' },
    ]);
  } finally {
    folder.remove();
  }
}

async function worker(path: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'contender.ts'), [path, String(FOR_MS)], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
  });
  await once(child, 'message');
  return child;
}

async function measured(child: ChildProcess): Promise<Report> {
  child.send('begin');
  const [report] = (await once(child, 'message')) as [Report];
  return report;
}
