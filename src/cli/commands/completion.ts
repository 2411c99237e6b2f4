import { invalidInput } from '../../budget/errors.ts';
import bash from '../completion/scripts/tokenctl.bash';
import fish from '../completion/scripts/tokenctl.fish';
import zsh from '../completion/scripts/tokenctl.zsh';
import type { CommandContext } from '../context.ts';
import type { CompletionDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { SHELLS, type Shell } from '../table/shared.ts';

const SCRIPTS: Readonly<Record<Shell, string>> = { bash, zsh, fish };

/** Prints what a shell sources to complete tokenctl's command lines. */
export async function completion(
  { output }: CommandContext,
  shell: string | undefined,
): Promise<number> {
  const known = SHELLS.find((each) => each === shell);
  if (known === undefined) {
    throw invalidInput(
      'shell',
      `${shell === undefined ? 'is needed' : `"${shell}" is none that is known`}: bash, zsh or fish`,
      'tokenctl completion --help tells how to install it',
    );
  }
  const script = SCRIPTS[known];
  if (output.json) output.document({ shell: known, script } satisfies CompletionDocument);
  else output.result(script.trimEnd());
  return EXIT.done;
}
