import { TokenctlError, invalidInput } from '../../budget/errors.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { parseCount } from '../../budget/tokens.ts';
import { Guard } from '../../guard/guard.ts';
import { pause, stopSignal } from '../../platform/process.ts';
import { callersWithKeys } from '../../server/gateway/callers.ts';
import type { Served } from '../../server/gateway/serving.ts';
import { Gateway } from '../../server/gateway/gateway.ts';
import { Upstream } from '../../server/gateway/upstream.ts';
import { configOf, withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { servedLine } from '../views/gateway.ts';

export interface GatewayFlags {
  readonly host?: string;
  readonly port?: string;
  readonly aiType?: string;
  readonly upstream?: string;
  readonly allowHost?: readonly string[];
  readonly passUnknown?: boolean;
  readonly maxWait?: string;
  readonly drainTimeout?: string;
}

/** Not the API's own port. */
const DEFAULT_PORT = 4_010;
const DEFAULT_DRAIN_S = 60;
/** As long as the API's own greatest request. */
const MOST_BODY_BYTES = 33_554_432;
const HEADERS_MS = 15_000;
const REQUEST_MS = 120_000;
/** Longer than the official clients wait. */
const ANSWER_MS = 900_000;
const PAUSE_MS = 600_000;

/** What `gateway --json` prints once it listens. */
export interface GatewayStarted {
  readonly url: string;
  readonly upstream: string;
  /** Of calls that name none. */
  readonly aiType: string | null;
  readonly database: string;
}

/** Serves until it is asked to stop. */
export async function gateway(context: CommandContext, flags: GatewayFlags): Promise<number> {
  const { output, host: machine, runtime } = context;
  const host = flags.host ?? '127.0.0.1';
  const port =
    flags.port === undefined ? DEFAULT_PORT : parseCount('--port', flags.port, 0, 65_535);
  const aiType = flags.aiType === undefined ? null : parseAiType(flags.aiType, '--ai-type');
  const maxWaitMs = 1_000 * seconds('--max-wait', flags.maxWait, 0, 86_400);
  const drainMs = 1_000 * seconds('--drain-timeout', flags.drainTimeout, DEFAULT_DRAIN_S, 3_600);
  const upstreamUrl = upstreamOf(flags.upstream, machine.environment);
  const names = namesOf(host, flags.allowHost ?? []);
  requireLoopback(host);
  refuseItself(upstreamUrl, names, port);
  const { estimator } = await configOf(context);

  context.takeInterrupts();
  const first = stopSignal();
  return withApp(
    context,
    async (app) => {
      await sayIfLost(context, () => app.limits());
      const upstream = new Upstream({ url: upstreamUrl, answerMs: ANSWER_MS, pauseMs: PAUSE_MS });
      const server = await Gateway.start({
        host,
        port,
        headersMs: HEADERS_MS,
        requestMs: REQUEST_MS,
        serving: {
          budget: new Guard(app.ledger, runtime, {
            estimator: estimator ?? 'words',
            cacheReadPercent: 100,
            requestType: 'gateway',
          }),
          runtime,
          upstream,
          callers: callersWithKeys(aiType),
          hosts: names,
          passUnknown: flags.passUnknown === true,
          mostBodyBytes: MOST_BODY_BYTES,
          maxWaitMs,
          warn: (message) => output.warn(message),
        },
        onServed: (served, ms) => logServed(context, served, ms),
        onError: (error) => output.warn(`a call failed by a defect: ${String(error)}`),
      });
      const started: GatewayStarted = {
        url: server.url,
        upstream: upstreamUrl.href.replace(/\/$/, ''),
        aiType,
        database: app.location,
      };
      if (output.json) output.document(started);
      else {
        output.note(
          `listening on ${started.url} for ${started.upstream}, database ${started.database}`,
        );
      }
      await aborted(first.signal);
      first.forget();
      await drain(context, server, drainMs);
      await upstream.close();
      return first.signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.done;
    },
    { compareEnvironment: false },
  );
}

/** Lets open calls finish, until the time is over or a second signal comes. */
async function drain({ output }: CommandContext, server: Gateway, drainMs: number): Promise<void> {
  if (server.open > 0) output.note(`stopping: ${String(server.open)} calls are open`);
  const second = stopSignal();
  const over = new AbortController();
  const cutShort = AbortSignal.any([second.signal, over.signal]);
  const stopped = new AbortController();
  void pause(drainMs, AbortSignal.any([stopped.signal, second.signal])).then(() => over.abort());
  await server.stop(cutShort);
  stopped.abort();
  second.forget();
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** A database that does not answer now is waited for by each call. */
async function sayIfLost({ output }: CommandContext, look: () => Promise<unknown>): Promise<void> {
  try {
    await look();
  } catch (error) {
    if (!(error instanceof TokenctlError) || error.code !== 'ledger_unavailable') throw error;
    output.warn(`${error.message}; calls are answered with 503 until it does`);
  }
}

function logServed({ output }: CommandContext, served: Served, ms: number): void {
  if (output.debug) output.message(servedLine(served, ms));
}

function seconds(flag: string, text: string | undefined, usual: number, most: number): number {
  return text === undefined ? usual : parseCount(flag, text, 0, most);
}

const UPSTREAM = 'https://api.anthropic.com';

function upstreamOf(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): URL {
  const named = environment['ANTHROPIC_BASE_URL']?.trim() ?? '';
  const [field, text] =
    flag === undefined
      ? ['ANTHROPIC_BASE_URL', named === '' ? UPSTREAM : named]
      : ['--upstream', flag];
  const fix = `such as ${UPSTREAM}`;
  if (!URL.canParse(text)) throw invalidInput(field, 'is no URL', fix);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalidInput(field, 'must be an http or https URL', fix);
  }
  if (url.username !== '' || url.password !== '') {
    throw invalidInput(field, 'must hold no credentials', fix);
  }
  if (url.search !== '' || url.hash !== '') throw invalidInput(field, 'must hold no query', fix);
  return url;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

function requireLoopback(host: string): void {
  if (LOOPBACK.test(host)) return;
  throw invalidInput(
    '--host',
    `on ${host} anyone who reaches this machine could spend the budget`,
    'listen on 127.0.0.1',
  );
}

/** The names that clients may call it by. */
function namesOf(host: string, allowed: readonly string[]): ReadonlySet<string> {
  const names = ['localhost', '127.0.0.1', '[::1]', host.includes(':') ? `[${host}]` : host];
  return new Set([...names, ...allowed].map((name) => name.toLowerCase()));
}

function refuseItself(upstream: URL, names: ReadonlySet<string>, port: number): void {
  const upstreamPort =
    upstream.port === '' ? (upstream.protocol === 'http:' ? 80 : 443) : Number(upstream.port);
  if (upstreamPort !== port || !names.has(upstream.hostname)) return;
  throw invalidInput(
    '--upstream',
    `${upstream.origin} is this gateway itself`,
    `name the API, such as ${UPSTREAM}; ANTHROPIC_BASE_URL is for its clients`,
  );
}
