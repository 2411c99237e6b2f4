import { TokenctlError } from '../../budget/errors.ts';
import type { StoredRevision } from '../port.ts';
import type { SchemaStatus } from '../schema/state.ts';

/** What can be seen of a database without changing it. What could not be looked at says why. */

export type Fact<T> =
  { readonly value: T } | { readonly failed: string; readonly fix: string | null };

interface DatabaseFacts {
  /** That it can be reached, and how it stands to this version's migrations. */
  readonly schema: Fact<SchemaStatus>;
  /** The rest is null where nothing could be read, or there is nothing to read. */
  readonly content: ContentFacts | null;
}

export interface ContentFacts {
  /** Such as '3.50.4' or '18.4'. */
  readonly server: Fact<string>;
  /** What the migrations made and is not there: 'trigger x'. On PostgreSQL a disabled trigger too. */
  readonly missing: Fact<readonly string[]>;
  readonly revision: Fact<StoredRevision | null>;
  readonly logs: Fact<LogFacts>;
  readonly holds: Fact<HoldFacts>;
  readonly endingTokens: Fact<readonly EndingToken[]>;
  readonly alerts: Fact<AlertFacts>;
}

export interface AlertFacts {
  /** Deliveries that were given up. */
  readonly dead: number;
  /** When the silence that lasts began and ends; null without one. */
  readonly silentFromMs: number | null;
  readonly silentUntilMs: number | null;
}

/** An access token in use that ends soon, or has ended. */
export interface EndingToken {
  readonly name: string;
  readonly prefix: string;
  readonly expiresAtMs: number;
}

export interface LogFacts {
  readonly rows: number;
  /** Rows whose month_year is not the month that they count in. */
  readonly monthDisagrees: number;
  /** Rows that count at another time than they say, by time_flag. */
  readonly future: number;
  readonly unreadable: number;
  readonly newestAtMs: number | null;
}

export interface HoldFacts {
  readonly open: number;
  readonly tokens: number;
  /** Those past their time, and the time of the oldest. */
  readonly due: number;
  readonly oldestDueAtMs: number | null;
}

export interface SqliteFacts extends DatabaseFacts {
  readonly kind: 'sqlite';
  readonly exists: boolean;
  /** The file, what lies beside it, and its directory, as far as this user may not write them. */
  readonly unwritable: readonly string[];
  /** Null where the file is none of SQLite's. */
  readonly walMode: boolean | null;
  readonly walBytes: number;
  /** Null where the system does not say. */
  readonly freeBytes: number | null;
  /** Whether the write lock could be had; null where nothing was opened. */
  readonly writeLock: Fact<'free' | 'taken'> | null;
  /** SQLite's own words: 'ok', or the first damage. */
  readonly integrity: Fact<string> | null;
}

export interface PostgresFacts extends DatabaseFacts {
  readonly kind: 'postgresql';
  readonly session: SessionFacts | null;
}

export interface SessionFacts {
  readonly role: Fact<string>;
  /** How far the server's clock is ahead of this machine's, in ms. */
  readonly clockAheadMs: Fact<number>;
  /** As role, database and server set them, whatever tokenctl sets for its own sessions. */
  readonly settings: Fact<Readonly<Record<string, string>>>;
  readonly standby: Fact<boolean>;
  /** 'INSERT on token_usage_logs' */
  readonly missingPrivileges: Fact<readonly string[]>;
}

/** Looks at one thing. Whatever fails is a finding, never an error. */
export async function look<T>(
  work: () => T | Promise<T>,
  explain: (error: unknown) => unknown,
): Promise<Fact<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    const told = explain(error);
    if (told instanceof TokenctlError) return { failed: told.message, fix: told.fix };
    return { failed: told instanceof Error ? told.message : String(told), fix: null };
  }
}

/** How many days before and after its end a token is looked at. */
export const ENDING_DAYS = 14;

/** The tokens that were used lately and end soon, or have ended; not those made for a few days. */
export function endingTokensSql(nowMs: number): string {
  const lengthMs = ENDING_DAYS * 86_400_000;
  return `
    SELECT name, prefix, expires_at_ms AS "expiresAtMs" FROM access_tokens
    WHERE revoked_at_ms IS NULL AND expires_at_ms <= ${nowMs + lengthMs}
      AND last_used_at_ms >= ${nowMs - lengthMs} AND expires_at_ms - created_at_ms > ${lengthMs}
    ORDER BY expires_at_ms LIMIT 20`;
}

export function alertsSql(nowMs: number): string {
  const silences = `alert_silences WHERE from_ms <= ${nowMs} AND until_ms > ${nowMs}`;
  return `
    SELECT (SELECT count(*) FROM alert_deliveries WHERE state = 'dead') AS dead,
      (SELECT min(from_ms) FROM ${silences}) AS "silentFromMs",
      (SELECT max(until_ms) FROM ${silences}) AS "silentUntilMs"`;
}
