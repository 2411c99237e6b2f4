/** What a call to the Anthropic API is, by method and path: what costs tokens, and what is free. */

export type Call =
  /** One message, streaming or not. */
  | { readonly kind: 'message' }
  /** Creates a batch of messages. */
  | { readonly kind: 'batch' }
  /** Reads what a batch's messages answered and used. */
  | { readonly kind: 'batch_results'; readonly batchId: string }
  /** Costs no tokens: counting them, models, and looking after batches. */
  | { readonly kind: 'free' }
  /** Anything else: what it costs is not known. */
  | { readonly kind: 'unknown' };

const BATCH = '/v1/messages/batches/[^/]+';

const CALLS: readonly (readonly [method: string, path: RegExp, kind: Call['kind']])[] = [
  ['POST', ending('/v1/messages'), 'message'],
  ['POST', ending('/v1/messages/batches'), 'batch'],
  ['GET', ending(`${BATCH}/results`), 'batch_results'],
  ['POST', ending('/v1/messages/count_tokens'), 'free'],
  ['GET', ending('/v1/messages/batches'), 'free'],
  ['GET', ending(BATCH), 'free'],
  ['POST', ending(`${BATCH}/cancel`), 'free'],
  ['DELETE', ending(BATCH), 'free'],
  ['GET', ending('/v1/models(/[^/]+)?'), 'free'],
];

/**
 * @param method in any case
 * @param path without its query; what a proxy puts before `/v1` does not matter. Spellings that a
 *   server might take for the same (`//`, a slash at the end, escapes) are `unknown`
 */
export function callOf(method: string, path: string): Call {
  const verb = method.toUpperCase();
  const found = CALLS.find(([of, pattern]) => of === verb && pattern.test(path));
  const kind = found?.[2] ?? 'unknown';
  if (kind !== 'batch_results') return { kind };
  return { kind, batchId: path.split('/').at(-2) ?? '' };
}

/**
 * Whether an unknown call may cost tokens all the same: it posts to where messages or completions are
 * made, in a newer way, or in a spelling that a server may take for one that is known.
 */
export function mayCostTokens(method: string, path: string): boolean {
  if (method.toUpperCase() !== 'POST') return false;
  return /\/v1\/(messages|complete)(\/|$)/i.test(unescaped(path).replaceAll(/\/{2,}/g, '/'));
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function ending(path: string): RegExp {
  return new RegExp(`${path}$`);
}
