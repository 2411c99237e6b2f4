import { targetOf, withApp, type CommandContext } from '../context.ts';
import type { MigrateDocument, VerifyDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { databaseInfoView, migrationView, verifyView } from '../views/database.ts';

/** It reads every row: some seconds for each million. */
const VERIFY_MS = 600_000;

export async function migrate(
  context: CommandContext,
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<number> {
  const { output, runtime } = context;
  const { target, wanted } = await targetOf(context);
  const { migrateDatabase } = await import('../../app.ts');
  const report = await migrateDatabase({ target, runtime, dryRun, firstSettings: wanted });
  const { location } = target;
  if (output.json) output.document({ ...report, location } satisfies MigrateDocument);
  else output.result(migrationView(report, location, output.screen));
  // Opening it compares the environment's limits with those in force.
  if (wanted !== null && !dryRun) await withApp(context, () => Promise.resolve());
  return EXIT.done;
}

export async function verify(
  context: CommandContext,
  { repair = false }: { readonly repair?: boolean },
): Promise<number> {
  const { output } = context;
  const differences = await withApp(context, (app) => app.verify({ repair }), {
    timeoutMs: VERIFY_MS,
  });
  const clean = differences.length === 0;
  if (output.json)
    output.document({ clean, repaired: repair, differences } satisfies VerifyDocument);
  else output.result(verifyView(differences, repair, output.screen));
  return clean || repair ? EXIT.done : EXIT.found;
}

export async function info(context: CommandContext): Promise<number> {
  const { output } = context;
  const { target } = await targetOf(context);
  const { databaseInfo } = await import('../../app.ts');
  const found = await databaseInfo(target);
  if (output.json) output.document(found);
  else output.result(databaseInfoView(found));
  return found.state === 'current' ? EXIT.done : EXIT.database;
}
