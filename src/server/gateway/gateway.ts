import type { IncomingMessage, ServerResponse } from 'node:http';
import { Listener, type Malformed } from '../listener.ts';
import { serve } from './exchange.ts';
import { answerOfRefusal, refusal, type Refusal } from './refusal.ts';
import type { Served, Serving } from './serving.ts';

export interface GatewayOptions {
  readonly serving: Serving;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** How whoever chose the port names it, for messages: `--port`. */
  readonly portFlag: string;
  /** How long a client may take to send its headers, and its whole request, in ms. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** Told of each request that was served. */
  readonly onServed: (served: Served, ms: number) => void;
  /** Told of a defect. */
  readonly onError: (error: unknown) => void;
}

/**
 * The gateway's server, listening. A request is open until its reservation has ended.
 * @throws invalid_input where it may not listen there
 */
export function startGateway(options: GatewayOptions): Promise<Listener> {
  const { serving, onServed, ...listening } = options;
  const { runtime } = serving;
  return Listener.start({
    ...listening,
    serve: async (request: IncomingMessage, response: ServerResponse) => {
      const startedMs = runtime.monotonicMs();
      onServed(await serve(serving, request, response), runtime.monotonicMs() - startedMs);
    },
    refuse: (malformed) => answerOfRefusal(refusalOfMalformed(malformed), `req_${runtime.newId()}`),
  });
}

function refusalOfMalformed(malformed: Malformed): Refusal {
  switch (malformed) {
    case 'slow':
      return refusal(408, 'timeout_error', 'the request did not arrive in time');
    case 'long_headers':
      return refusal(431, 'invalid_request_error', 'headers: must be at most 16 KiB');
    case 'no_host':
      return refusal(400, 'invalid_request_error', 'host: is needed');
    case 'no_http':
      return refusal(
        400,
        'invalid_request_error',
        'the request is no HTTP that can be read: begin it as POST /v1/messages HTTP/1.1 does, without TLS',
      );
  }
}
