import { migrationNames, readMigration } from '../../platform/package-files.ts';
import type { DatabaseKind } from '../port.ts';

const STATEMENT =
  /^(?:(CREATE|DROP) (?:OR REPLACE )?(?:UNIQUE )?(TABLE|VIEW|TRIGGER|FUNCTION|INDEX) (?:IF (?:NOT )?EXISTS )?"([^"]+)"|ALTER TABLE "([^"]+)" RENAME TO "([^"]+)")/gm;

/** What this version's migrations leave in a database: 'trigger token_usage_logs_delete'. */
export function expectedObjects(kind: DatabaseKind): string[] {
  const objects = new Set<string>();
  for (const name of migrationNames(kind)) {
    for (const match of readMigration(kind, name).sql.matchAll(STATEMENT)) {
      const [, verb, what = '', object = '', from, to] = match;
      if (verb === 'CREATE') objects.add(`${what.toLowerCase()} ${object}`);
      else if (verb === 'DROP') objects.delete(`${what.toLowerCase()} ${object}`);
      else if (objects.delete(`table ${String(from)}`)) objects.add(`table ${String(to)}`);
    }
  }
  return [...objects];
}
