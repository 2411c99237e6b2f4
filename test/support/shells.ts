/** The real shells, in a pseudo terminal, with the built command line on their PATH. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgramInPty, type Pty } from './pty.ts';
import { temporaryDirectory } from './sqlite.ts';

const BINARY = fileURLToPath(new URL('../../bin/tokenctl.js', import.meta.url));

export type Shell = 'bash' | 'zsh' | 'fish';

const WITHOUT_OWN_FILES: Readonly<Record<Shell, readonly string[]>> = {
  bash: ['--norc', '--noprofile', '-i'],
  zsh: ['-f', '-i'],
  fish: ['--no-config', '-i', '-C', "function fish_prompt; echo -n '> '; end; set fish_greeting"],
};

export interface ShellHome {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A home whose PATH has `tokenctl`: a link, in a directory with a space in its name. */
export function shellHome(): ShellHome {
  const home = temporaryDirectory();
  const bin = join(home, 'my bin');
  mkdirSync(bin);
  symlinkSync(BINARY, join(bin, 'tokenctl'));
  return { home, env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, PS1: '> ' } };
}

/** @throws when it is not installed */
export function requireShell(shell: Shell): void {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error(
      `${shell} is not installed: apt-get install -y --no-install-recommends zsh fish`,
    );
  }
}

/** A shell that has sourced the completion, at its first prompt. */
export async function startShell(shell: Shell, { home, env }: ShellHome): Promise<Pty> {
  requireShell(shell);
  const pty = startProgramInPty(shell, WITHOUT_OWN_FILES[shell], {
    ...{ home, cols: 100, rows: 40 },
    env: { ...env, INPUTRC: '/dev/null' },
  });
  await pty.waitFor('>');
  const source =
    shell === 'fish'
      ? 'tokenctl completion fish | source'
      : `source <(tokenctl completion ${shell})`;
  // As the command is shown, too: only its answer is the whole word.
  pty.type(`${source}; echo rea""dy\r`);
  // The prompt, too: what is typed before it is not the line editor's yet.
  await pty.waitFor(/\nready\n>$/);
  return pty;
}
