import type { ServedRequest } from '../../server/api/server.ts';
import { besideLine, type ListeningGateway } from './gateway.ts';
import { count } from './text.ts';

/** What `serve --json` prints once it listens. */
export interface ServeDocument {
  /** Where it listens. */
  readonly url: string;
  /** Reads from this machine need no token. */
  readonly openReads: boolean;
  /** Without its password. */
  readonly database: string;
  /** With `--gateway`; null without. */
  readonly gateway: ListeningGateway | null;
}

export function servingLines({ url, openReads, database, gateway }: ServeDocument): string[] {
  const who = openReads ? 'writes need a token' : 'every caller needs a token';
  return [
    `listening on ${url}, ${who}, database ${database}`,
    ...(gateway === null ? [] : [besideLine(gateway)]),
  ];
}

/** One request: `GET /api/v1/status 200 3 ms 0193…`. */
export function requestLine({ method, path, status, ms, requestId }: ServedRequest): string {
  const shown = path.slice(0, 200).replaceAll(/\p{C}/gu, '?');
  return `${method} ${shown} ${String(status ?? 'left')} ${count(Math.round(ms))} ms ${requestId}`;
}
