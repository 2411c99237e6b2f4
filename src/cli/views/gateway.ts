import type { Served } from '../../server/gateway/serving.ts';
import type { GatewaySettings } from '../gateway/flags.ts';
import { count } from './text.ts';

/** A gateway that listens. */
export interface ListeningGateway {
  /** Where it listens. */
  readonly url: string;
  /** The API behind it. */
  readonly upstream: string;
  /** Of calls that name none. */
  readonly aiType: string | null;
  /** Clients bring tokens of tokenctl, not the provider's key. */
  readonly requireToken: boolean;
}

/** What `gateway --json` prints once it listens. */
export interface GatewayDocument extends ListeningGateway {
  /** Without its password. */
  readonly database: string;
}

export function listeningGateway(
  { upstream, aiType, key }: GatewaySettings,
  url: string,
): ListeningGateway {
  const shown = upstream.href.replace(/\/$/, '');
  return { url, upstream: shown, aiType, requireToken: key !== null };
}

/** Of a gateway that is a command of its own. */
export function startedLine({ url, upstream, database }: GatewayDocument): string {
  return `listening on ${url} for ${upstream}, database ${database}`;
}

/** Of a gateway beside the API, which names the database. */
export function besideLine({ url, upstream }: ListeningGateway): string {
  return `the gateway listens on ${url} for ${upstream}`;
}

/** One request: `POST /v1/messages imperium 200 in 1,200 out 34 312 ms 0193…`. */
export function servedLine(served: Served, ms: number): string {
  const { method, path, aiType, status, reservationId, outcome } = served;
  return [
    `${method} ${path.slice(0, 200)}`,
    aiType ?? '-',
    status ?? 'left',
    outcomeText(outcome),
    `${count(Math.round(ms))} ms`,
    reservationId ?? '-',
  ].join(' ');
}

function outcomeText(outcome: Served['outcome']): string {
  if (outcome === null) return '-';
  if (outcome.kind !== 'used') return outcome.kind;
  const { inputTokens, outputTokens, cacheCreationInputTokens, cacheReadInputTokens } =
    outcome.usage;
  const input = inputTokens + cacheCreationInputTokens + cacheReadInputTokens;
  return `in ${count(input)} out ${count(outputTokens)}`;
}
