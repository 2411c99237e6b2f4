import type { IncomingHttpHeaders } from 'node:http';
import { parseAiType } from '../../budget/ai-type.ts';
import { TokenctlError } from '../../budget/errors.ts';
import { refusal, refusalOfInput, type Refusal } from './refusal.ts';

/** For whom a call is made. */
export interface Caller {
  readonly aiType: string;
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
        'this gateway passes the provider’s key on, and takes no tokens of tokenctl: start it with --require-token',
      );
    }
    const aiType = namedAiType(headers, prefix) ?? defaultAiType;
    if (typeof aiType === 'object' && aiType !== null) return aiType;
    return aiType === null ? UNNAMED : { aiType, key: null };
  };
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

const UNNAMED = refusal(
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
