/** Where a server listens, and by which names it may be called. */

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/** Whether only this machine reaches a server that listens there. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** The names of a server, in lower case, without port, as they stand in URLs. */
export function serverNames(host: string, allowed: readonly string[]): ReadonlySet<string> {
  const names = ['localhost', '127.0.0.1', '[::1]', host.includes(':') ? `[${host}]` : host];
  return new Set([...names, ...allowed].map((name) => name.toLowerCase()));
}
