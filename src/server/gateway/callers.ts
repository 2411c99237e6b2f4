import type { IncomingHttpHeaders } from 'node:http';
import { parseAiType } from '../../budget/ai-type.ts';
import { TokenctlError } from '../../budget/errors.ts';
import type { Access, AccessTokens } from '../access.ts';
import { refusal, refusalOfInput, type Refusal } from './refusal.ts';

/** For whom a call is made. */
export interface Caller {
  /** Null where none is named: such a call may only be one that costs nothing. */
  readonly aiType: string | null;
  /** The key that upstream gets; null passes on what the client sent. */
  readonly key: string | null;
}

/** Tells who calls, by the headers and by what stands before `/v1/` in the path. */
export type Callers = (
  headers: IncomingHttpHeaders,
  prefix: string | null,
) => Promise<Caller | Refusal>;

const AI_TYPE_HEADER = 'x-tokenctl-ai-type';

/** Clients bring the provider's key themselves. */
export function callersWithKeys(defaultAiType: string | null): Callers {
  return async (headers, prefix) => {
    if (presentedSecret(headers)?.startsWith('tkc_') === true) {
      return refusal(
        401,
        'authentication_error',
        "this gateway passes the provider's key on, and takes no tokens of tokenctl: start it with --require-token",
      );
    }
    const aiType = namedAiType(headers, prefix);
    if (typeof aiType === 'object' && aiType !== null) return aiType;
    return { aiType: aiType ?? defaultAiType, key: null };
  };
}

/** Clients present tokens of tokenctl; the gateway alone has the provider's key. */
export function callersWithTokens(
  tokens: Pick<AccessTokens, 'check'>,
  key: string,
  defaultAiType: string | null,
): Callers {
  return async (headers, prefix) => {
    const presented = presentedSecret(headers);
    if (presented === null) return refusalOfToken('missing');
    const access = await tokens.check(presented, 'reserve');
    if (!access.granted) return refusalOfToken(access.reason);
    const named = namedAiType(headers, prefix);
    if (typeof named === 'object' && named !== null) return named;
    const { aiTypes } = access.caller;
    // A token for one AI type says by itself for whom it spends.
    const only = aiTypes?.length === 1 ? (aiTypes[0] ?? null) : null;
    const aiType = named ?? only ?? defaultAiType;
    if (aiTypes !== null && aiType !== null && !aiTypes.includes(aiType)) {
      return refusal(403, 'permission_error', `the token may not spend for ${aiType}`);
    }
    return { aiType, key };
  };
}

type DeniedAccess = Extract<Access, { granted: false }>['reason'];

function refusalOfToken(reason: DeniedAccess | 'missing'): Refusal {
  switch (reason) {
    case 'unavailable':
      return refusal(503, 'api_error', "the token can't be checked: the ledger does not answer", {
        retryAfterS: 2,
      });
    case 'scope':
      return refusal(403, 'permission_error', 'the token lacks the scope reserve');
    case 'missing':
    case 'unknown':
      return refusal(
        401,
        'authentication_error',
        'x-api-key: this gateway takes tokens of tokenctl: tokenctl token create',
      );
    case 'expired':
    case 'revoked':
      return refusal(
        401,
        'authentication_error',
        `the token ${reason === 'expired' ? 'has expired' : 'was revoked'}`,
      );
  }
}

/** The AI type that a request names: by its header, else by its path; null where it names none. */
function namedAiType(headers: IncomingHttpHeaders, prefix: string | null): string | Refusal | null {
  const header = headers[AI_TYPE_HEADER];
  const [field, name] =
    header === undefined ? ['the path', prefix] : [AI_TYPE_HEADER, String(header)];
  if (name === null) return null;
  try {
    return parseAiType(name, field);
  } catch (error) {
    if (error instanceof TokenctlError) return refusalOfInput(error);
    throw error;
  }
}

export const UNNAMED = refusal(
  400,
  'invalid_request_error',
  `${AI_TYPE_HEADER}: no AI type is named: send this header, put it before /v1 in the base URL (http://…/imperium), or start the gateway with --ai-type`,
);

/** What a client identifies itself with: `x-api-key`, else `Authorization: Bearer`. */
function presentedSecret(headers: IncomingHttpHeaders): string | null {
  const key = headers['x-api-key'];
  if (typeof key === 'string') return key.trim();
  return /^bearer +(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}
