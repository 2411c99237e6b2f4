/** Migrates the database named by its argument, as a process of its own: prints what it did. */
import { migrateDatabase } from '../../src/app.ts';
import { parseDatabase } from '../../src/config/database.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';

const target = parseDatabase(process.argv[2] ?? '', 'argument', 'flag', '/');
// Both processes are ready before either begins.
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
const { upToDate } = await migrateDatabase({
  target,
  runtime: systemRuntime,
  dryRun: false,
  firstSettings: null,
});
process.stdout.write(upToDate ? 'up to date\n' : 'migrated\n');
process.exit();
