import { Command } from 'commander';
import { version } from '../version.ts';

/** Runs one command line and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('tokenctl').version(version);
  await program.parseAsync(args, { from: 'user' });
  return 0;
}
