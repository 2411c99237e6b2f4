import type { Output } from '../output.ts';

export interface HeldBack {
  readonly output: Output;
  /** Says on standard error what was held back. */
  release(): void;
}

/** The most that is kept: what is said again and again must not fill the memory. */
const MOST = 20;

/** An output for while the screen belongs to a view: what is meant for standard error waits, once each. */
export function heldBack(output: Output): HeldBack {
  const said = new Map<string, () => void>();
  const later =
    (say: (text: string) => void) =>
    (text: string): void => {
      if (said.size < MOST) said.set(text, () => say(text));
    };
  return {
    output: {
      ...output,
      note: later((text) => output.note(text)),
      warn: later((text) => output.warn(text)),
      message: later((text) => output.message(text)),
    },
    release: () => {
      for (const say of said.values()) say();
      said.clear();
    },
  };
}
