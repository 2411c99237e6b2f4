import { isoTime } from '../../budget/windows.ts';
import type { Runtime } from '../../platform/runtime.ts';
import { later } from '../../platform/timers.ts';
import type { Documents } from './documents.ts';
import { Problem, problemOf } from './problem.ts';
import type { StatusReads } from './status-reads.ts';

/** How often the ledger is looked at while anybody listens, in ms. */
const LOOK_MS = 1_000;
/** A sign of life at least this often, in ms. */
const HEARTBEAT_MS = 15_000;
/** How often the tokens of those who listen are checked anew, in ms. */
const CHECK_MS = 5_000;
/** How soon a client whose connection ended comes back, in ms. */
const COME_BACK_MS = 2_000;
const MOST_CLIENTS = 500;
/** Events that wait for a client that does not read; one that has more is let go. */
const MOST_WAITING = 32;

interface Client {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly stillAllowed: () => Promise<boolean>;
}

interface Told {
  /** What the newest event said, without its time. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

const ENCODER = new TextEncoder();

/**
 * Server-sent events: `status` when the ledger has changed, `lost` when it does not answer, `heartbeat`,
 * and `stopping`. One reader of the ledger for all who listen, and none while nobody does.
 */
export class Events {
  readonly #reads: StatusReads;
  readonly #documents: Documents;
  readonly #runtime: Runtime;
  readonly #clients = new Set<Client>();
  #newest: Told | null = null;
  #lastToldMs = 0;
  #lastCheckedMs = 0;
  #looking = false;
  #closed = false;

  constructor(reads: StatusReads, documents: Documents, runtime: Runtime) {
    this.#reads = reads;
    this.#documents = documents;
    this.#runtime = runtime;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** A stream that begins with how things are. @throws too_many_clients */
  async listen(stillAllowed: Client['stillAllowed']): Promise<ReadableStream<Uint8Array>> {
    if (this.#closed || this.#clients.size >= MOST_CLIENTS) {
      const detail = this.#closed ? 'the server stops' : `${String(MOST_CLIENTS)} clients listen`;
      throw new Problem('too_many_clients', detail, {
        fix: 'poll /api/v1/status, or come back later',
        retryAfterS: 5,
      });
    }
    let controller!: Client['controller'];
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (given) => {
          controller = given;
        },
        cancel: () => void this.#clients.delete(client),
      },
      { highWaterMark: MOST_WAITING },
    );
    const client: Client = { controller, stillAllowed };
    this.#clients.add(client);
    this.#send(client, ENCODER.encode(`retry: ${String(COME_BACK_MS)}\n\n`));
    this.#send(client, (await this.#look()).bytes);
    this.#keepLooking();
    return stream;
  }

  /** Tells everybody that the server stops, and ends their streams. */
  close(): void {
    this.#closed = true;
    const bytes = event('stopping', { time: isoTime(this.#runtime.nowMs()) });
    for (const client of this.#clients) {
      this.#send(client, bytes);
      this.#end(client);
    }
  }

  #keepLooking(): void {
    if (this.#looking || this.#clients.size === 0 || this.#closed) return;
    this.#looking = true;
    later(LOOK_MS, () => {
      void this.#tell().finally(() => {
        this.#looking = false;
        this.#keepLooking();
      });
    });
  }

  /** Tells everybody what is new, or that it lives. */
  async #tell(): Promise<void> {
    if (this.#runtime.monotonicMs() - this.#lastCheckedMs >= CHECK_MS) await this.#dismiss();
    const before = this.#newest?.id;
    const now = await this.#look();
    if (now.id !== before) {
      this.#broadcast(now.bytes);
    } else if (this.#runtime.monotonicMs() - this.#lastToldMs >= HEARTBEAT_MS) {
      this.#broadcast(event('heartbeat', { time: isoTime(this.#runtime.nowMs()) }));
    }
  }

  /** How things are, as an event. */
  async #look(): Promise<Told> {
    let told: Told;
    try {
      const { report } = await this.#reads.read();
      const { text, etag } = this.#documents.rendered(report);
      told = { id: etag, bytes: encoded('status', text, etag) };
    } catch (error) {
      const { code, message } = problemOf(error);
      const bytes = event('lost', { code, message, time: isoTime(this.#runtime.nowMs()) });
      told = { id: `lost ${code}`, bytes };
    }
    this.#newest = told;
    return told;
  }

  #broadcast(bytes: Uint8Array): void {
    this.#lastToldMs = this.#runtime.monotonicMs();
    for (const client of this.#clients) this.#send(client, bytes);
  }

  #send(client: Client, bytes: Uint8Array): void {
    if (!this.#clients.has(client)) return;
    // Whoever does not read must not fill the memory.
    if ((client.controller.desiredSize ?? 0) <= 0) this.#end(client);
    else client.controller.enqueue(bytes);
  }

  /** Ends the streams of those whose token is over. */
  async #dismiss(): Promise<void> {
    this.#lastCheckedMs = this.#runtime.monotonicMs();
    for (const client of [...this.#clients]) {
      if (!(await client.stillAllowed())) this.#end(client);
    }
  }

  #end(client: Client): void {
    if (this.#clients.delete(client)) client.controller.close();
  }
}

function event(name: string, data: object): Uint8Array {
  return encoded(name, JSON.stringify(data));
}

function encoded(name: string, data: string, id?: string): Uint8Array {
  const lines = [`event: ${name}`, ...(id === undefined ? [] : [`id: ${id}`])];
  return ENCODER.encode(`${lines.join('\n')}\ndata: ${data}\n\n`);
}
