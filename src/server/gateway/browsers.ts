import type { IncomingHttpHeaders } from 'node:http';
import { refusal, type Refusal } from './refusal.ts';

/**
 * Keeps pages in a browser out: one that had its own name resolve to this machine (DNS rebinding) shows
 * that name as Host; one of another site shows its Origin.
 * @param hosts the names that are this gateway's, in lower case, without port; null takes any
 */
export function refuseBrowsers(
  headers: IncomingHttpHeaders,
  hosts: ReadonlySet<string> | null,
): Refusal | null {
  const host = hostnameOf(`http://${headers.host ?? ''}`);
  if (hosts !== null && (host === null || !hosts.has(host))) {
    return refusal(
      403,
      'permission_error',
      'host: this gateway does not answer to that name; --allow-host adds one',
    );
  }
  const { origin } = headers;
  if (origin === undefined || (host !== null && hostnameOf(origin) === host)) return null;
  return refusal(403, 'permission_error', 'origin: pages of other sites may not call this gateway');
}

function hostnameOf(url: string): string | null {
  try {
    return new URL(url).hostname.toLowerCase();
  } catch {
    return null;
  }
}
