import { parseAiType } from '../../budget/ai-type.ts';
import { invalidInput } from '../../budget/errors.ts';
import { parseCount } from '../../budget/tokens.ts';
import { parseHttpUrl } from '../../config/http-url.ts';
import { secretSetting, setVariable, type SecretPlaces } from '../../config/secret.ts';
import { isLoopback, serverNames } from '../listening.ts';
import type { TelemetryFlags } from '../telemetry.ts';

/** What a gateway was asked for, by `tokenctl gateway` or `tokenctl serve --gateway`: flags and environment, checked. */

/** The flags that are the gateway's alone. */
export interface GatewayOwnFlags {
  readonly aiType?: string;
  readonly upstream?: string;
  readonly requireToken?: boolean;
  readonly passUnknown?: boolean;
  readonly maxWait?: string;
  readonly drainTimeout?: string;
}

interface ListeningFlags {
  readonly host?: string;
  readonly allowHost?: readonly string[];
}

export interface GatewayFlags extends ListeningFlags, GatewayOwnFlags, TelemetryFlags {
  readonly port?: string;
}

/** The gateway's port, and by which flag it is chosen. */
interface ChosenPort {
  readonly portFlag: string;
  readonly port: string | undefined;
}

export interface GatewaySettings {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly portFlag: string;
  /** Of calls that name none. */
  readonly aiType: string | null;
  readonly upstream: URL;
  /** The provider's key, where clients bring tokens of tokenctl; null where they bring the key. */
  readonly key: string | null;
  /** The names that clients may call it by, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
  readonly passUnknown: boolean;
  readonly maxWaitMs: number;
  readonly drainMs: number;
}

/** Not the API's own port. */
const DEFAULT_PORT = 4_010;
const DEFAULT_DRAIN_S = 60;
const UPSTREAM = 'https://api.anthropic.com';

/** @throws invalid_input naming the flag or variable */
export function gatewaySettings(
  flags: ListeningFlags & GatewayOwnFlags,
  { portFlag, port: portText }: ChosenPort,
  places: SecretPlaces,
): GatewaySettings {
  const { requireToken = false, allowHost = [] } = flags;
  const host = flags.host ?? '127.0.0.1';
  const port = parseCount(portFlag, portText ?? String(DEFAULT_PORT), 0, 65_535);
  const seconds = (flag: string, text: string | undefined, usual: number, most: number): number =>
    1_000 * parseCount(flag, text ?? String(usual), 0, most);
  const settings = {
    host,
    port,
    portFlag,
    aiType: flags.aiType === undefined ? null : parseAiType(flags.aiType, '--ai-type'),
    upstream: upstreamOf(flags.upstream, places.environment),
    passUnknown: flags.passUnknown === true,
    maxWaitMs: seconds('--max-wait', flags.maxWait, 0, 86_400),
    drainMs: seconds('--drain-timeout', flags.drainTimeout, DEFAULT_DRAIN_S, 3_600),
  };
  const local = isLoopback(host);
  const names = serverNames(host, allowHost);
  refuseItself(settings.upstream, names, port);
  if (!local && !requireToken) {
    throw invalidInput(
      '--host',
      `on ${host} anyone who reaches this machine could spend the budget`,
      'listen on 127.0.0.1, or add --require-token',
    );
  }
  return {
    ...settings,
    key: requireToken ? keyOf(places) : null,
    // Elsewhere nobody passes without a token, whatever name they use.
    hosts: local || allowHost.length > 0 ? names : null,
  };
}

function upstreamOf(flag: string | undefined, environment: SecretPlaces['environment']): URL {
  const [field, text] =
    flag === undefined
      ? ['ANTHROPIC_BASE_URL', setVariable(environment['ANTHROPIC_BASE_URL']) ?? UPSTREAM]
      : ['--upstream', flag];
  return parseHttpUrl(field, text, UPSTREAM);
}

/** @throws invalid_input without showing what was found */
function keyOf(places: SecretPlaces): string {
  const key = secretSetting('ANTHROPIC_API_KEY', 'anthropic-api-key', places);
  if (key === null) {
    throw invalidInput(
      '--require-token',
      "the gateway needs the provider's key for its clients",
      'set ANTHROPIC_API_KEY, or ANTHROPIC_API_KEY_FILE',
    );
  }
  if (!/^[\x21-\x7e]+$/.test(key.value)) throw invalidInput(key.field, 'is no key');
  return key.value;
}

function refuseItself(upstream: URL, names: ReadonlySet<string>, port: number): void {
  const usual = upstream.protocol === 'http:' ? 80 : 443;
  const upstreamPort = upstream.port === '' ? usual : Number(upstream.port);
  if (upstreamPort !== port || !names.has(upstream.hostname)) return;
  throw invalidInput(
    '--upstream',
    `${upstream.origin} is this gateway itself`,
    `name the API, such as ${UPSTREAM}; its clients set ANTHROPIC_BASE_URL to the gateway`,
  );
}
