/**
 * Derives each database's Prisma schema from prisma/models.prisma and generates its client; makes
 * the JSON Schemas of what `--json` prints from the types of those documents, the OpenAPI document of the
 * HTTP API from its operations, the systemd units, and the Grafana dashboard.
 *
 *   npm run generate            write the schemas, generate the clients
 *   npm run generate -- --check fail when a committed schema is not what would be written
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Database, databases, projectPath } from './databases.ts';
import { deriveSchema } from './derive-schema.ts';
import { openApiDocument } from './generate-openapi.ts';
import { documentSchemas } from './generate-schemas.ts';
import { grafanaDashboard } from './grafana-dashboard.ts';
import { SERVICES, unitName, unitText } from '../src/cli/service/unit.ts';

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

/** Writes a file unless it has this text; null removes it. With --check it says what would be done, and fails. */
function put(relative: string, text: string | null, source: string): void {
  const file = projectPath(relative);
  if (readOrEmpty(file) === (text ?? '')) return;
  if (checkOnly) {
    console.error(`${relative} is not what ${source} gives: run \`npm run generate\``);
    process.exitCode = 1;
  } else if (text === null) {
    rmSync(file);
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

function generateDatabase(database: Database, models: string): void {
  const relative = `prisma/${database}/schema.prisma`;
  put(relative, formatted(deriveSchema(models, database)), 'prisma/models.prisma');
  if (checkOnly) return;
  rmSync(projectPath(`src/store/generated/${database}`), { recursive: true, force: true });
  runPrisma(['generate', '--schema', projectPath(relative)]);
}

function generateDocumentSchemas(schemas: ReadonlyMap<string, string>): void {
  const directory = projectPath('schemas');
  mkdirSync(directory, { recursive: true });
  const names = readdirSync(directory).map((file) => file.replace(/\.json$/, ''));
  for (const name of new Set([...names, ...schemas.keys()])) {
    put(`schemas/${name}.json`, schemas.get(name) ?? null, 'src/cli/documents.ts');
  }
}

/** The units for a machine on which Node.js and tokenctl are installed as a distribution does. */
function generateUnits(): void {
  for (const service of SERVICES) {
    const text = unitText({
      service,
      scope: 'system',
      command: ['/usr/bin/node', '/usr/lib/node_modules/tokenctl/bin/tokenctl.js', service],
      databaseFile: '/etc/tokenctl/database-url',
      environment: { XDG_DATA_HOME: '/var/lib' },
    });
    put(`deploy/systemd/${unitName(service)}`, text, 'src/cli/service/unit.ts');
  }
}

const checkOnly = process.argv.includes('--check');
const models = readFileSync(projectPath('prisma/models.prisma'), 'utf8');
for (const database of databases) generateDatabase(database, models);
const schemas = documentSchemas();
generateDocumentSchemas(schemas);
put('openapi.json', openApiDocument(schemas), 'src/server/api');
generateUnits();
put('deploy/grafana/dashboards/tokenctl.json', grafanaDashboard(), 'scripts/grafana-dashboard.ts');
