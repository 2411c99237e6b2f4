import { parseCount } from '../../budget/tokens.ts';
import { isLoopback, serverNames } from '../listening.ts';
import type { TelemetryFlags } from '../telemetry.ts';

/** What `tokenctl serve` was asked for, checked. */

export interface ServeFlags extends TelemetryFlags {
  readonly host?: string;
  readonly port?: string;
  readonly allowHost?: readonly string[];
}

export interface ServeSettings {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Whether only this machine reaches that address. */
  readonly local: boolean;
  /** The names that clients may call it by, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
}

const DEFAULT_PORT = 4_000;

/** @throws invalid_input naming the flag */
export function serveSettings({
  host = '127.0.0.1',
  port,
  allowHost = [],
}: ServeFlags): ServeSettings {
  const local = isLoopback(host);
  return {
    host,
    port: parseCount('--port', port ?? String(DEFAULT_PORT), 0, 65_535),
    local,
    // Elsewhere nobody reads without a token, whatever name they use.
    hosts: local || allowHost.length > 0 ? serverNames(host, allowHost) : null,
  };
}
