import { invalidInput } from '../../budget/errors.ts';
import { parseCount } from '../../budget/tokens.ts';
import type { SecretPlaces } from '../../config/secret.ts';
import { gatewaySettings, type GatewayOwnFlags, type GatewaySettings } from '../gateway/flags.ts';
import { isLoopback, serverNames } from '../listening.ts';
import type { TelemetryFlags } from '../telemetry.ts';

/** What `tokenctl serve` was asked for, checked. */

export interface ServeFlags extends GatewayOwnFlags, TelemetryFlags {
  readonly host?: string;
  readonly port?: string;
  readonly allowHost?: readonly string[];
  readonly gateway?: boolean;
  readonly gatewayPort?: string;
}

export interface ServeSettings {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly portFlag: string;
  /** Whether only this machine reaches that address. */
  readonly local: boolean;
  /** The names that clients may call it by, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
}

const DEFAULT_PORT = 4_000;
const GATEWAY_PORT = '--gateway-port';

/** What says nothing to the API. */
const GATEWAY_FLAGS: Readonly<Record<'gatewayPort' | keyof GatewayOwnFlags, string>> = {
  gatewayPort: GATEWAY_PORT,
  aiType: '--ai-type',
  upstream: '--upstream',
  requireToken: '--require-token',
  passUnknown: '--pass-unknown',
  maxWait: '--max-wait',
  drainTimeout: '--drain-timeout',
};

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
    portFlag: '--port',
    local,
    // Elsewhere nobody reads without a token, whatever name they use.
    hosts: local || allowHost.length > 0 ? serverNames(host, allowHost) : null,
  };
}

/**
 * The gateway beside the API; null without `--gateway`.
 * @param apiPort the API's own port
 * @throws invalid_input naming the flag or variable
 */
export function gatewayBeside(
  flags: ServeFlags,
  apiPort: number,
  places: SecretPlaces,
): GatewaySettings | null {
  if (flags.gateway !== true) {
    refuseGatewayFlags(flags);
    return null;
  }
  const chosen = { portFlag: GATEWAY_PORT, port: flags.gatewayPort };
  const settings = gatewaySettings(flags, chosen, places);
  if (settings.port !== apiPort || apiPort === 0) return settings;
  throw invalidInput(
    GATEWAY_PORT,
    `${String(apiPort)} is the port of the API`,
    `choose another ${GATEWAY_PORT}`,
  );
}

function refuseGatewayFlags(flags: ServeFlags): void {
  const names = Object.keys(GATEWAY_FLAGS) as (keyof typeof GATEWAY_FLAGS)[];
  const given = names.find((name) => flags[name] !== undefined);
  if (given === undefined) return;
  throw invalidInput(
    GATEWAY_FLAGS[given],
    'only with --gateway',
    'add --gateway, or run tokenctl gateway',
  );
}
