import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { invalidInput } from '../budget/errors.ts';

/** An answer that is made here: its status, headers (name, value, …) and body. */
export interface OwnAnswer {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
}

/** What came was no request: it was too slow, its headers were too long or name no host, or it is no HTTP. */
export type Malformed = 'slow' | 'long_headers' | 'no_host' | 'no_http';

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** How whoever chose the port names it, for messages: `--port`. */
  readonly portFlag: string;
  /** How long a client may take to send its headers, and its whole request, in ms. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** Answers a request; resolves when all that it began is over. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** The answer to what is no request. */
  readonly refuse: (malformed: Malformed) => OwnAnswer;
  /** Told of a defect. */
  readonly onError: (error: unknown) => void;
}

/** How long a connection is kept for another request, in ms: longer than clients keep theirs, who would find it closed. */
const IDLE_MS = 75_000;
/** How often the time-outs of clients are looked at, in ms. */
const TIMEOUTS_LOOKED_AT_MS = 1_000;

/** An HTTP server: accepts requests, and knows which are open. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  /** Open requests. */
  readonly #open = new Set<Promise<void>>();
  /** The answer that is due on a connection. */
  readonly #due = new WeakMap<Duplex, ServerResponse>();

  private constructor(options: ListenerOptions) {
    this.#options = options;
    const { headersMs, requestMs } = options;
    this.#server = createServer({
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: IDLE_MS,
      // Node's own refusal says nothing.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(TIMEOUTS_LOOKED_AT_MS, headersMs),
    });
    this.#server.on('request', (request, response) => this.#take(request, response));
    // Expectations other than 100-continue may be ignored.
    this.#server.on('checkExpectation', (request, response) => this.#take(request, response));
    this.#server.on('clientError', (error, socket) => this.#refuseMalformed(error, socket));
  }

  /** Listens when it resolves. @throws invalid_input where it may not listen there */
  static async start(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    listener.#server.listen(options.port, options.host);
    try {
      await once(listener.#server, 'listening');
    } catch (error) {
      throw unlistenable(error, options);
    }
    return listener;
  }

  /** Such as `http://127.0.0.1:4010`. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${String(port)}`;
  }

  /** How many requests are open. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Stops listening, and resolves when every open request is over.
   * @param cutShort aborted when that has taken too long: then what is open is broken off
   */
  async stop(cutShort: AbortSignal): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    const cut = (): void => this.#server.closeAllConnections();
    cutShort.addEventListener('abort', cut);
    if (cutShort.aborted) cut();
    while (this.#open.size > 0) await Promise.race(this.#open);
    cutShort.removeEventListener('abort', cut);
    this.#server.closeAllConnections();
    await closed;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { serve, refuse, onError } = this.#options;
    const { socket, httpVersion } = request;
    this.#due.set(socket, response);
    response.on('close', () => this.#due.delete(socket));
    // While it stops, a connection is not kept for another request.
    response.on('finish', () => {
      if (!this.#server.listening) this.#server.closeIdleConnections();
    });
    if (request.headers.host === undefined && httpVersion === '1.1') {
      const { status, headers, body } = refuse('no_host');
      response.writeHead(status, [...headers, 'connection', 'close']).end(body);
      return;
    }
    const work = serve(request, response)
      .catch((error: unknown) => {
        // A client that went away before it was answered is no defect.
        if (!response.destroyed) onError(error);
        response.destroy();
      })
      .finally(() => this.#open.delete(work));
    this.#open.add(work);
  }

  /** A request that is no HTTP, or came too slowly. */
  #refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const begun = this.#due.get(socket)?.headersSent === true;
    if (error.code === 'ECONNRESET' || !socket.writable || begun) {
      socket.destroy();
      return;
    }
    const { status, headers, body } = this.#options.refuse(malformed(error));
    const lines = [`HTTP/1.1 ${String(status)} `, 'connection: close'];
    for (let index = 0; index < headers.length; index += 2) {
      lines.push(`${headers[index] ?? ''}: ${headers[index + 1] ?? ''}`);
    }
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }
}

function malformed({ code }: NodeJS.ErrnoException): Malformed {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'slow';
  return code === 'HPE_HEADER_OVERFLOW' ? 'long_headers' : 'no_http';
}

function unlistenable(error: unknown, { host, port, portFlag }: ListenerOptions): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return invalidInput(
        portFlag,
        `${String(port)} is taken on ${host}`,
        `choose another ${portFlag}`,
      );
    case 'EACCES':
      return invalidInput(
        portFlag,
        `this user may not listen on ${String(port)}`,
        'choose one above 1023',
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return invalidInput('--host', `${host} is no address of this machine`);
    default:
      return error;
  }
}
