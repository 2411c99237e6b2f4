import type { IncomingMessage, ServerResponse } from 'node:http';
import { batchRequest, messageRequest, parseBody } from '../../anthropic/estimate.ts';
import { messageMeter } from '../../anthropic/meter.ts';
import type { Outcome } from '../../anthropic/outcome.ts';
import { TokenctlError } from '../../budget/errors.ts';
import type { Verdict } from '../../budget/verdict.ts';
import type { Guard } from '../../guard/guard.ts';
import type { ReserveRequest } from '../../guard/input.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { readBody } from './body.ts';
import { refuseBrowsers } from './browsers.ts';
import type { Caller, Callers } from './callers.ts';
import { headersForUpstream } from './headers.ts';
import { Metering } from './metering.ts';
import {
  answerOfRefusal,
  refusal,
  refusalOfInput,
  refusalOfVerdict,
  type Refusal,
} from './refusal.ts';
import { routeOf, type Route } from './route.ts';
import type { Observer, Passage, Upstream } from './upstream.ts';

/** What serving a request needs; the same for all of them. */
export interface Serving {
  readonly guard: Pick<Guard, 'reserve' | 'settle' | 'release'>;
  readonly runtime: Runtime;
  readonly upstream: Upstream;
  readonly callers: Callers;
  /** The names that are this gateway's, in lower case, without port; null takes any. */
  readonly hosts: ReadonlySet<string> | null;
  /** Whether paths that are not known are passed on; what they cost is not counted. */
  readonly passUnknown: boolean;
  readonly mostBodyBytes: number;
  readonly warn: (message: string) => void;
}

/** How a request was served, for a log. Without keys, and without what was said. */
export interface Served {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly aiType: string | null;
  /** What the client got; null when it went away before. */
  readonly status: number | null;
  readonly reservationId: string | null;
  readonly outcome: Outcome | null;
}

/** One request and its answer. Resolves when its reservation has ended too; never throws for what a client or upstream does. */
export async function serve(
  serving: Serving,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Served> {
  const exchange = new Exchange(serving, request, response);
  await exchange.run();
  return exchange.served;
}

/** A request that was read. */
interface Called {
  readonly route: Route;
  readonly caller: Caller;
  readonly body: Buffer;
}

class Exchange {
  readonly #serving: Serving;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #aiType: string | null = null;
  #reservationId: string | null = null;
  #outcome: Outcome | null = null;

  constructor(serving: Serving, request: IncomingMessage, response: ServerResponse) {
    this.#serving = serving;
    this.#request = request;
    this.#response = response;
  }

  get served(): Served {
    return {
      method: this.#request.method ?? '',
      path: (this.#request.url ?? '').split('?')[0] ?? '',
      aiType: this.#aiType,
      status: this.#response.headersSent ? this.#response.statusCode : null,
      reservationId: this.#reservationId,
      outcome: this.#outcome,
    };
  }

  async run(): Promise<void> {
    const refused = await this.#serve();
    if (refused !== null) this.#refuse(refused);
  }

  /** What it is refused with, while the client has got nothing yet; null where it was passed on. */
  async #serve(): Promise<Refusal | null> {
    const { callers, hosts, passUnknown, mostBodyBytes } = this.#serving;
    const { method = '', url = '', headers } = this.#request;
    const stranger = refuseBrowsers(headers, hosts);
    if (stranger !== null) return stranger;
    const route = routeOf(method, url);
    if (route === null || (route.call.kind === 'unknown' && !passUnknown)) {
      return unknownPath(method, url);
    }
    const caller = await callers(headers, route.prefix);
    if ('status' in caller) return caller;
    this.#aiType = caller.aiType;
    const body = await readBody(this.#request, mostBodyBytes);
    if (body === null) return tooLarge(mostBodyBytes);
    const call = { route, caller, body };
    switch (route.call.kind) {
      case 'message':
        return this.#message(call);
      case 'batch':
        return this.#batch(call);
      case 'batch_results':
      case 'free':
      case 'unknown':
        await this.#pass(call, [], UNSEEN);
        return null;
    }
  }

  async #message(call: Called): Promise<Refusal | null> {
    const verdict = await this.#reserve(call, () => messageRequest(jsonOf(call.body)));
    if (!('admitted' in verdict)) return verdict;
    const metering = new Metering(messageMeter);
    const passage = await this.#pass(call, headersOf(verdict), metering);
    await this.#end(await metering.outcome(passage, verdict.estimate.output));
    return null;
  }

  async #batch(call: Called): Promise<Refusal | null> {
    const verdict = await this.#reserve(call, () => ({
      ...batchRequest(jsonOf(call.body)),
      ttlSeconds: BATCH_TTL_SECONDS,
    }));
    if (!('admitted' in verdict)) return verdict;
    const metering = new Metering(messageMeter);
    const passage = await this.#pass(call, headersOf(verdict), metering);
    // One that was created stays held for as long as it may take.
    const outcome = await metering.outcome(passage, verdict.estimate.output);
    if (outcome.kind === 'free' || passage.status === null) await this.#end(outcome);
    return null;
  }

  async #reserve(
    { caller: { aiType } }: Called,
    read: () => Pick<ReserveRequest, 'estimate' | 'ttlSeconds'> & { model: string | undefined },
  ): Promise<Verdict | Refusal> {
    const { guard, runtime } = this.#serving;
    try {
      const { model, ...rest } = read();
      const named = model === undefined ? {} : { model };
      const verdict = await guard.reserve({ ...rest, ...named, aiType });
      this.#reservationId = verdict.reservation?.id ?? null;
      return verdict.admitted ? verdict : refusalOfVerdict(verdict, runtime.nowMs());
    } catch (error) {
      if (error instanceof TokenctlError) return refusalOfInput(error);
      throw error;
    }
  }

  async #end(outcome: Outcome): Promise<void> {
    const { guard, warn } = this.#serving;
    const id = this.#reservationId ?? '';
    this.#outcome = outcome;
    await end(guard, id, outcome).catch((cause: unknown) => {
      warn(`reservation ${id} could not be ended: ${String(cause)}`);
    });
  }

  /** Passes it on; where no answer comes, the client is told. */
  async #pass(
    { route: { path, query }, caller: { aiType, key }, body }: Called,
    added: readonly string[],
    observer: Observer,
  ): Promise<Passage> {
    const passage = await this.#serving.upstream.pass(
      {
        method: this.#request.method ?? '',
        path: path + query,
        headers: headersForUpstream(this.#request.rawHeaders, key),
        body: body.length === 0 ? null : body,
      },
      this.#response,
      ['x-tokenctl-ai-type', aiType, ...added],
      observer,
    );
    const refused = refusalOfPassage(passage);
    if (refused !== null) this.#refuse(refused);
    return passage;
  }

  #refuse(refused: Refusal): void {
    const response = this.#response;
    const requestId = `req_${this.#serving.runtime.newId()}`;
    const { status, headers, body } = answerOfRefusal(refused, requestId);
    if (this.#aiType !== null) headers.push('x-tokenctl-ai-type', this.#aiType);
    const largest = refused.verdict?.largestAdmissible ?? null;
    if (largest !== null) headers.push('x-tokenctl-largest', String(largest));
    // What is left of a body that nobody reads must not be taken for the next request.
    if (!this.#request.complete) headers.push('connection', 'close');
    response.writeHead(status, headers).end(body);
  }
}

/** A batch ends within 24 hours. It is held an hour longer, for who reads its results at once. */
const BATCH_TTL_SECONDS = 25 * 3_600;

function jsonOf(body: Buffer): unknown {
  return parseBody(body.toString('utf8'));
}

const UNSEEN: Observer = { start: () => undefined, take: () => true };

function headersOf({ reservation, largestAdmissible }: Verdict): string[] {
  return [
    ...['x-tokenctl-reservation', reservation?.id ?? ''],
    ...['x-tokenctl-largest', String(largestAdmissible ?? 0)],
  ];
}

function end(guard: Serving['guard'], id: string, outcome: Outcome): Promise<unknown> {
  switch (outcome.kind) {
    case 'free':
      return guard.release(id, { error: outcome.error });
    case 'unknown':
      return guard.settle(id, { unknown: true, error: outcome.error });
    case 'used': {
      const { usage, model, stopReason } = outcome;
      return guard.settle(id, { ...usage, stopReason, ...(model === null ? {} : { model }) });
    }
  }
}

function unknownPath(method: string, target: string): Refusal {
  const path = (target.split('?')[0] ?? '').slice(0, 200);
  return refusal(
    404,
    'not_found_error',
    `${method} ${path}: this gateway serves /v1/messages, /v1/messages/count_tokens, /v1/messages/batches and /v1/models`,
  );
}

function tooLarge(mostBytes: number): Refusal {
  const most = `${String(Math.floor(mostBytes / 1_048_576))} MiB`;
  return refusal(413, 'request_too_large', `body: must be at most ${most}`, { mayRetry: false });
}

/** Where no answer came, and the client is there to be told. */
function refusalOfPassage({ status, end, error }: Passage): Refusal | null {
  if (status !== null || end !== 'cut') return null;
  if (error !== null && 'code' in error && error.code === 'UND_ERR_HEADERS_TIMEOUT') {
    return refusal(504, 'timeout_error', 'the provider did not answer in time');
  }
  return refusal(502, 'api_error', `the provider gave no answer: ${error?.message ?? ''}`);
}
