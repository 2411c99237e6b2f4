import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Scope } from '../../budget/access-token.ts';
import type { Runtime } from '../../platform/runtime.ts';
import type { Access as TokenAccess, AccessTokens, Caller } from '../access.ts';
import { findStranger, hostnameOf } from '../strangers.ts';
import { FailedCalls } from './failures.ts';
import type { Access } from './operation.ts';
import { lostLedger, Problem } from './problem.ts';

export interface DoormanOptions {
  readonly tokens: AccessTokens;
  readonly runtime: Runtime;
  /** Whether the server listens on an address that only this machine reaches. */
  readonly local: boolean;
  /** The names that are this server's, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
}

/** What a token must have one of. */
const SCOPES: Readonly<Record<Exclude<Access, 'open'>, readonly Scope[]>> = {
  read: ['read'],
  check: ['read', 'reserve'],
  reserve: ['reserve'],
  admin: ['admin'],
};

/** How this machine is called by those who are on it. */
const LOCAL_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
const OF_PROXIES = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/** Decides who may do what. */
export class Doorman {
  readonly #options: DoormanOptions;
  readonly #failures: FailedCalls;

  constructor(options: DoormanOptions) {
    this.#options = options;
    this.#failures = new FailedCalls(options.runtime);
  }

  /** @throws forbidden where a page in a browser calls */
  refuseStrangers({ headers }: IncomingMessage): void {
    const stranger = findStranger(headers, this.#options.hosts);
    if (stranger === null) return;
    const { header, problem } = stranger;
    throw new Problem('forbidden', `${header}: ${problem}`, { field: header });
  }

  /**
   * Who calls; null where no token is needed.
   * @throws unauthorized, forbidden, too_many_failures, ledger_unavailable
   */
  async admit(access: Access, request: IncomingMessage): Promise<Caller | null> {
    const { headers } = request;
    if (
      access === 'open' ||
      (this.#isLocal(headers) && (access === 'read' || access === 'check'))
    ) {
      return null;
    }
    const token = bearerToken(headers);
    if (token === null) {
      const why =
        headers.authorization === undefined
          ? 'a token is needed'
          : 'a token is needed: the header is not Bearer TOKEN';
      throw this.#unknown(request, why);
    }
    const checked = await this.#check(access, token);
    if (checked.granted) return checked.caller;
    switch (checked.reason) {
      case 'unavailable':
        throw lostLedger("the token can't be checked: the ledger does not answer");
      case 'scope':
        throw new Problem('forbidden', `the token lacks the scope ${SCOPES[access].join(' or ')}`, {
          field: 'authorization',
          fix: `tokenctl token create --scope ${SCOPES[access][0] ?? ''}`,
        });
      case 'unknown':
        throw this.#unknown(request, 'the token is unknown');
      case 'expired':
        throw this.#unknown(request, 'the token has expired');
      case 'revoked':
        throw this.#unknown(request, 'the token was revoked');
    }
  }

  /** Whether it would still be admitted, for answers that stay open. */
  async stillAdmits(access: Access, request: IncomingMessage): Promise<boolean> {
    try {
      await this.admit(access, request);
      return true;
    } catch (error) {
      // A ledger that does not answer tells nobody anything.
      return error instanceof Problem && error.code === 'ledger_unavailable';
    }
  }

  async #check(access: Exclude<Access, 'open'>, token: string): Promise<TokenAccess> {
    const [first, ...others] = SCOPES[access];
    let checked = await this.#options.tokens.check(token, first ?? 'admin');
    for (const scope of others) {
      if (checked.granted || checked.reason !== 'scope') break;
      checked = await this.#options.tokens.check(token, scope);
    }
    return checked;
  }

  /** Whether it comes from this machine itself, and through no proxy. */
  #isLocal(headers: IncomingHttpHeaders): boolean {
    return (
      this.#options.local &&
      LOCAL_NAMES.has(hostnameOf(headers) ?? '') &&
      OF_PROXIES.every((name) => headers[name] === undefined)
    );
  }

  #unknown({ socket }: IncomingMessage, why: string): Problem {
    const details = {
      field: 'authorization',
      fix: 'send authorization: Bearer TOKEN, made by tokenctl token create',
    };
    const waitS = this.#failures.count(socket.remoteAddress ?? '');
    if (waitS !== null) {
      const detail = `${why}; calls of this address without a good token are not looked at for a while`;
      return new Problem('too_many_failures', detail, { ...details, retryAfterS: waitS });
    }
    const headers = { 'www-authenticate': 'Bearer realm="tokenctl"' };
    return new Problem('unauthorized', why, { ...details, headers });
  }
}

function bearerToken({ authorization = '' }: IncomingHttpHeaders): string | null {
  return /^bearer +(\S+)\s*$/i.exec(authorization)?.[1] ?? null;
}
