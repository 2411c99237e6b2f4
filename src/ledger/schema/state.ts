import { TokenctlError } from '../../budget/errors.ts';

/** How a database stands to the migrations that this version knows. */
export type SchemaState =
  /** No such file or database. */
  | 'missing'
  /** No table of ours. */
  | 'empty'
  /** The two tables of older backends, without migrations: `db migrate` adopts them. */
  | 'older_tables'
  | 'behind'
  | 'current'
  | 'newer';

export interface SchemaStatus {
  readonly state: SchemaState;
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Applied by a newer version. */
  readonly unknown: readonly string[];
}

/** Compares what a database has with what this version knows. */
export function schemaStatus(
  known: readonly string[],
  applied: readonly string[] | null,
  hasOlderTables: boolean,
): SchemaStatus {
  const unknown = (applied ?? []).filter((name) => !known.includes(name));
  const pending = known.filter((name) => !(applied ?? []).includes(name));
  const ours = (applied ?? []).length > unknown.length;
  const state = (): SchemaState => {
    if (!ours) return hasOlderTables ? 'older_tables' : 'empty';
    if (unknown.length > 0) return 'newer';
    return pending.length > 0 ? 'behind' : 'current';
  };
  return { state: state(), applied: applied ?? [], pending, unknown };
}

/** @throws database_missing, database_not_migrated, database_newer unless the schema is current */
export function requireCurrent(status: SchemaStatus, location: string, flag = ''): void {
  const migrate = `tokenctl db migrate ${flag}`.trim();
  switch (status.state) {
    case 'current':
      return;
    case 'missing':
      throw new TokenctlError('database_missing', `there is no database at ${location}`, {
        fix: `check the path, or create it: ${migrate}`,
      });
    case 'empty':
      throw new TokenctlError(
        'database_not_migrated',
        `the database at ${location} has no tables of tokenctl`,
        { fix: migrate },
      );
    case 'older_tables':
      throw new TokenctlError(
        'database_not_migrated',
        `the database at ${location} has token usage tables that tokenctl has not adopted yet`,
        { fix: `see the plan first: ${migrate} --dry-run` },
      );
    case 'behind':
      throw new TokenctlError(
        'database_not_migrated',
        `the database at ${location} lacks ${String(status.pending.length)} migration(s) of this version`,
        { fix: migrate },
      );
    case 'newer':
      throw new TokenctlError(
        'database_newer',
        `the database at ${location} was migrated by a newer tokenctl (${status.unknown.join(', ')})`,
        { fix: 'upgrade tokenctl on this machine' },
      );
  }
}

/** What can be said about a database without opening its ledger. */
export interface DatabaseAbout {
  readonly schema: SchemaStatus;
  readonly server: string | null;
  readonly sinceMs: number | null;
  readonly sizeBytes: number | null;
  readonly logRows: number | null;
  readonly limitsRevision: number | null;
}
