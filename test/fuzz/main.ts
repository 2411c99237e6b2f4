/** `npm run fuzz -- --requests N [--database sqlite|postgresql] [--seed S]` */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { migrateDatabase, openApp } from '../../src/app.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { systemRuntime as runtime } from '../../src/platform/runtime.ts';
import { namesOf, understood, wholeNumber } from '../support/arguments.ts';
import { temporaryCli } from '../support/cli.ts';
import { DATABASES, type DatabaseName } from '../support/databases.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { until } from '../support/processes.ts';
import { fuzz, type FuzzReport } from './run.ts';
import { fuzzTokens } from './tokens.ts';

const { values } = understood(() =>
  parseArgs({
    options: {
      requests: { type: 'string', default: '10000' },
      database: { type: 'string', multiple: true, default: ['sqlite'] },
      seed: { type: 'string', default: '1' },
    },
  }),
);
const requests = wholeNumber('--requests', values.requests);
const seed = wholeNumber('--seed', values.seed);

async function runOn(name: DatabaseName): Promise<FuzzReport> {
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-fuzz-'));
  const server = name === 'postgresql' ? await startPostgres() : null;
  const url = server?.adminUrl ?? join(directory, 'budget.db');
  const target = parseDatabase(url, '--database', 'flag', '/');
  await migrateDatabase({ target, runtime, dryRun: false, firstSettings: null });
  const app = await openApp({ target, runtime });
  const tokens = await fuzzTokens(app);
  const cli = temporaryCli({ home: directory });
  const child = cli.start(['serve', '--json', '--port', '0', '--database', url]);
  let stdout = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr!.pipe(process.stderr);
  try {
    await until(() => stdout.endsWith('\n'), 20_000);
    const { url: at } = JSON.parse(stdout) as { url: string };
    console.error(`${name}: ${String(requests)} requests …`);
    return await fuzz({ url: at, ...tokens, requests, seed });
  } finally {
    child.kill('SIGKILL');
    await app.close();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const name of namesOf('--database', values.database, DATABASES)) {
  const startedMs = performance.now();
  const { statuses, wrongs, slowestMs } = await runOn(name);
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${String(count)}`);
  console.log(
    `${name}: ${String(requests)} requests in ${String(seconds)} s, seed ${String(seed)}`,
  );
  console.log(
    `  ${counts.join(', ')}; the slowest answer took ${String(Math.round(slowestMs))} ms`,
  );
  for (const wrong of wrongs) console.error(wrong);
  if (wrongs.length > 0) process.exitCode = 1;
}
