/** `npm run crashes -- --kills N [--database sqlite|postgresql] [--processes P] [--seed S]` */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseDatabase } from '../../src/config/database.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { summary, wrongs } from './report.ts';
import { crashRun, type CrashReport } from './run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '2000' },
    database: { type: 'string', multiple: true, default: [...DATABASES] },
    processes: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
  },
});

function count(name: 'kills' | 'processes' | 'seed'): number {
  const number = Number(values[name]);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new Error(`--${name} takes a number from 1`);
  return number;
}

async function runOn(name: DatabaseName): Promise<CrashReport> {
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-crashes-'));
  const server = name === 'postgresql' ? await startPostgres() : null;
  try {
    console.error(`${name}: ${count('kills')} kills …`);
    const url = server?.adminUrl ?? join(directory, 'budget.db');
    const report = await crashRun({
      target: parseDatabase(url, '--database', 'flag', '/'),
      directory,
      kills: count('kills'),
      processes: count('processes'),
      seed: count('seed'),
    });
    if (wrongs(report).length === 0) rmSync(directory, { recursive: true });
    else console.error(`the journals are in ${directory}`);
    return report;
  } finally {
    await server?.stop();
  }
}

const reports: CrashReport[] = [];
for (const name of DATABASES.filter((database) => values.database.includes(database))) {
  reports.push(await runOn(name));
}
console.log(summary(reports));
const found = reports.flatMap(wrongs);
for (const line of found) console.error(line);
process.exitCode = found.length > 0 || reports.length === 0 ? 1 : 0;
