import { TokenctlError } from '../budget/errors.ts';
import type { Output } from './output.ts';

/**
 * Asks a person to type a name before something is changed.
 * @throws not_confirmed when anything else is typed, or nobody is there to ask
 */
export async function confirm(output: Output, expected: string, what: string): Promise<void> {
  if (!output.interactive) {
    throw new TokenctlError('not_confirmed', `${what} needs --yes where no one can be asked`, {
      fix: 'look at it with --dry-run, then add --yes',
    });
  }
  const answer = await ask(output, `Type ${expected} to confirm: `);
  if (answer.trim() !== expected) {
    throw new TokenctlError('not_confirmed', `${what} was not confirmed; nothing was changed`);
  }
}

async function ask(output: Output, question: string): Promise<string> {
  const { createInterface } = await import('node:readline');
  return new Promise((resolve, reject) => {
    const lines = createInterface({ ...output.openDialogue(), terminal: true });
    lines.once('SIGINT', () => {
      reject(new TokenctlError('interrupted', 'interrupted; nothing was changed'));
      lines.close();
    });
    // The end of the input (Ctrl-D) answers nothing.
    lines.once('close', () => resolve(''));
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
}
