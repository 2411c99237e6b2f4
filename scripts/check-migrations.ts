/**
 * Fails when the migrations of a database do not lead to its datamodel, or would not stay applied.
 */
import { existsSync } from 'node:fs';
import { databases } from './databases.ts';
import type { LiveDatabase } from './engine-adapters.ts';
import {
  applyMigrations,
  databaseToDatamodel,
  diagnoseMigrationHistory,
  migrationsDirectory,
  withEmptyDatabase,
} from './schema-engine.ts';

async function findProblems(live: LiveDatabase): Promise<string[]> {
  const directory = migrationsDirectory(live.database);
  if (!existsSync(`${directory}/migration_lock.toml`)) return ['there is no migration_lock.toml'];

  const applied = await applyMigrations(live, directory);
  if (applied.length === 0) return ['there is no migration'];

  const problems: string[] = [];
  const difference = await databaseToDatamodel(live);
  if (difference !== '') {
    problems.push(`after all migrations the datamodel still differs:\n${difference}`);
  }
  const again = await applyMigrations(live, directory);
  if (again.length > 0) problems.push(`applied a second time: ${again.join(', ')}`);

  const { history, editedMigrationNames, failedMigrationNames } = await diagnoseMigrationHistory(
    live,
    directory,
  );
  if (history !== null) problems.push(`the history is out of step: ${history.diagnostic}`);
  const unclean = [...editedMigrationNames, ...failedMigrationNames];
  if (unclean.length > 0) problems.push(`edited or failed: ${unclean.join(', ')}`);
  return problems;
}

for (const database of databases) {
  const problems = await withEmptyDatabase(database, findProblems);
  for (const problem of problems) console.error(`prisma/${database}/migrations: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
// The engine leaves the timer of its advisory lock behind, 10 s of waiting for nothing.
process.exit();
