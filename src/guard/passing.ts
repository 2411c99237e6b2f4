/** What is told of a body that passes. */
export interface Observer {
  /** Its next bytes, once they were passed on. */
  take(bytes: Uint8Array): void;
  /**
   * It is over. Its last bytes were passed on; its end is passed on when this resolves.
   * @param how whole: to its end; cut: an error came instead; left: the reader wants no more
   */
  end(how: 'whole' | 'cut' | 'left'): Promise<void>;
}

/** Statuses whose answers have no body. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * The same answer, with somebody who sees its body pass: byte by byte as it comes, no faster than it is
 * read, and a reader who leaves makes the source stop at once. An answer without a body is over before
 * it is passed on.
 * @param aborted ends it as `cut` when it is aborted while nobody reads
 */
export async function passing(
  response: Response,
  observer: Observer,
  aborted?: AbortSignal | null,
): Promise<Response> {
  const source = response.body?.getReader() ?? null;
  if (source === null && WITHOUT_BODY.has(response.status)) {
    await observer.end('whole');
    return response;
  }
  let over = false;
  const end = async (how: Parameters<Observer['end']>[0]): Promise<void> => {
    if (over) return;
    over = true;
    aborted?.removeEventListener('abort', onAbort);
    await observer.end(how);
  };
  const onAbort = (): void => void end('cut');
  aborted?.addEventListener('abort', onAbort, { once: true });
  if (aborted?.aborted === true) onAbort();

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(reader) {
        let next: Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>;
        try {
          next = source === null ? { done: true, value: undefined } : await source.read();
        } catch (error) {
          await end('cut');
          reader.error(error);
          return;
        }
        if (next.done) {
          await end('whole');
          reader.close();
          return;
        }
        reader.enqueue(next.value);
        if (!over) observer.take(next.value);
      },
      async cancel(reason) {
        const ended = end('left');
        await source?.cancel(reason);
        await ended;
      },
    },
    { highWaterMark: 0 },
  );
  const { status, statusText, headers, url } = response;
  const passed = new Response(body, { status, statusText, headers });
  return Object.defineProperty(passed, 'url', { value: url });
}
