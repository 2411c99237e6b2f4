import type { ServerResponse } from 'node:http';
import { Agent, type Dispatcher } from 'undici';
import { headersForClient, type RawHeaders } from './headers.ts';

export interface UpstreamOptions {
  /** Where the API is: scheme, host, port, and a path before `/v1` or none. */
  readonly url: URL;
  /** How long upstream may take until its answer begins, in ms. */
  readonly answerMs: number;
  /** How long an answer may pause, in ms. */
  readonly pauseMs: number;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | null;
}

/** An answer that was read whole before anybody got it. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
}

/** Sees an answer pass. */
export interface Observer {
  /** @param resume asks for the next bytes, after `take` was false */
  start(status: number, headers: RawHeaders, resume: () => void): void;
  /** The next bytes, once they were passed on; false asks for no more for now. */
  take(bytes: Uint8Array): boolean;
}

/** How an exchange with upstream went. */
export interface Passage {
  /** The answer's status; null where none came. */
  readonly status: number | null;
  /** whole: the answer came to its end; cut: upstream failed; left: the client's connection ended before. */
  readonly end: 'whole' | 'cut' | 'left';
  /** Whether upstream may have got the request. */
  readonly sent: boolean;
  readonly error: Error | null;
}

/** The API behind the gateway, over connections that are kept. */
export class Upstream {
  readonly #agent: Agent;
  readonly #origin: string;
  readonly #base: string;

  constructor({ url, answerMs, pauseMs }: UpstreamOptions) {
    this.#agent = new Agent({ headersTimeout: answerMs, bodyTimeout: pauseMs });
    this.#origin = url.origin;
    this.#base = url.pathname.replace(/\/+$/, '');
  }

  /**
   * Sends a request, and passes the answer on as it comes: no faster than the client reads, and no
   * longer than it stays. An answer that breaks off breaks off for the client too. Where no answer
   * came, the client has got nothing yet.
   * @param added headers for the client beside upstream's own
   * @param gone aborted when the response is closed, with the reason why
   */
  pass(
    request: UpstreamRequest,
    response: ServerResponse,
    added: RawHeaders,
    observer: Observer,
    gone: AbortSignal,
  ): Promise<Passage> {
    return new Promise((resolve) => {
      let controller: Dispatcher.DispatchController | null = null;
      let status: number | null = null;
      const resume = (): void => controller?.resume();
      const done = (end: Passage['end'], error: Error | null): void => {
        response.off('close', onClose).off('drain', resume);
        resolve({ status, end, sent: controller !== null, error });
      };
      const onClose = (): void => {
        const left = gone.reason as Error;
        done('left', left);
        controller?.abort(left);
      };
      response.once('close', onClose).on('drain', resume);
      if (response.destroyed) {
        onClose();
        return;
      }
      this.#agent.dispatch(
        {
          ...request,
          origin: this.#origin,
          path: this.#base + request.path,
        },
        {
          onRequestStart(started) {
            if (response.destroyed) started.abort(gone.reason as Error);
            else controller = started;
          },
          onResponseStart(started, code, _headers, message) {
            // Something before the answer: only the answer is passed on.
            if (code < 200) return;
            const headers = texts(started.rawHeaders);
            response.sendDate = false;
            response.writeHead(code, message ?? '', [...headersForClient(headers), ...added]);
            response.flushHeaders();
            status = code;
            observer.start(code, headers, resume);
          },
          onResponseData(started, bytes) {
            const written = response.write(bytes);
            const taken = observer.take(bytes);
            if (!written || !taken) started.pause();
          },
          onResponseEnd() {
            response.end();
            done('whole', null);
          },
          onResponseError(_started, error) {
            done('cut', error);
            if (status !== null) response.destroy();
          },
        },
      );
    });
  }

  /**
   * Sends a request, and reads its answer whole.
   * @param mostBytes the longest body that is read
   * @throws what kept the answer away
   */
  async whole(
    request: UpstreamRequest,
    mostBytes: number,
    signal: AbortSignal,
  ): Promise<WholeAnswer> {
    const { statusCode, headers, body } = await this.#agent.request({
      ...request,
      method: request.method,
      origin: this.#origin,
      path: this.#base + request.path,
      responseHeaders: 'raw',
      signal,
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > mostBytes) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
    const raw = headers as unknown as Dispatcher.DispatchController['rawHeaders'];
    return { status: statusCode, headers: texts(raw), body: Buffer.concat(chunks) };
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function texts(headers: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(headers)) return [];
  return headers.map((text) => (typeof text === 'string' ? text : text.toString('latin1')));
}
