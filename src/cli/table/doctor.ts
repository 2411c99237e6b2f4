import type { Command } from 'commander';
import { examples, type Does } from './shared.ts';

export function addDoctor(program: Command, does: Does): void {
  program
    .command('doctor')
    .description(
      'what is wrong with database, permissions, clock, limits and logs, and what mends it',
    )
    .addHelpText(
      'after',
      examples('tokenctl doctor', 'tokenctl doctor --json --database file:budget.db') +
        "\nChanges nothing. Exits 0 without a problem, 3 with one, 4 when the database\ncan't be used. It reads the whole log: some seconds for each million rows.",
    )
    .action(does(async (context) => (await import('../commands/doctor.ts')).doctor(context)));
}
