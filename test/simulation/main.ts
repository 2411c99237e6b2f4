import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { parseDatabase, type DatabaseTarget } from '../../src/config/database.ts';
import { namesOf, understood, wholeNumber } from '../support/arguments.ts';
import { DATABASES } from '../support/databases.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { Tally } from './scene.ts';
import { simulateWorld } from './simulate.ts';
import { SimulationFailed } from './simulation-failed.ts';

/**
 * `npm run simulate -- --steps N --seed S [--database sqlite|postgresql] [--world K]`: the ledger and
 * its model do the same, until they disagree. The choices repeat with the seed; on PostgreSQL the order
 * of concurrent batches is the server's, so that a rare disagreement may take a few runs to come again.
 */

/** A world's rows pile up, so that each gets its own database. */
const WORLD_STEPS = 25_000;

const { values } = understood(() =>
  parseArgs({
    options: {
      steps: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      database: { type: 'string', multiple: true, default: [...DATABASES] },
      world: { type: 'string' },
    },
  }),
);

type Kind = DatabaseTarget['kind'];

interface Databases {
  open(world: number): Promise<{ target: DatabaseTarget; drop: () => Promise<void> }>;
  close(): Promise<void>;
}

function sqliteFiles(): Databases {
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-simulation-'));
  return {
    async open(world) {
      const file = join(directory, `${String(world)}.db`);
      return {
        target: parseDatabase(file, 'simulation', 'flag', '/'),
        drop: async () => {
          for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
        },
      };
    },
    async close() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function postgresServer(): Promise<Databases> {
  const server = await startPostgres();
  const admin = new pg.Client({ connectionString: server.adminUrl });
  await admin.connect();
  // No crash is simulated, and waiting for the disk would take most of the time.
  await admin.query('ALTER SYSTEM SET fsync = off');
  await admin.query('SELECT pg_reload_conf()');
  return {
    async open(world) {
      const name = `world_${String(world)}`;
      await admin.query(`CREATE DATABASE ${name}`);
      const url = new URL(server.adminUrl);
      url.pathname = `/${name}`;
      return {
        target: parseDatabase(url.href, 'simulation', 'flag', '/'),
        drop: async () => {
          await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
        },
      };
    },
    async close() {
      await admin.end();
      await server.stop();
    },
  };
}

async function run(kind: Kind, seed: number, steps: number, only: number | null): Promise<boolean> {
  const databases = kind === 'sqlite' ? sqliteFiles() : await postgresServer();
  const startMs = performance.now();
  const total = new Tally();
  try {
    for (let world = only ?? 0; total.done < steps; world += 1) {
      const { target, drop } = await databases.open(world);
      const most = Math.min(WORLD_STEPS, steps - total.done);
      try {
        total.addAll(await simulateWorld({ target, seed, world, steps: most }));
        if (world % 10 === 9) console.log(`${kind}: ${String(total.done)} steps`);
      } catch (error) {
        if (!(error instanceof SimulationFailed)) throw error;
        console.error(error.message);
        return false;
      }
      await drop();
      if (only !== null) break;
    }
  } finally {
    await databases.close();
  }
  const seconds = (performance.now() - startMs) / 1000;
  const { done } = total;
  const rate = String(Math.round(done / seconds));
  console.log(
    `${kind}: ${String(done)} steps of seed ${String(seed)} agree, in ${seconds.toFixed(1)} s (${rate} a second)`,
  );
  print('steps', total.steps);
  print('what came of them', total.outcomes);
  return true;
}

function print(title: string, counts: ReadonlyMap<string, number>): void {
  console.log(`  ${title}:`);
  for (const [name, count] of [...counts].toSorted(([, a], [, b]) => b - a)) {
    console.log(`  ${String(count).padStart(9)} ${name}`);
  }
}

const kinds = namesOf('--database', values.database, DATABASES);
const steps = wholeNumber('--steps', values.steps);
const seed = wholeNumber('--seed', values.seed, 0);
const only = values.world === undefined ? null : wholeNumber('--world', values.world, 0);
let agreed = true;
for (const kind of kinds) {
  if (!(await run(kind, seed, steps, only))) agreed = false;
}
process.exitCode = agreed ? 0 : 1;
