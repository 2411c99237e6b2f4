import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The files that come with the package, found from the sources and from the built bundle alike. */

export interface MigrationFile {
  /** The folder's name; migrations apply in the order of their names. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the script, as Prisma records it. */
  readonly checksum: string;
}

let root: string | null = null;

function packageRoot(): string {
  if (root !== null) return root;
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'prisma', 'models.prisma'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('the package has lost its prisma folder');
    folder = parent;
  }
  root = folder;
  return folder;
}

/** The command line's own program, as a whole path. */
export function programFile(): string {
  return join(packageRoot(), 'bin', 'tokenctl.js');
}

/** The OpenAPI document of the HTTP API, as it was generated. */
export function openApiText(): string {
  return readFileSync(join(packageRoot(), 'openapi.json'), 'utf8');
}

/** The names of the migrations that this version knows, in order. */
export function migrationNames(kind: 'sqlite' | 'postgresql'): string[] {
  return readdirSync(join(packageRoot(), 'prisma', kind, 'migrations'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
}

export function readMigration(kind: 'sqlite' | 'postgresql', name: string): MigrationFile {
  const path = join(packageRoot(), 'prisma', kind, 'migrations', name, 'migration.sql');
  const sql = readFileSync(path, 'utf8');
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

/** The version of an installed package; null where it is not there. */
export function installedVersion(name: string): string | null {
  try {
    const { version } = createRequire(import.meta.url)(`${name}/package.json`) as {
      version: string;
    };
    return version;
  } catch {
    return null;
  }
}
