/** Vitest's global setup: one PostgreSQL server for the whole run. */
import type { TestProject } from 'vitest/node';
import type {} from './postgres.ts';
import { startPostgres } from './postgres-server.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres();
  project.provide('postgresAdminUrl', server.adminUrl);
  return () => server.stop();
}
