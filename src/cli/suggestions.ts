import type { Command } from 'commander';
import type { Suggest } from '../budget/suggest.ts';
import { withoutSecrets } from '../config/database.ts';
import type { NamedDatabase } from './context.ts';

/**
 * Gives each command in a text the flags that named the database here, so that it works as it is
 * pasted: `tokenctl db info` → `tokenctl --database b.db db info`. A password is left out.
 */
export function suggestions(program: Command, { database, config }: NamedDatabase): Suggest {
  const flags = [
    ...(database === undefined ? [] : ['--database', quoted(withoutSecrets(database))]),
    ...(config === undefined ? [] : ['--config', quoted(config)]),
  ];
  if (flags.length === 0) return (text) => text;
  const names = program.commands.map((command) => command.name()).join('|');
  const commands = new RegExp(`\\btokenctl (?=(?:${names})\\b)`, 'g');
  return (text) => text.replaceAll(commands, () => `tokenctl ${flags.join(' ')} `);
}

/** One word of a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
