import type { Command } from 'commander';
import { DRY_RUN, examples, type Does } from './shared.ts';

export function addDatabase(program: Command, does: Does): void {
  const db = program
    .command('db')
    .description('create, migrate and verify the database')
    .addHelpText('after', examples('tokenctl db info', 'tokenctl db migrate --dry-run'));
  db.command('migrate')
    .description(
      "create or migrate the database; an older backend's tables are adopted with their history",
    )
    .option('--dry-run', DRY_RUN)
    .addHelpText(
      'after',
      examples('tokenctl db migrate --dry-run', 'tokenctl --database file:budget.db db migrate'),
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/db.ts')).migrate(context, options),
      ),
    );
  db.command('verify')
    .description('is every window the sum of its log rows and adjustments? Exits 3 when not')
    .option('--repair', 'set the windows to the sums')
    .addHelpText('after', examples('tokenctl db verify'))
    .action(
      does(async (context, options) =>
        (await import('../commands/db.ts')).verify(context, options),
      ),
    );
  db.command('info')
    .description('where and what the database is, and which migrations it has')
    .addHelpText('after', examples('tokenctl db info --json'))
    .action(does(async (context) => (await import('../commands/db.ts')).info(context)));
  db.command('backup')
    .description('copy the database to a file, consistent while others write')
    .argument('<file>', 'the copy: an SQLite database; of PostgreSQL a dump that pg_restore reads')
    .option('--force', 'overwrite a file that is there')
    .addHelpText(
      'after',
      examples(
        'tokenctl db backup budget-2026-11-24.db',
        'tokenctl db backup budget.dump \\\n    --database postgresql://tokenctl@db.example/budget',
      ) +
        '\nThe file is there whole or not at all. PostgreSQL needs pg_dump on the PATH, not\nolder than the server.',
    )
    .action(
      does(async (context, file, options) =>
        (await import('../commands/backup.ts')).backup(context, file, options),
      ),
    );
  db.command('prune')
    .description('delete the log rows of closed months; what they count for stays')
    .option('--before <month>', 'YYYY-MM (UTC): the rows of all months before it; needed')
    .option('--yes', 'do not ask')
    .option('--dry-run', DRY_RUN)
    .addHelpText(
      'after',
      examples(
        'tokenctl db prune --before 2026-01 --dry-run',
        'tokenctl db backup budget-2025.db && tokenctl db prune --before 2026-01 --yes',
      ) +
        '\nUsage, requests, rollups and open reservations stay. A deleted row can be\nimported a second time. Asks for the month to be typed; without a terminal it\nneeds --yes (exit 5).',
    )
    .action(
      does(async (context, options) =>
        (await import('../commands/prune.ts')).prune(context, options),
      ),
    );
}
