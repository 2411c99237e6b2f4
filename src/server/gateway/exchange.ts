import type { IncomingMessage, ServerResponse } from 'node:http';
import { batchRequest, messageRequest, parseBody } from '../../anthropic/estimate.ts';
import { messageMeter } from '../../anthropic/meter.ts';
import { outcomeOfError, outcomeOfStatus, type Outcome } from '../../anthropic/outcome.ts';
import { parsed } from '../../anthropic/json.ts';
import { TokenctlError } from '../../budget/errors.ts';
import type { Verdict } from '../../budget/verdict.ts';
import { reserveInTime } from '../../guard/admission.ts';
import { BATCH_TTL_SECONDS, noteBatch, resultsObserver } from '../../guard/anthropic-batches.ts';
import { Hold } from '../../guard/hold.ts';
import type { ReserveRequest } from '../../guard/input.ts';
import { readBody } from '../body.ts';
import { findStranger } from '../strangers.ts';
import { headersOfLength, LONGEST_BATCH_ANSWER, namesBatches, withResultsAt } from './batches.ts';
import { UNNAMED, type Caller } from './callers.ts';
import { headersForClient, headersForUpstream } from './headers.ts';
import { outcomeOfPassage } from './outcome.ts';
import { Reading } from './reading.ts';
import {
  answerOfRefusal,
  refusalOfInput,
  refusalOfNoAnswer,
  refusalOfStranger,
  refusalOfVerdict,
  tooLarge,
  unknownPath,
  type Refusal,
} from './refusal.ts';
import { routeOf, type Route } from './route.ts';
import type { Served, Serving } from './serving.ts';
import type { Observer, Passage, UpstreamRequest } from './upstream.ts';

/**
 * One request and its answer. Resolves when its reservation has ended too, or is about to.
 * @throws Node's own error when the client goes away while it sends its request
 */
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

/** A call that was admitted, and what the client is told of it. */
interface Admitted {
  readonly hold: Hold;
  readonly headers: readonly string[];
}

class Exchange {
  readonly #serving: Serving;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  /** Aborted when the client has gone, or has got all. */
  readonly #gone = new AbortController();
  #aiType: string | null = null;
  #hold: Hold | null = null;
  #outcome: Outcome | null = null;

  constructor(serving: Serving, request: IncomingMessage, response: ServerResponse) {
    this.#serving = serving;
    this.#request = request;
    this.#response = response;
    response.once('close', () => {
      const who = serving.isCutShort() ? 'the gateway was stopped' : 'the client went away';
      this.#gone.abort(new Error(who));
    });
  }

  get served(): Served {
    return {
      method: this.#request.method ?? '',
      path: (this.#request.url ?? '').split('?')[0] ?? '',
      aiType: this.#aiType,
      status: this.#response.headersSent ? this.#response.statusCode : null,
      reservationId: this.#hold?.id ?? null,
      outcome: this.#outcome,
    };
  }

  async run(): Promise<void> {
    const refused = await this.#serve();
    if (refused !== null) this.#refuse(refused);
  }

  /** What it is refused with, while the client has got nothing yet; null where it was answered. */
  async #serve(): Promise<Refusal | null> {
    const { callers, hosts, passUnknown, mostBodyBytes } = this.#serving;
    const { method = '', url = '', headers } = this.#request;
    const stranger = findStranger(headers, hosts);
    if (stranger !== null) return refusalOfStranger(stranger);
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
        return this.#createBatch(call);
      case 'batch_results':
        await this.#batchResults(call, route.call.batchId);
        return null;
      case 'free':
      case 'unknown':
        if (namesBatches(route.path)) await this.#aboutBatches(call, []);
        else await this.#pass(call, [], UNSEEN);
        return null;
    }
  }

  async #message(call: Called): Promise<Refusal | null> {
    const admitted = await this.#reserve(call, () => messageRequest(jsonOf(call.body)));
    if (!('hold' in admitted)) return admitted;
    const reading = new Reading(messageMeter);
    const passage = await this.#pass(call, admitted.headers, reading);
    const meter = await reading.finish();
    await this.#end(outcomeOfPassage(passage, meter, admitted.hold.estimate.output));
    return null;
  }

  /** A batch that was created stays held until its results are read, or its time is over. */
  async #createBatch(call: Called): Promise<Refusal | null> {
    const admitted = await this.#reserve(call, () => ({
      ...batchRequest(jsonOf(call.body)),
      ttlSeconds: BATCH_TTL_SECONDS,
    }));
    if (!('hold' in admitted)) return admitted;
    const answered = await this.#aboutBatches(call, admitted.headers);
    if ('outcome' in answered) await this.#end(answered.outcome);
    else {
      const { budget, warn } = this.#serving;
      const batch = parsed(answered.body.toString('utf8'));
      await noteBatch(budget, admitted.hold.id, batch, warn);
    }
    return null;
  }

  async #batchResults(call: Called, batchId: string): Promise<void> {
    const { budget, warn } = this.#serving;
    const reading = new Reading(() => resultsObserver(budget, batchId, warn));
    const { end } = await this.#pass(call, [], reading);
    const results = await reading.finish();
    await results?.end(end);
  }

  /** Answers what names batches, with their results at this gateway. */
  async #aboutBatches(
    call: Called,
    added: readonly string[],
  ): Promise<{ readonly body: Buffer } | { readonly outcome: Outcome }> {
    const { upstream } = this.#serving;
    let answer;
    try {
      const request = this.#forUpstream(call, { whole: true });
      answer = await upstream.whole(request, LONGEST_BATCH_ANSWER, this.#gone.signal);
    } catch (error) {
      if (!this.#gone.signal.aborted) this.#refuse(refusalOfNoAnswer(error));
      return { outcome: outcomeOfError(error) };
    }
    const { status, headers } = answer;
    const body = withResultsAt(answer.body, this.#base(call.route));
    const own = headersOfLength(headersForClient(headers), body.length);
    this.#response.sendDate = false;
    this.#response.writeHead(status, [...own, ...this.#named(), ...added]).end(body);
    const refused = outcomeOfStatus(status);
    return refused === null ? answer : { outcome: refused };
  }

  async #reserve(
    { caller: { aiType } }: Called,
    read: () => Pick<ReserveRequest, 'estimate' | 'ttlSeconds' | 'model'>,
  ): Promise<Admitted | Refusal> {
    const { budget, runtime, maxWaitMs, warn } = this.#serving;
    if (aiType === null) return UNNAMED;
    try {
      const request = { ...read(), aiType };
      const verdict = await reserveInTime(budget, request, maxWaitMs, runtime, this.#gone.signal);
      const { reservation, estimate } = verdict;
      if (reservation === null) return refusalOfVerdict(verdict, runtime.nowMs());
      const hold = new Hold(budget, reservation.id, estimate, warn);
      this.#hold = hold;
      return { hold, headers: headersOf(verdict) };
    } catch (error) {
      if (error instanceof TokenctlError) return refusalOfInput(error);
      throw error;
    }
  }

  async #end(outcome: Outcome): Promise<void> {
    this.#outcome = outcome;
    await this.#hold?.end(outcome);
  }

  /** Passes it on; where no answer comes, the client is told. */
  async #pass(call: Called, added: readonly string[], observer: Observer): Promise<Passage> {
    const passage = await this.#serving.upstream.pass(
      this.#forUpstream(call),
      this.#response,
      [...this.#named(), ...added],
      observer,
      this.#gone.signal,
    );
    const { status, end, error } = passage;
    if (status === null && end === 'cut') this.#refuse(refusalOfNoAnswer(error));
    return passage;
  }

  #forUpstream(
    { route: { path, query }, caller: { key }, body }: Called,
    { whole = false } = {},
  ): UpstreamRequest {
    const { method = '', rawHeaders } = this.#request;
    return {
      method,
      path: path + query,
      headers: headersForUpstream(rawHeaders, { key, decoded: whole }),
      body: body.length === 0 ? null : body,
    };
  }

  /** Where the client reaches this gateway. */
  #base({ prefix }: Route): string {
    const { host = '', 'x-forwarded-proto': proto } = this.#request.headers;
    return `${proto === 'https' ? 'https' : 'http'}://${host}${prefix === null ? '' : `/${prefix}`}`;
  }

  #named(): string[] {
    return this.#aiType === null ? [] : ['x-tokenctl-ai-type', this.#aiType];
  }

  #refuse(refused: Refusal): void {
    const response = this.#response;
    const requestId = `req_${this.#serving.runtime.newId()}`;
    const { status, headers, body } = answerOfRefusal(refused, requestId, this.#serving.suggest);
    headers.push(...this.#named());
    const largest = refused.verdict?.largestAdmissible ?? null;
    if (largest !== null) headers.push('x-tokenctl-largest', String(largest));
    // What is left of a body that nobody reads must not be taken for the next request.
    if (!this.#request.complete) headers.push('connection', 'close');
    response.writeHead(status, headers).end(body);
  }
}

const UNSEEN: Observer = { start: () => undefined, take: () => true };

function jsonOf(body: Buffer): unknown {
  return parseBody(body.toString('utf8'));
}

function headersOf({ reservation, largestAdmissible }: Verdict): string[] {
  return [
    ...['x-tokenctl-reservation', reservation?.id ?? ''],
    ...['x-tokenctl-largest', String(largestAdmissible ?? 0)],
  ];
}
