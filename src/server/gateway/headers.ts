/** Which headers go through a proxy. Headers are flat lists, name, value, name, value, as they came. */

export type RawHeaders = readonly string[];

/** What belongs to one connection, not to the message (RFC 9110, 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade'],
]);
/** What the connection to upstream sets anew, for the same body. */
const SET_ANEW: ReadonlySet<string> = new Set(['host', 'content-length', 'expect']);
const OWN_PREFIX = 'x-tokenctl-';
const KEY_HEADERS: ReadonlySet<string> = new Set(['x-api-key', 'authorization']);

/** Encodings of an answer that can be read as it passes. */
const READABLE: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'identity']);

export interface ForUpstream {
  /** Replaces what the client identified itself with; null passes that on. */
  readonly key: string | null;
  /** Whether the answer must come as it is, without any encoding. */
  readonly decoded: boolean;
}

/** A client's headers as upstream gets them. */
export function headersForUpstream(headers: RawHeaders, { key, decoded }: ForUpstream): string[] {
  const passed = withoutHops(headers, (name) => {
    return (
      SET_ANEW.has(name) || name.startsWith(OWN_PREFIX) || (key !== null && KEY_HEADERS.has(name))
    );
  });
  for (let index = 0; index < passed.length; index += 2) {
    if (passed[index]?.toLowerCase() !== 'accept-encoding') continue;
    passed[index + 1] = decoded ? 'identity' : readableEncodings(passed[index + 1] ?? '');
  }
  if (key !== null) passed.push('x-api-key', key);
  return passed;
}

/** An answer's headers as the client gets them. */
export function headersForClient(headers: RawHeaders): string[] {
  return withoutHops(headers, () => false);
}

/** An answer in an encoding that can't be read could not be charged by what it used. */
function readableEncodings(accepted: string): string {
  const codings = accepted.split(',').map((coding) => coding.trim());
  const readable = codings.filter((coding) =>
    READABLE.has((coding.split(';')[0] ?? '').trim().toLowerCase()),
  );
  return readable.length === codings.length ? accepted : readable.join(', ') || 'identity';
}

function withoutHops(headers: RawHeaders, alsoWithout: (name: string) => boolean): string[] {
  const named = valuesOf(headers, 'connection').flatMap((value) => value.toLowerCase().split(','));
  const dropped = new Set(named.map((name) => name.trim()));
  const passed: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]];
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || dropped.has(lower) || alsoWithout(lower)) continue;
    passed.push(name, value);
  }
  return passed;
}

/** All values of a header, by its name in lower case. */
export function valuesOf(headers: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) values.push(headers[index + 1] ?? '');
  }
  return values;
}
