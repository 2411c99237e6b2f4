import { TOKEN_START, type Scope } from '../budget/access-token.ts';
import { invalidInput, TokenctlError } from '../budget/errors.ts';
import { isoTime } from '../budget/windows.ts';
import { isToken, tokenHash, tokenPrefix } from '../platform/secret.ts';
import type { Operations, PlainStatement } from './port.ts';
import { step, type Step } from './steps.ts';

/** The table `access_tokens`: who may use the gateway and the API. */

export interface AccessToken {
  /** A UUIDv7. */
  readonly id: string;
  /** What it is for, in its owner's words; several may have the same. */
  readonly name: string;
  /** How the token begins. */
  readonly prefix: string;
  readonly scopes: readonly Scope[];
  /** The AI types that it may spend for; null is any. */
  readonly aiTypes: readonly string[] | null;
  readonly createdAtMs: number;
  /** `user@host`; null where the system knew no name. */
  readonly createdBy: string | null;
  /** Null is never. */
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
  /** To the minute; null where it was never used. */
  readonly lastUsedAtMs: number | null;
}

interface SqlToken {
  id: string;
  name: string;
  token_hash: string;
  prefix: string;
  scopes: string;
  ai_types: string | null;
  created_at_ms: number;
  created_by: string | null;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
  last_used_at_ms: number | null;
}

/** Hashes that are looked up in one statement, at most. */
export const HASHES_AT_ONCE = 32;

const HASHES = Array.from({ length: HASHES_AT_ONCE }, (_, index) => `hash${String(index)}`);

const COLUMNS = `id, name, token_hash, prefix, scopes, ai_types, created_at_ms, created_by, expires_at_ms,
  revoked_at_ms, last_used_at_ms`;

const SQL = {
  insert: {
    name: 'insert_access_token',
    sql: `INSERT INTO access_tokens (id, name, token_hash, prefix, scopes, ai_types, created_at_ms, created_by,
        expires_at_ms)
      VALUES (@id, @name, @hash, @prefix, @scopes, @aiTypes, @createdAtMs, @createdBy, @expiresAtMs)`,
  },
  all: {
    name: 'all_access_tokens',
    sql: `SELECT ${COLUMNS} FROM access_tokens ORDER BY created_at_ms DESC, id DESC`,
  },
  byHash: {
    name: 'access_tokens_by_hash',
    sql: `SELECT ${COLUMNS} FROM access_tokens WHERE token_hash IN (${HASHES.map((name) => `@${name}`).join(', ')})`,
  },
  revoke: {
    name: 'revoke_access_token',
    sql: 'UPDATE access_tokens SET revoked_at_ms = @atMs WHERE id = @id',
  },
  used: {
    name: 'use_access_token',
    sql: `UPDATE access_tokens SET last_used_at_ms = @atMs
      WHERE id = @id AND (last_used_at_ms IS NULL OR last_used_at_ms < @atMs)`,
  },
} satisfies Record<string, PlainStatement>;

/** A token to be kept: by its hash, never itself. */
export interface NewAccessToken {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  readonly prefix: string;
  readonly scopes: readonly Scope[];
  readonly aiTypes: readonly string[] | null;
  readonly createdBy: string | null;
  readonly expiresAtMs: number | null;
}

export function* insertToken(ops: Operations, token: NewAccessToken): Step<AccessToken> {
  const { hash, ...rest } = token;
  const { scopes, aiTypes, ...values } = rest;
  const createdAtMs = ops.nowMs;
  yield* step(
    ops.query(SQL.insert, {
      ...values,
      hash,
      createdAtMs,
      scopes: JSON.stringify(scopes),
      aiTypes: aiTypes === null ? null : JSON.stringify(aiTypes),
    }),
  );
  return { ...rest, createdAtMs, revokedAtMs: null, lastUsedAtMs: null };
}

/** Every token, the newest first. */
export function* listTokens(ops: Operations): Step<AccessToken[]> {
  return (yield* step(ops.query<SqlToken>(SQL.all, {}))).map(toToken);
}

/** The tokens with these hashes, by hash; at most HASHES_AT_ONCE of them. */
export function* tokensByHash(
  ops: Operations,
  hashes: readonly string[],
): Step<Map<string, AccessToken>> {
  // One statement whatever their number, so that PostgreSQL prepares one: the places left are null.
  const values = Object.fromEntries(HASHES.map((name, index) => [name, hashes[index] ?? null]));
  const rows = yield* step(ops.query<SqlToken>(SQL.byHash, values));
  return new Map(rows.map((row) => [row.token_hash, toToken(row)]));
}

/**
 * Ends the one token that `text` names: its id, its prefix, its name, or the token itself.
 * @returns the token as it is then; with `dryRun` as it is now
 * @throws token_not_found, token_revoked; invalid_input where several bear the name
 */
export function* revokeToken(
  ops: Operations,
  text: string,
  { dryRun }: { readonly dryRun: boolean },
): Step<AccessToken> {
  const token = theOne(yield* tokensNamed(ops, text), text);
  if (dryRun) return token;
  yield* step(ops.query(SQL.revoke, { id: token.id, atMs: ops.nowMs }));
  return { ...token, revokedAtMs: ops.nowMs };
}

function* tokensNamed(ops: Operations, text: string): Step<AccessToken[]> {
  if (isToken(text)) return [...(yield* tokensByHash(ops, [tokenHash(text)])).values()];
  const all = yield* listTokens(ops);
  return all.filter(({ id, prefix, name }) => [id, prefix, name].includes(text));
}

/** The one that is not revoked yet: a name may have been given again after it was. */
function theOne(found: readonly AccessToken[], text: string): AccessToken {
  const shown = shownName(text);
  const open = found.filter(({ revokedAtMs }) => revokedAtMs === null);
  const [token, another] = open;
  if (token !== undefined && another === undefined) return token;
  if (token !== undefined) {
    const several = open.map(({ prefix, createdAtMs }) => `${prefix} (of ${day(createdAtMs)})`);
    throw invalidInput(
      'TOKEN',
      `${String(open.length)} tokens are named ${shown}`,
      `name one by its prefix: ${several.join(', ')}`,
    );
  }
  const [revoked] = found;
  if (revoked === undefined) {
    throw new TokenctlError('token_not_found', `there is no token ${shown}`, {
      fix: 'tokenctl token list',
    });
  }
  throw new TokenctlError(
    'token_revoked',
    `the token ${shown} was revoked already, on ${day(revoked.revokedAtMs ?? 0)}`,
    { fix: 'tokenctl token list' },
  );
}

/** A token, wherever it stands in a text; its prefix alone is none. */
const SECRET = new RegExp(`${TOKEN_START}[\\w-]{9,}`, 'g');

/** What was asked for, but for the secret part of a token. */
function shownName(text: string): string {
  const masked = text.replaceAll(SECRET, (token) => `${tokenPrefix(token)}…`);
  const shown = masked.slice(0, 100);
  return `"${shown.replaceAll(/\p{C}/gu, '?')}"`;
}

const day = (atMs: number): string => isoTime(atMs).slice(0, 10);

/** Notes that tokens were used, to the minute; never back in time. */
export function* noteTokensUsed(ops: Operations, ids: readonly string[], atMs: number): Step<void> {
  for (const id of ids) yield* step(ops.query(SQL.used, { id, atMs: toMinute(atMs) }));
}

const toMinute = (atMs: number): number => atMs - (atMs % 60_000);

function toToken(row: SqlToken): AccessToken {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: JSON.parse(row.scopes) as Scope[],
    aiTypes: row.ai_types === null ? null : (JSON.parse(row.ai_types) as string[]),
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
    lastUsedAtMs: row.last_used_at_ms,
  };
}
