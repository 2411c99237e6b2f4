/** Another program's connection to the PostgreSQL database of a test. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { query } from './counts.ts';

/** Connects, with the session settings that the server gives; closed when the test ends. */
export async function foreignClient(target: DatabaseTarget, url = target.url): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** A login that may do only what is granted here; gone when the test ends. */
export async function roleWith(target: DatabaseTarget, grant: string): Promise<string> {
  const role = `role_${randomUUID().replaceAll('-', '')}`;
  await query(target, `CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
  onTestFinished(async () => {
    await query(target, `DROP OWNED BY ${role} CASCADE`);
    await query(target, `DROP ROLE ${role}`);
  });
  await query(target, `GRANT ${grant} TO ${role}`);
  const url = new URL(target.url);
  url.username = role;
  url.password = 'secret';
  return url.href;
}

/**
 * What `work` answers while a foreign transaction stays open: had it waited for that one's locks, it
 * would end only after `end`, which is called when `work` is done or has waited for long.
 */
export async function whileOpen<T>(
  foreign: pg.Client,
  end: 'COMMIT' | 'ROLLBACK',
  work: () => Promise<T>,
): Promise<T> {
  const waited = new AbortController();
  const patience = setTimeout(() => {
    waited.abort();
    void foreign.query('ROLLBACK');
  }, 4_000);
  try {
    const answer = await work();
    if (waited.signal.aborted) throw new Error('it waited for the foreign transaction');
    return answer;
  } finally {
    clearTimeout(patience);
    await foreign.query(end);
  }
}
