import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { openBudget, sqliteTarget } from './databases.ts';
import { format, printTable, temporaryFolder } from './measure.ts';

/** The memory of a library process after few and after many reservations. */
export async function memory(): Promise<void> {
  const folder = temporaryFolder();
  try {
    const few = await memoryOf(folder.path, 10_000);
    const many = await memoryOf(folder.path, 1_000_000);
    printTable('Memory of a library process, after a garbage collection', [
      { what: 'after 10,000 reservations', value: described(few), goal: '' },
      {
        what: 'after 1,000,000 reservations',
        value: described(many),
        goal: 'the same within noise',
      },
    ]);
  } finally {
    folder.remove();
  }
}

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
}

function described({ rss, heapUsed }: Memory): string {
  const mib = (bytes: number): string => format(bytes / 2 ** 20);
  return `${mib(heapUsed)} MiB of heap, ${mib(rss)} MiB resident`;
}

async function memoryOf(folder: string, reservations: number): Promise<Memory> {
  const target = sqliteTarget(folder, `${String(reservations)}.db`);
  const { app } = await openBudget(target);
  await app.close();
  const child = fork(
    join(import.meta.dirname, 'rememberer.ts'),
    [target.url, String(reservations)],
    {
      execArgv: ['--import', 'tsx', '--expose-gc'],
    },
  );
  const [memory] = (await once(child, 'message')) as [Memory];
  return memory;
}
