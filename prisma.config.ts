/**
 * For Prisma's own command line, e.g. `prisma migrate deploy`. tokenctl does not need it:
 * `tokenctl db migrate` applies the same migrations and records them in the same table.
 *
 *   TOKENCTL_PRISMA_DATABASE  sqlite (default) or postgresql
 *   TOKENCTL_DATABASE_URL     the database, else DATABASE_URL
 */
import { defineConfig } from 'prisma/config';

const database = process.env['TOKENCTL_PRISMA_DATABASE'] ?? 'sqlite';
if (database !== 'sqlite' && database !== 'postgresql') {
  throw new Error(`TOKENCTL_PRISMA_DATABASE must be sqlite or postgresql, not "${database}"`);
}

const url = process.env['TOKENCTL_DATABASE_URL'] ?? process.env['DATABASE_URL'];

export default defineConfig({
  schema: `prisma/${database}/schema.prisma`,
  migrations: { path: `prisma/${database}/migrations` },
  ...(url === undefined ? {} : { datasource: { url } }),
});
