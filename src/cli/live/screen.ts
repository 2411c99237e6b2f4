import type { Canvas } from '../output.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
/** Terminals that know it show what is between at once; the others ignore it. */
const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';

/**
 * The terminal's alternate screen, drawn line by line: what has not changed is not written again, and
 * nothing is written where nothing has changed.
 */
export class LiveScreen {
  readonly #canvas: Canvas;
  readonly #onKeys: (keys: string) => void;
  readonly #onResize: () => void;
  /** What it shows; null where that is unknown. */
  #shown: readonly string[] | null = null;
  #release: (() => void) | null = null;

  constructor(canvas: Canvas, onKeys: (keys: string) => void, onResize: () => void) {
    this.#canvas = canvas;
    this.#onKeys = onKeys;
    this.#onResize = onResize;
  }

  get size(): Canvas['size'] {
    return this.#canvas.size;
  }

  /** Takes the terminal, also anew: after the process was stopped, the shell has changed it. */
  enter(): void {
    this.#release?.();
    this.#shown = null;
    this.#release = this.#canvas.listen(this.#onKeys, () => {
      this.redraw();
      this.#onResize();
    });
    this.#canvas.write(ENTER);
  }

  /** The next frame is written whole. */
  redraw(): void {
    this.#shown = null;
  }

  /** Shows one line a row. */
  draw(lines: readonly string[]): void {
    if (this.#release === null) return;
    const known = this.#shown;
    this.#shown = lines;
    const changed = lines.flatMap((line, row) =>
      known?.[row] === line ? [] : [`\u001b[${String(row + 1)};1H\u001b[2K${line}`],
    );
    if (known !== null && changed.length === 0) return;
    const clear = known === null ? '\u001b[2J' : '';
    this.#canvas.write(BEGIN + clear + changed.join('') + END);
  }

  /** Gives the terminal back as it was. Does nothing when it was given back. */
  leave(): void {
    if (this.#release === null) return;
    this.#release();
    this.#release = null;
    this.#canvas.write(LEAVE);
  }
}
