import type { StatusReport } from '../../../ledger/status.ts';
import { Refusal, request } from './server.ts';

/** The server's events, for as long as the page is open. */

export interface FeedEvents {
  readonly onStatus: (report: StatusReport) => void;
  /** The server lives, and its ledger does not answer. */
  readonly onLost: (message: string) => void;
  readonly onHeartbeat: () => void;
  /** The stream ended; it is begun anew so many ms later. */
  readonly onDown: (why: string, retryMs: number) => void;
  /** Another token is needed; nothing is tried until `start`. */
  readonly onRefused: (why: string) => void;
}

/** The server says something at least each 15 s. */
const SILENCE_MS = 35_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

/** Read by fetch, as EventSource can't send a token. */
export class Feed {
  readonly #events: FeedEvents;
  #running: AbortController | null = null;
  #retryMs = FIRST_RETRY_MS;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(events: FeedEvents) {
    this.#events = events;
  }

  /** Begins, or begins anew at once. */
  start(): void {
    clearTimeout(this.#retry);
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    void this.#run(running);
  }

  /** What waits to be tried again is tried now. */
  hurry(): void {
    if (this.#retry !== undefined) this.start();
  }

  async #run(running: AbortController): Promise<void> {
    this.#retry = undefined;
    let why = 'the server has ended the connection';
    try {
      await this.#listen(running);
    } catch (error) {
      if (error instanceof Refusal && error.ofToken) {
        if (this.#running === running) this.#events.onRefused(error.message);
        return;
      }
      why = whyOf(error, running.signal);
    }
    // Another one has begun.
    if (this.#running !== running) return;
    const waitMs = this.#retryMs;
    this.#retryMs = Math.min(LONGEST_RETRY_MS, waitMs * 2);
    this.#retry = setTimeout(() => this.start(), waitMs);
    this.#events.onDown(why, waitMs);
  }

  async #listen(running: AbortController): Promise<void> {
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => running.abort(new Error('the server says nothing')), SILENCE_MS);
    };
    heard();
    try {
      const { body } = await request('/api/v1/events', running.signal);
      if (body === null) return;
      const reader = body.getReader();
      const decoder = new TextDecoder();
      let text = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        heard();
        text += decoder.decode(value, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) this.#take(block);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #take(block: string): void {
    const field = (name: string): string | undefined =>
      block
        .split('\n')
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2);
    const data = JSON.parse(field('data') ?? 'null') as unknown;
    switch (field('event')) {
      case 'status':
        this.#retryMs = FIRST_RETRY_MS;
        this.#events.onStatus(data as StatusReport);
        break;
      case 'lost':
        this.#retryMs = FIRST_RETRY_MS;
        this.#events.onLost((data as { message: string }).message);
        break;
      case 'heartbeat':
        this.#events.onHeartbeat();
        break;
      default:
    }
  }
}

function whyOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted && signal.reason instanceof Error) return signal.reason.message;
  if (error instanceof Refusal) return error.message;
  return 'the server does not answer';
}
