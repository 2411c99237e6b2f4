import type { Output } from './output.ts';

/** Shows how far something is, where a person watches and it takes longer than a second. */
export interface Progress {
  show(text: string): void;
  end(): void;
}

const WORTH_SHOWING_MS = 1_000;

/** A spinner on standard error; nothing off a terminal and with --quiet. */
export async function startProgress(output: Output): Promise<Progress> {
  if (!output.stderrIsTTY || output.quiet) return { show: () => undefined, end: () => undefined };
  const { default: ora } = await import('ora');
  const spinner = ora({ color: false, discardStdin: false });
  const timer = setTimeout(() => spinner.start(), WORTH_SHOWING_MS);
  return {
    show: (text) => {
      spinner.text = text;
      // Where the work leaves the event loop no time, the spinner moves by what is done.
      if (spinner.isSpinning) spinner.render();
    },
    end: () => {
      clearTimeout(timer);
      if (spinner.isSpinning) spinner.stop();
    },
  };
}
