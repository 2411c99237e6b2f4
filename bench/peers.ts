import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { startPostgresBench, type PostgresBench } from './databases.ts';
import { format, median, syncTimeMs, temporaryFolder } from './measure.ts';
import type { Contender } from './peers/contender.ts';
import { CONTENDERS } from './peers/contenders.ts';
import { exhaust, type Exhaustion } from './peers/exhaustion.ts';
import { speedOf, type Speed } from './peers/speed.ts';

/** `npm run bench:peers`: one shared budget, kept by us and by others, on one machine in one run. */

const CALLERS = 64;
const ROUNDS = 3;
const WARM_UP_MS = 1_000;
const ROUND_MS = 5_000;
/** More than a run can use; the points of a PostgreSQL store have 32 bits. */
const PLENTY = 2_000_000_000;

const folder = temporaryFolder();
const server = await startPostgresBench();
try {
  const speeds = await speedsOf(CONTENDERS);
  const exhaustions: Exhaustion[] = [];
  for (const contender of CONTENDERS) {
    exhaustions.push(await exhaust(contender, await newPlace(server, contender, 'exhausted')));
  }
  print(speeds, exhaustions);
} finally {
  await server.stop();
  folder.remove();
}

/** In turn, so that a slow moment of the machine is everybody's. */
async function speedsOf(contenders: readonly Contender[]): Promise<Speed[]> {
  const places: string[] = [];
  for (const contender of contenders) {
    const place = await newPlace(server, contender, 'measured');
    await contender.create(place, PLENTY);
    places.push(place);
  }
  const rounds = contenders.map((): Speed[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const budget = await contender.open(places[index]!, PLENTY);
      await speedOf(budget, CALLERS, WARM_UP_MS);
      rounds[index]!.push(await speedOf(budget, CALLERS, ROUND_MS));
      await budget.close();
    }
  }
  return rounds.map((of) => ({
    perSecond: median(of.map(({ perSecond }) => perSecond)),
    p50: median(of.map(({ p50 }) => p50)),
    p99: median(of.map(({ p99 }) => p99)),
    p999: median(of.map(({ p999 }) => p999)),
  }));
}

/** A database of the contender's own: a file, or a URL. */
async function newPlace(
  postgres: PostgresBench,
  contender: Contender,
  purpose: string,
): Promise<string> {
  const name = `${purpose}_${CONTENDERS.indexOf(contender)}`;
  if (contender.store === 'memory') return '';
  if (contender.store === 'sqlite') return join(folder.path, `${name}.db`);
  return (await postgres.database(name)).url;
}

function print(speeds: readonly Speed[], exhaustions: readonly Exhaustion[]): void {
  console.log(
    `${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${String(Math.round(totalmem() / 2 ** 30))} GiB, Node ${process.version}, ${process.platform}; the disk's own sync: ${format(syncTimeMs(folder.path), 2)} ms\n`,
  );
  console.log(
    '| contender | admissions/s | p50, ms | p99, ms | p999, ms | admitted over the limit, tokens | charged for refused calls, tokens |\n| --- | --- | --- | --- | --- | --- | --- |',
  );
  for (const [index, { name, store }] of CONTENDERS.entries()) {
    const { perSecond, p50, p99, p999 } = speeds[index]!;
    const { over, chargedForRefused } = exhaustions[index]!;
    const times = [p50, p99, p999].map((ms) => format(ms, ms < 0.1 ? 3 : 1));
    const shared = store === 'memory' ? ' (a budget in each process)' : '';
    console.log(
      `| ${[name, format(perSecond), ...times, format(over) + shared, format(chargedForRefused)].join(' | ')} |`,
    );
  }
  for (const [index, { failed, error }] of exhaustions.entries()) {
    if (failed > 0) {
      console.log(
        `\n${CONTENDERS[index]!.name}: ${format(failed)} calls without an answer: ${error ?? ''}`,
      );
    }
  }
}
