import type { App } from '../../src/app.ts';
import { newToken } from '../../src/platform/secret.ts';
import type { FuzzOptions } from './run.ts';

/** A token that may do everything; and tokens that are unknown, mistyped, expired, revoked or of too small a scope. */
export async function fuzzTokens(app: App): Promise<Pick<FuzzOptions, 'token' | 'badTokens'>> {
  const usual = { scopes: ['admin'], aiTypes: null, expiresAtMs: null, actor: null } as const;
  const make = async (name: string, more: object = {}): Promise<string> =>
    (await app.createToken({ ...usual, name, ...more })).secret;
  const token = await make('good');
  const expired = await make('expired', { expiresAtMs: app.runtime.nowMs() - 1 });
  const small = await make('small', { scopes: ['read'] });
  const revoked = await make('revoked');
  await app.revokeToken('revoked', { dryRun: false });
  return { token, badTokens: [expired, revoked, small, newToken(), `${token}x`, 'tkc_'] };
}
