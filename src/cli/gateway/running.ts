import type { Suggest } from '../../budget/suggest.ts';
import type { Guard } from '../../guard/guard.ts';
import type { AccessTokens } from '../../server/access.ts';
import { callersWithKeys, callersWithTokens } from '../../server/gateway/callers.ts';
import { startGateway } from '../../server/gateway/gateway.ts';
import { Upstream } from '../../server/gateway/upstream.ts';
import type { Listener } from '../../server/listener.ts';
import type { CommandContext } from '../context.ts';
import { listeningGateway, servedLine, type ListeningGateway } from '../views/gateway.ts';
import type { GatewaySettings } from './flags.ts';

/** As long as the API's own greatest request. */
const MOST_BODY_BYTES = 33_554_432;
/** How long a client may take to send its headers, and its whole request. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 120_000;
/** Longer than the official clients wait for an answer. */
const ANSWER_MS = 900_000;
/** The API says something at least every few seconds while it streams. */
const PAUSE_MS = 600_000;

interface Parts {
  readonly guard: Guard;
  readonly tokens: AccessTokens;
  readonly suggest: Suggest;
}

/** What breaks open calls off, once it has been asked to stop. */
interface Stopping {
  cutShort: AbortSignal | null;
}

/** The gateway as a command runs it, listening. */
export class RunningGateway {
  readonly #settings: GatewaySettings;
  readonly #listener: Listener;
  readonly #upstream: Upstream;
  readonly #stopping: Stopping;

  private constructor(
    settings: GatewaySettings,
    listener: Listener,
    upstream: Upstream,
    stopping: Stopping,
  ) {
    this.#stopping = stopping;
    this.#settings = settings;
    this.#listener = listener;
    this.#upstream = upstream;
  }

  /** @throws invalid_input where it may not listen there */
  static async start(
    { output, runtime }: CommandContext,
    settings: GatewaySettings,
    { guard, tokens, suggest }: Parts,
  ): Promise<RunningGateway> {
    const { host, port, portFlag, aiType, key, hosts, passUnknown, maxWaitMs } = settings;
    const upstream = new Upstream({
      url: settings.upstream,
      answerMs: ANSWER_MS,
      pauseMs: PAUSE_MS,
    });
    const stopping: Stopping = { cutShort: null };
    const listener = await startGateway({
      host,
      port,
      portFlag,
      headersMs: HEADERS_MS,
      requestMs: REQUEST_MS,
      serving: {
        budget: guard,
        runtime,
        upstream,
        callers: key === null ? callersWithKeys(aiType) : callersWithTokens(tokens, key, aiType),
        hosts,
        passUnknown,
        mostBodyBytes: MOST_BODY_BYTES,
        maxWaitMs,
        suggest,
        isCutShort: () => stopping.cutShort?.aborted === true,
        warn: (message) => output.warn(message),
      },
      onServed: (served, ms) => {
        if (output.debug) output.message(servedLine(served, ms));
      },
      onError: (error) => {
        output.warn(`a call failed by a defect: ${String(error)}`);
        if (output.debug && error instanceof Error) output.message(error.stack ?? '');
      },
    });
    return new RunningGateway(settings, listener, upstream, stopping);
  }

  /** Such as `http://127.0.0.1:4010`. */
  get url(): string {
    return this.#listener.url;
  }

  /** How it listens, for those who are told. */
  get listening(): ListeningGateway {
    return listeningGateway(this.#settings, this.url);
  }

  /** How long open calls may go on when it is asked to stop. */
  get drainMs(): number {
    return this.#settings.drainMs;
  }

  /** How many calls are open. */
  get open(): number {
    return this.#listener.open;
  }

  /** Stops listening, and resolves when every open call is over, or soon after the signal. */
  async stop(cutShort: AbortSignal): Promise<void> {
    this.#stopping.cutShort = cutShort;
    await this.#listener.stop(cutShort);
    await this.#upstream.close();
  }
}
