import type { Command } from 'commander';
import { examples, type Does } from './shared.ts';

export function addCompletion(program: Command, does: Does): void {
  program
    .command('completion')
    .description('print a script that completes commands, flags and values in your shell')
    .argument('[shell]', 'bash (4 or later), zsh or fish')
    .addHelpText(
      'after',
      examples(
        'source <(tokenctl completion bash)   # bash, or zsh: in this shell only',
        'tokenctl completion fish | source    # fish: in this shell only',
      ) + INSTALL,
    )
    .action(
      does(async (context, shell) =>
        (await import('../commands/completion.ts')).completion(context, shell),
      ),
    );
  program
    .command('__complete [words...]', { hidden: true })
    .description('what the scripts of tokenctl completion ask: a candidate a line')
    .option('--line <text>', "bash's line before the cursor, instead of words")
    .option('--breaks <chars>', 'where bash breaks words')
    .action(
      does(async (context, words, options) =>
        (await import('../commands/complete.ts')).complete(context, program, words, options),
      ),
    );
}

const INSTALL = `
For every new shell:
  bash  echo 'source <(tokenctl completion bash)' >> ~/.bashrc
  zsh   echo 'source <(tokenctl completion zsh)' >> ~/.zshrc
  fish  mkdir -p ~/.config/fish/completions
        tokenctl completion fish > ~/.config/fish/completions/tokenctl.fish

AI types, resets and revisions come from the database that the line names, else
from the usual one. It is only read. Where it does not answer within a second,
what is known without it is offered.
`;
