import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { App } from '../../app.ts';
import type { Suggest } from '../../budget/suggest.ts';
import type { Guard } from '../../guard/guard.ts';
import type { Runtime } from '../../platform/runtime.ts';
import type { AccessTokens } from '../access.ts';
import { Listener, type Malformed } from '../listener.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createApi, REQUEST_ID } from './app.ts';
import { Doorman } from './doorman.ts';
import { Documents } from './documents.ts';
import { Events } from './events.ts';
import { answerOfProblem, Problem, problemOf } from './problem.ts';
import { SharedReads } from './shared-reads.ts';
import { StatusReads } from './status-reads.ts';

export interface ApiServerOptions {
  readonly app: App;
  readonly guard: Guard;
  readonly tokens: AccessTokens;
  readonly runtime: Runtime;
  readonly metrics: Metrics;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** How whoever chose the port names it, for messages: `--port`. */
  readonly portFlag: string;
  /** Whether only this machine reaches that address. */
  readonly local: boolean;
  /** The names that are this server's, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
  /** How long a client may take to send its headers, and its whole request, in ms. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** For the commands in answers, but of those to strangers. */
  readonly suggest: Suggest;
  /** Told of each request that was answered, or given up by its client. */
  readonly onServed: (served: ServedRequest) => void;
  /** Told of a defect. */
  readonly onError: (error: unknown) => void;
}

/** How a request was served, for a log. */
export interface ServedRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Null where the client went away before. */
  readonly status: number | null;
  readonly requestId: string;
  readonly ms: number;
}

/** For every answer. A page of its own sets another content-security-policy. */
const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

const GIVEN_ID = /^[\w.:-]{1,128}$/;
const TARGET = /^\/[^\s#]*$/;

/** The HTTP API, listening. */
export class ApiServer {
  readonly #listener: Listener;
  readonly #events: Events;

  private constructor(listener: Listener, events: Events) {
    this.#listener = listener;
    this.#events = events;
  }

  /** @throws invalid_input where it may not listen there */
  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const { app, guard, tokens, runtime, metrics, local, hosts, onError, onServed } = options;
    const shared = new SharedReads(runtime);
    const reads = new StatusReads(app, shared);
    const documents = new Documents(options.suggest);
    const events = new Events(reads, documents, runtime);
    const doorman = new Doorman({ tokens, runtime, local, hosts });
    const services = { app, guard, tokens, runtime, shared, reads, documents, events, metrics };
    const api = createApi({ services, doorman, onError });
    const answer = getRequestListener((request, env) => api.fetch(request, env), {
      // The name is checked before: this only stands in where HTTP/1.0 sends none.
      hostname: 'localhost',
    });
    const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const startedMs = runtime.monotonicMs();
      const requestId = idOf(request, runtime);
      response.setHeader(REQUEST_ID, requestId);
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
      const over = closed(response);
      try {
        requireTarget(request);
        doorman.refuseStrangers(request);
      } catch (error) {
        refuseRaw(response, problemOf(error), requestId);
        await over;
        return;
      }
      await answer(request, response);
      await over;
      const { method = '', url = '' } = request;
      const status =
        response.writableFinished && request.errored === null ? response.statusCode : null;
      const path = url.split('?')[0] ?? '';
      onServed({ method, path, status, requestId, ms: runtime.monotonicMs() - startedMs });
    };
    const { host, port, portFlag, headersMs, requestMs } = options;
    const listener = await Listener.start({
      ...{ host, port, portFlag, headersMs, requestMs, serve, onError },
      refuse: (malformed) => {
        const requestId = runtime.newId();
        const own = answerOfProblem(problemOfMalformed(malformed), requestId);
        return { ...own, headers: [...own.headers, REQUEST_ID, requestId] };
      },
    });
    return new ApiServer(listener, events);
  }

  /** Such as `http://127.0.0.1:4000`. */
  get url(): string {
    return this.#listener.url;
  }

  /** How many requests are open. */
  get open(): number {
    return this.#listener.open;
  }

  /** Stops listening, tells those who listen to events, and resolves when every open request is over, or soon after the signal. */
  async stop(cutShort: AbortSignal): Promise<void> {
    this.#events.close();
    await this.#listener.stop(cutShort);
  }
}

function idOf({ headers }: IncomingMessage, runtime: Runtime): string {
  const given = headers[REQUEST_ID];
  return typeof given === 'string' && GIVEN_ID.test(given) ? given : runtime.newId();
}

/** @throws invalid_input for what is no path and query: a proxy's form, or one that no URL has */
function requireTarget({ url = '', headers: { host = 'localhost' } }: IncomingMessage): void {
  if (TARGET.test(url) && URL.canParse(url, `http://${host}`)) return;
  throw new Problem('invalid_input', 'path: must be a path such as /api/v1/status', {
    field: 'path',
  });
}

function refuseRaw(response: ServerResponse, problem: Problem, requestId: string): void {
  const { status, headers, body } = answerOfProblem(problem, requestId);
  response.writeHead(status, [...headers, 'connection', 'close']).end(body);
}

function closed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', resolve));
}

function problemOfMalformed(malformed: Malformed): Problem {
  switch (malformed) {
    case 'slow':
      return new Problem('request_timeout', 'the request did not arrive in time');
    case 'long_headers':
      return new Problem('headers_too_large', 'headers: must be at most 16 KiB');
    case 'no_host':
      return new Problem('invalid_input', 'host: is needed', { field: 'host' });
    case 'no_http':
      return new Problem('invalid_input', 'the request is no HTTP that can be read', {
        fix: 'begin it as GET /healthz HTTP/1.1 does, without TLS',
      });
  }
}
