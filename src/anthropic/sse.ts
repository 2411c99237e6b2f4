/** The longest event that is read, in characters. Anthropic's are below a few hundred thousand. */
const LONGEST_EVENT = 8_388_608;

/**
 * Reads server-sent events as their bytes pass, cut anywhere. Memory is bounded: an event that is
 * longer than 8 Mi characters is left out, and the next one is read again.
 */
export class SseReader {
  readonly #onEvent: (data: string) => void;
  readonly #decoder = new TextDecoder();
  /** The line that has not ended yet, as far as it is kept, and how long it is. */
  #line = '';
  #lineLength = 0;
  /** The data lines of the event that has not ended yet, and how long the event is. */
  #data: string[] = [];
  #eventLength = 0;
  /** The last chunk ended with CR: an LF that follows belongs to it. */
  #afterReturn = false;

  /** @param onEvent gets the data of each event, its lines joined by '\n' */
  constructor(onEvent: (data: string) => void) {
    this.#onEvent = onEvent;
  }

  push(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === '') return;
    let from = this.#afterReturn && text.startsWith('\n') ? 1 : 0;
    this.#afterReturn = text.endsWith('\r');
    const lineEnd = /\r\n|\n|\r/g;
    lineEnd.lastIndex = from;
    for (let end = lineEnd.exec(text); end !== null; end = lineEnd.exec(text)) {
      this.#keep(text.slice(from, end.index));
      this.#endLine();
      from = lineEnd.lastIndex;
    }
    this.#keep(text.slice(from));
  }

  get #tooLong(): boolean {
    return this.#eventLength > LONGEST_EVENT;
  }

  #keep(part: string): void {
    this.#lineLength += part.length;
    this.#eventLength += part.length;
    if (!this.#tooLong) this.#line += part;
  }

  #endLine(): void {
    const line = this.#line;
    if (this.#lineLength === 0) this.#endEvent();
    else if (this.#tooLong) this.#data = [];
    else if (line.startsWith('data:')) this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
    this.#line = '';
    this.#lineLength = 0;
  }

  #endEvent(): void {
    const data = this.#data;
    const whole = !this.#tooLong && data.length > 0;
    this.#data = [];
    this.#eventLength = 0;
    if (whole) this.#onEvent(data.join('\n'));
  }
}
