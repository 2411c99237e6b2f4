import { callOf, type Call } from '../../anthropic/calls.ts';

/** What a request to the gateway asks for. */
export interface Route {
  /** What stands before `/v1/` in the path: it may name the AI type. Null where nothing does. */
  readonly prefix: string | null;
  /** The path as the API knows it, without its query. */
  readonly path: string;
  /** With its `?`; empty where there is none. */
  readonly query: string;
  readonly call: Call;
}

const TARGET = /^(?:\/([\w.-]+))?(\/v1\/[\w\-./:~@!$&'()*+,=]+)(\?[^#]*)?$/;

/**
 * Reads a request target: `/v1/messages`, `/imperium/v1/messages?beta=true`. Null for anything else:
 * other paths, and spellings of which a server might make another path than it seems.
 */
export function routeOf(method: string, target: string): Route | null {
  const match = TARGET.exec(target);
  if (match === null) return null;
  const [, prefix = null, path = '', query = ''] = match;
  // Calls are known by the end of a path; here nothing may stand between.
  if (path.lastIndexOf('/v1/') !== 0 || /\/\.{0,2}(\/|$)/.test(path)) return null;
  return { prefix, path, query, call: callOf(method, path) };
}
