import type { IncomingHttpHeaders } from 'node:http';

/** Why a page in a browser may not call: the header that gave it away, and what is wrong with it. */
export interface Stranger {
  readonly header: 'host' | 'origin';
  readonly problem: string;
}

/**
 * Keeps pages in a browser out: one that had its own name resolve to this machine (DNS rebinding) shows
 * that name as Host; one of another site shows its Origin.
 * @param hosts the names that are this server's, in lower case, without port; null takes any
 */
export function findStranger(
  headers: IncomingHttpHeaders,
  hosts: ReadonlySet<string> | null,
): Stranger | null {
  const host = hostnameOf(headers);
  if (hosts !== null && (host === null || !hosts.has(host))) {
    return {
      header: 'host',
      problem: 'this server does not answer to that name; --allow-host adds one',
    };
  }
  const { origin } = headers;
  if (origin === undefined || (host !== null && nameIn(origin) === host)) return null;
  return { header: 'origin', problem: 'pages of other sites may not call this server' };
}

/** The name that a client calls this server by, in lower case, without port; null where it is none. */
export function hostnameOf({ host }: IncomingHttpHeaders): string | null {
  return nameIn(`http://${host ?? ''}`);
}

function nameIn(url: string): string | null {
  try {
    return new URL(url).hostname.toLowerCase();
  } catch {
    return null;
  }
}
