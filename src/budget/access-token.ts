import { invalidInput } from './errors.ts';

/** What an access token may do: scopes, names and states. The token itself is platform/secret.ts. */

/**
 * read: usage, limits and alerts. reserve: spend, through the gateway or by reservations. admin:
 * everything, resets and limits included. A token has one or more; read and reserve include nothing else.
 */
export const SCOPES = ['read', 'reserve', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export type TokenState = 'active' | 'expired' | 'revoked';

/** How every token begins, and so no name may. */
export const TOKEN_START = 'tkc_';

const LONGEST_NAME = 100;

/** Whether a token with these scopes may do what needs this one. */
export function allows(scopes: readonly Scope[], needed: Scope): boolean {
  return scopes.includes(needed) || scopes.includes('admin');
}

/** Whether it can be used at a time. What is both is revoked: that is what a person did. */
export function tokenState(
  token: { readonly expiresAtMs: number | null; readonly revokedAtMs: number | null },
  nowMs: number,
): TokenState {
  if (token.revokedAtMs !== null) return 'revoked';
  return token.expiresAtMs !== null && token.expiresAtMs <= nowMs ? 'expired' : 'active';
}

/** The scopes that were named, in their usual order, each once. @throws invalid_input */
export function parseScopes(names: readonly string[], field: string): Scope[] {
  const wanted = names.map((name) => {
    const scope = SCOPES.find((each) => each === name.trim().toLowerCase());
    if (scope !== undefined) return scope;
    throw invalidInput(
      field,
      `"${printable(name)}" is no scope`,
      `the scopes are ${SCOPES.join(', ')}; several with a space between: ${field} read reserve`,
    );
  });
  return SCOPES.filter((scope) => wanted.includes(scope));
}

/**
 * What a token is for, in its owner's words: one line of 1 to 100 characters, trimmed.
 * @throws invalid_input also for what looks like a token, which is a secret and would be shown
 */
export function parseTokenName(text: string, field: string): string {
  const name = text.trim();
  const fix = `what the token is for, in 1 to ${String(LONGEST_NAME)} characters: ${field} "python backend"`;
  if (name === '') throw invalidInput(field, 'is empty', fix);
  if (name.startsWith(TOKEN_START)) {
    throw invalidInput(field, `may not begin with ${TOKEN_START}, as tokens do`, fix);
  }
  if (name.length > LONGEST_NAME) {
    throw invalidInput(field, `has ${String(name.length)} characters`, fix);
  }
  if (/\p{C}|\p{Zl}|\p{Zp}/u.test(name)) {
    throw invalidInput(field, 'has a line break or another control character', fix);
  }
  return name;
}

function printable(text: string): string {
  return text.slice(0, 60).replaceAll(/\p{C}/gu, '?');
}
