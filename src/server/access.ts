import { allows, tokenState, type Scope } from '../budget/access-token.ts';
import { TokenctlError } from '../budget/errors.ts';
import { noteTokensUsed, type AccessToken } from '../ledger/access-tokens.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isToken, tokenHash } from '../platform/secret.ts';
import type { Runtime } from '../platform/runtime.ts';
import { RecentMap } from './recent-map.ts';
import { REMEMBERED, TokenLookup } from './token-lookup.ts';

/** Who calls, once their token was accepted. */
export type Caller = Pick<AccessToken, 'id' | 'name' | 'scopes' | 'aiTypes'>;

/** `scope`: the token is good, but not for this. `unavailable`: the ledger does not answer, so nobody passes. */
type Refusal = 'unknown' | 'expired' | 'revoked' | 'scope' | 'unavailable';

export type Access =
  | { readonly granted: true; readonly caller: Caller }
  | { readonly granted: false; readonly reason: Refusal };

const MINUTE_MS = 60_000;

/**
 * Checks the tokens that callers present. An answer may be up to 5 seconds old, so a token that was
 * revoked is refused within that time by every process; an expiry holds at its instant.
 */
export class AccessTokens {
  readonly #ledger: Ledger;
  readonly #runtime: Runtime;
  readonly #lookup: TokenLookup;
  /** The tokens whose use is to be noted. */
  readonly #used = new Set<string>();
  /** The minute of each token's use that was noted last, or could not be. */
  readonly #noted = new RecentMap<string, number>(REMEMBERED);
  #noting: Promise<void> | null = null;

  constructor(ledger: Ledger, runtime: Runtime) {
    this.#ledger = ledger;
    this.#runtime = runtime;
    this.#lookup = new TokenLookup(ledger, runtime);
  }

  /**
   * Whether what a caller presented is a token that may do what needs this scope. A lost ledger
   * refuses; it never throws for that.
   */
  async check(presented: string, needed: Scope): Promise<Access> {
    if (!isToken(presented)) return refused('unknown');
    let token: AccessToken | null;
    try {
      token = await this.#lookup.find(tokenHash(presented));
    } catch (error) {
      if (error instanceof TokenctlError) return refused('unavailable');
      throw error;
    }
    if (token === null) return refused('unknown');
    const nowMs = this.#runtime.nowMs();
    const state = tokenState(token, nowMs);
    if (state !== 'active') return refused(state);
    if (!allows(token.scopes, needed)) return refused('scope');
    this.#noteUse(token, nowMs);
    const { id, name, scopes, aiTypes } = token;
    return { granted: true, caller: { id, name, scopes, aiTypes } };
  }

  /** Ends after the uses that were seen have been noted. */
  async close(): Promise<void> {
    while (this.#noting !== null) await this.#noting;
  }

  /** Notes a use, once in a minute; the caller does not wait for it. */
  #noteUse({ id, lastUsedAtMs }: AccessToken, nowMs: number): void {
    const minute = nowMs - (nowMs % MINUTE_MS);
    if ((lastUsedAtMs ?? 0) >= minute || (this.#noted.get(id) ?? 0) >= minute) return;
    this.#noted.set(id, minute);
    this.#used.add(id);
    this.#startNoting();
  }

  #startNoting(): void {
    this.#noting ??= this.#writeUses().finally(() => {
      this.#noting = null;
      // What was used while it ended.
      if (this.#used.size > 0) this.#startNoting();
    });
  }

  async #writeUses(): Promise<void> {
    // Not in the caller's turn, which SQLite's driver would use up.
    await this.#runtime.yield();
    while (this.#used.size > 0) {
      const ids = [...this.#used];
      this.#used.clear();
      const atMs = this.#runtime.nowMs();
      try {
        await this.#ledger.write((ops) => noteTokensUsed(ops, ids, atMs));
      } catch {
        // When a token was used is no reason to fail anybody; the next minute tries again.
      }
    }
  }
}

function refused(reason: Refusal): Access {
  return { granted: false, reason };
}
