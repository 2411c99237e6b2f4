import { tokenState, type Scope, type TokenState } from '../../budget/access-token.ts';
import { isoTime } from '../../budget/windows.ts';
import type { AccessToken } from '../../ledger/access-tokens.ts';
import type { Screen } from '../output.ts';
import { grid } from './grid.ts';
import type { Cell } from './table.ts';
import { age, oneLine, timeText } from './text.ts';

/** An access token as it may be shown: never the token itself. */
interface TokenDocument {
  readonly id: string;
  readonly name: string;
  /** How it begins. */
  readonly prefix: string;
  readonly state: TokenState;
  readonly scopes: readonly Scope[];
  /** Null is any. */
  readonly aiTypes: readonly string[] | null;
  readonly createdAt: string;
  readonly createdBy: string | null;
  /** Null is never. */
  readonly expiresAt: string | null;
  /** To the minute. */
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

/** What `token create --json` prints: the one place that shows the token. */
export interface CreatedTokenDocument extends TokenDocument {
  readonly token: string;
}

/** What `token list --json` prints, the newest first. */
export interface TokenListDocument {
  readonly tokens: readonly TokenDocument[];
}

/** What `token revoke --json` prints; with `dryRun` the token as it still is. */
export interface RevokedTokenDocument extends TokenDocument {
  readonly dryRun: boolean;
}

export function createdTokenDocument(
  secret: string,
  token: AccessToken,
  nowMs: number,
): CreatedTokenDocument {
  return { token: secret, ...tokenDocument(token, nowMs) };
}

export function tokenListDocument(
  tokens: readonly AccessToken[],
  nowMs: number,
): TokenListDocument {
  return { tokens: tokens.map((token) => tokenDocument(token, nowMs)) };
}

export function revokedTokenDocument(
  token: AccessToken,
  dryRun: boolean,
  nowMs: number,
): RevokedTokenDocument {
  return { dryRun, ...tokenDocument(token, nowMs) };
}

function tokenDocument(token: AccessToken, nowMs: number): TokenDocument {
  return {
    id: token.id,
    name: token.name,
    prefix: token.prefix,
    state: tokenState(token, nowMs),
    scopes: token.scopes,
    aiTypes: token.aiTypes,
    createdAt: isoTime(token.createdAtMs),
    createdBy: token.createdBy,
    expiresAt: timeOf(token.expiresAtMs),
    lastUsedAt: timeOf(token.lastUsedAtMs),
    revokedAt: timeOf(token.revokedAtMs),
  };
}

function timeOf(atMs: number | null): string | null {
  return atMs === null ? null : isoTime(atMs);
}

/** `"python backend" (tkc_4fQx9TzA): reserve for imperium, until 2027-11-24 13:40 UTC` */
export function tokenText({ name, prefix, scopes, aiTypes, expiresAtMs }: AccessToken): string {
  const whom = aiTypes?.join(', ') ?? 'any AI type';
  const end = expiresAtMs === null ? 'it is revoked' : timeText(isoTime(toMinute(expiresAtMs)));
  return `"${oneLine(name)}" (${prefix}): ${scopes.join(', ')} for ${whom}, until ${end}`;
}

export function tokenListView(
  tokens: readonly AccessToken[],
  nowMs: number,
  screen: Screen,
): string {
  if (tokens.length === 0)
    return 'There are no tokens. tokenctl token create --name NAME makes one.';
  return grid(
    [
      { title: 'Name', flexible: true },
      { title: 'Prefix' },
      { title: 'State' },
      { title: 'Scopes', flexible: true },
      { title: 'Expires', expendable: 3 },
      { title: 'Last used', expendable: 2 },
      { title: 'Created', expendable: 4 },
      { title: 'By', expendable: 5 },
    ],
    tokens.map((token) => [
      oneLine(token.name),
      token.prefix,
      stateCell(tokenState(token, nowMs), screen),
      scopesText(token),
      token.expiresAtMs === null ? 'never' : isoTime(token.expiresAtMs).slice(0, 10),
      token.lastUsedAtMs === null ? 'never' : `${age(nowMs - token.lastUsedAtMs)} ago`,
      isoTime(token.createdAtMs).slice(0, 10),
      oneLine(token.createdBy ?? '-'),
    ]),
    screen,
  ).join('\n');
}

/** `read, reserve`; `reserve (imperium, guardian)` where it is not for any AI type. */
function scopesText({ scopes, aiTypes }: AccessToken): string {
  return scopes.join(', ') + (aiTypes === null ? '' : ` (${aiTypes.join(', ')})`);
}

function stateCell(state: TokenState, { colors }: Screen): Cell {
  const paint = { active: colors.green, expired: colors.yellow, revoked: colors.dim }[state];
  return { text: state, paint };
}

/** An end of seconds is none that a person needs to read. */
const toMinute = (atMs: number): number => atMs - (atMs % 60_000);
