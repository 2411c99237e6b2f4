/**
 * Derives each database's Prisma schema from prisma/models.prisma and generates its client.
 *
 *   npm run generate            write the schemas, generate the clients
 *   npm run generate -- --check fail when a committed schema is not what would be written
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Database, databases, projectPath } from './databases.ts';
import { deriveSchema } from './derive-schema.ts';

function runPrisma(args: readonly string[]): void {
  const cli = projectPath('node_modules/prisma/build/index.js');
  const run = spawnSync(process.execPath, [cli, ...args], {
    cwd: projectPath('.'),
    encoding: 'utf8',
    env: {
      ...process.env,
      // `format` and `generate` never run the schema engine, but look for its binary and would
      // download it. Any executable will do; never run `migrate` this way: it would do nothing.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  });
  if (run.error) throw run.error;
  if (run.status !== 0) {
    throw new Error(`prisma ${args.join(' ')} failed\n${run.stdout}${run.stderr}`);
  }
}

function formatted(schema: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'tokenctl-schema-'));
  try {
    const file = join(directory, 'schema.prisma');
    writeFileSync(file, schema);
    runPrisma(['format', '--schema', file]);
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function generate(database: Database, models: string, checkOnly: boolean): void {
  const relative = `prisma/${database}/schema.prisma`;
  const file = projectPath(relative);
  const schema = formatted(deriveSchema(models, database));
  const inStep = readOrEmpty(file) === schema;
  if (checkOnly) {
    if (inStep) return;
    console.error(`${relative} is not what prisma/models.prisma gives: run \`npm run generate\``);
    process.exitCode = 1;
    return;
  }
  if (!inStep) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, schema);
  }
  rmSync(projectPath(`src/store/generated/${database}`), { recursive: true, force: true });
  runPrisma(['generate', '--schema', file]);
}

const models = readFileSync(projectPath('prisma/models.prisma'), 'utf8');
for (const database of databases) generate(database, models, process.argv.includes('--check'));
