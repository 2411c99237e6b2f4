/** `npm run crashes -- --kills N [--database sqlite|postgresql] [--processes P] [--seed S]` */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseDatabase } from '../../src/config/database.ts';
import { namesOf, understood, wholeNumber } from '../support/arguments.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { summary, wrongs } from './report.ts';
import { crashRun, type CrashReport } from './run.ts';

const { values } = understood(() =>
  parseArgs({
    options: {
      kills: { type: 'string', default: '2000' },
      database: { type: 'string', multiple: true, default: [...DATABASES] },
      processes: { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
    },
  }),
);

const [kills, processes, seed] = (['kills', 'processes', 'seed'] as const).map((name) =>
  wholeNumber(`--${name}`, values[name]),
) as [number, number, number];
const databases = namesOf('--database', values.database, DATABASES);

async function runOn(name: DatabaseName): Promise<CrashReport> {
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-crashes-'));
  const server = name === 'postgresql' ? await startPostgres() : null;
  try {
    console.error(`${name}: ${kills} kills …`);
    const url = server?.adminUrl ?? join(directory, 'budget.db');
    const report = await crashRun({
      target: parseDatabase(url, '--database', 'flag', '/'),
      directory,
      kills,
      processes,
      seed,
    });
    if (wrongs(report).length === 0) rmSync(directory, { recursive: true });
    else console.error(`the journals are in ${directory}`);
    return report;
  } finally {
    await server?.stop();
  }
}

const reports: CrashReport[] = [];
for (const name of databases) {
  reports.push(await runOn(name));
}
console.log(summary(reports));
const found = reports.flatMap(wrongs);
for (const line of found) console.error(line);
process.exitCode = found.length > 0 ? 1 : 0;
