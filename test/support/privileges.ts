/** The roles of docs/database.md on a test's PostgreSQL database, with what the page grants them. */
import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';
import { sql } from './budget.ts';

/**
 * Runs the page's statements, with roles of this test in place of its own; they are gone when it ends.
 * @returns the URL by which a role of the page connects
 */
export async function grantAsDocumented(target: DatabaseTarget): Promise<(role: string) => string> {
  const page = readFileSync(new URL('../../docs/database.md', import.meta.url), 'utf8');
  const block = /### Privileges[\s\S]*?```sql\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const statements = block
    .replaceAll(/^--.*$/gm, '')
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const roles = [...new Set(statements.map((text) => / TO (\w+)$/.exec(text)?.[1] ?? ''))];
  const suffix = `_${String(process.pid)}_${String(Math.floor(performance.now()))}`;
  for (const role of roles) {
    await sql(target, `CREATE ROLE ${role}${suffix} LOGIN PASSWORD 'secret'`);
  }
  onTestFinished(async () => {
    for (const role of roles.toReversed()) {
      await sql(target, `DROP OWNED BY ${role}${suffix}`);
      await sql(target, `DROP ROLE ${role}${suffix}`);
    }
  });
  const named = new RegExp(`\\b(TO |GRANT )(${roles.join('|')})\\b`, 'g');
  for (const statement of statements) {
    await sql(target, statement.replaceAll(named, `$1$2${suffix}`));
  }
  return (role) => {
    const url = new URL(target.url);
    url.username = `${role}${suffix}`;
    url.password = 'secret';
    return url.toString();
  };
}
