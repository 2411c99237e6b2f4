import { TokenctlError } from '../../budget/errors.ts';
import { installedVersion } from '../../platform/package-files.ts';
import { nodeVersion } from '../../platform/process.ts';
import { nodeRange, version } from '../../version.ts';
import { targetOf, type CommandContext, type Target } from '../context.ts';
import { alertChecks, channelCheck } from '../doctor/alerts.ts';
import { judged, ok, problem, type Check } from '../doctor/check.ts';
import {
  holdChecks,
  logChecks,
  missingCheck,
  postgresChecks,
  schemaCheck,
  sqliteChecks,
} from '../doctor/database.ts';
import { limitChecks } from '../doctor/limits.ts';
import { nodeCheck, versionCheck } from '../doctor/program.ts';
import { tokenChecks } from '../doctor/tokens.ts';
import type { DoctorDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { doctorView } from '../views/doctor.ts';

export async function doctor(context: CommandContext): Promise<number> {
  const { output } = context;
  const { checks, usable } = await examine(context);
  const problems = checks.filter(({ state }) => state === 'problem').length;
  if (output.json) output.document({ checks, problems } satisfies DoctorDocument);
  else output.result(doctorView(checks, output.screen));
  if (!usable) return EXIT.database;
  return problems === 0 ? EXIT.done : EXIT.found;
}

async function examine(context: CommandContext): Promise<{ checks: Check[]; usable: boolean }> {
  const own = [nodeCheck(nodeVersion, nodeRange)];
  let named: Target;
  try {
    named = await targetOf(context);
  } catch (error) {
    // A wrong flag is wrong usage; what a file or the environment says wrong is a finding.
    if (!(error instanceof TokenctlError) || error.field?.startsWith('--') !== false) throw error;
    const checks = [...own, problem('configuration', error.message, error.fix)];
    return { checks, usable: false };
  }
  own.push(ok('configuration', 'flags, environment and configuration files can be read'));
  own.push(await channelCheck(context));
  const { checks, usable } = await examineTarget(context, named);
  return { checks: [...own, ...checks], usable };
}

async function examineTarget(
  { runtime }: CommandContext,
  { target, wanted }: Target,
): Promise<{ checks: Check[]; usable: boolean }> {
  const { examineDatabase } = await import('../../upkeep.ts');
  const facts = await examineDatabase(target, runtime);
  const database = schemaCheck(facts, target);
  const nowMs = runtime.nowMs();
  const { content } = facts;
  const [driver, server] =
    facts.kind === 'sqlite' ? ['better-sqlite3', 'SQLite'] : ['pg', 'PostgreSQL'];
  const checks = [
    versionCheck({
      tokenctl: version,
      [driver]: installedVersion(driver),
      ...(content !== null && 'value' in content.server ? { [server]: content.server.value } : {}),
    }),
    database,
    ...(facts.kind === 'sqlite' ? sqliteChecks(facts) : postgresChecks(facts)),
    ...(content === null
      ? []
      : [
          ...judged('tables', content.missing, (missing) => [missingCheck(missing, facts.kind)]),
          ...judged('limits', content.revision, (stored) => limitChecks(stored, wanted)),
          ...judged('holds', content.holds, (holds) => holdChecks(holds, nowMs)),
          ...judged('logs', content.logs, (logs) => logChecks(logs, nowMs)),
          ...tokenChecks(content.endingTokens, nowMs),
          ...alertChecks(content.alerts, nowMs),
        ]),
  ];
  const closed = facts.kind === 'sqlite' && facts.unwritable.length > 0;
  return { checks, usable: database.state !== 'problem' && !closed };
}
