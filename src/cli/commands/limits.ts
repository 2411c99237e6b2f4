import { parseAiType } from '../../budget/ai-type.ts';
import {
  LIMIT_ENVIRONMENT_NAMES,
  settingsFromEnvironment,
} from '../../budget/environment-limits.ts';
import { invalidInput } from '../../budget/errors.ts';
import type { Settings } from '../../budget/limits.ts';
import { lintLimits } from '../../budget/lint.ts';
import {
  applyChanges,
  applyProfile,
  parseAssignment,
  parseKey,
  checkSettings,
} from '../../budget/settings.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { findingLines } from '../views/findings.ts';
import {
  effectiveLimits,
  limitChanges,
  limitChangesView,
  limitHistoryView,
  limitsView,
} from '../views/limits.ts';

export interface ChangeOptions {
  readonly aiType?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends ChangeOptions {
  readonly profile?: string;
  readonly env?: boolean;
}

export async function showLimits(context: CommandContext): Promise<number> {
  const { output } = context;
  const inForce = await withApp(context, (app) => app.limits());
  const { revision, settings, limits, derivations } = inForce;
  if (output.json) {
    const { aiTypes } = limits;
    const effective = effectiveLimits(limits);
    output.document({ revision, effective, aiTypes, settings, derivations });
  } else {
    output.result(limitsView(inForce, output.screen));
  }
  return EXIT.done;
}

export async function setLimits(
  context: CommandContext,
  assignments: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  const aiType = aiTypeOf(options);
  const changes = assignments.map((text) => parseAssignment(text, aiType));
  return change(context, 'set', (settings) => applyChanges(settings, changes), options);
}

export async function unsetLimits(
  context: CommandContext,
  keys: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  const aiType = aiTypeOf(options);
  const changes = keys.map((key) => ({ aiType, key: parseKey(key, aiType), value: null }));
  return change(context, 'unset', (settings) => applyChanges(settings, changes), options);
}

export async function applyLimits(context: CommandContext, options: ApplyOptions): Promise<number> {
  const { profile, env } = options;
  if ((profile === undefined) === (env !== true)) {
    throw invalidInput(
      'limits apply',
      'needs either --profile P or --env',
      'for example: tokenctl limits apply --profile paced',
    );
  }
  if (profile !== undefined) {
    return change(context, 'profile', (settings) => applyProfile(settings, profile), options);
  }
  const wanted = settingsFromEnvironment(context.host.environment);
  if (wanted === null) {
    throw invalidInput(
      '--env',
      'the environment names no limit',
      `the names are: ${LIMIT_ENVIRONMENT_NAMES.join(', ')}`,
    );
  }
  const merge = (settings: Settings): Settings => {
    const merged = { ...settings, global: { ...settings.global, ...wanted.global } };
    checkSettings(merged);
    return merged;
  };
  return change(context, 'environment', merge, options);
}

export async function lintCommand(context: CommandContext): Promise<number> {
  const { output } = context;
  const { revision, settings } = await withApp(context, (app) => app.limits());
  const findings = lintLimits(settings);
  const problems = findings.filter(({ severity }) => severity === 'problem');
  if (output.json) {
    output.document({ revision, findings });
  } else if (findings.length === 0) {
    output.result(`Revision ${String(revision)}: the limits fit together.`);
  } else {
    output.result(findingLines(findings, output.screen).join('\n'));
  }
  return problems.length === 0 ? EXIT.done : EXIT.found;
}

export async function limitHistory(context: CommandContext): Promise<number> {
  const { output } = context;
  const revisions = await withApp(context, (app) => app.limitHistory());
  if (output.json) output.document({ revisions });
  else output.result(limitHistoryView(revisions, output.screen));
  return EXIT.done;
}

function aiTypeOf({ aiType }: ChangeOptions): string | null {
  return aiType === undefined ? null : parseAiType(aiType, '--ai-type');
}

async function change(
  context: CommandContext,
  source: string,
  apply: (settings: Settings) => Settings,
  { reason, dryRun = false }: ChangeOptions,
): Promise<number> {
  const { output, host } = context;
  const by = { source, actor: host.actor, reason: reason ?? null, dryRun };
  // The environment may be what is being applied: comparing it with what was before would confuse.
  const { before, after, changed } = await withApp(context, (app) => app.changeLimits(apply, by), {
    compareEnvironment: source !== 'environment',
  });
  const changes = limitChanges(before.limits, after.limits);
  const problems = lintLimits(after.settings).filter(({ severity }) => severity === 'problem');
  if (output.json) {
    const effective = effectiveLimits(after.limits);
    const { revision } = after;
    output.document({ revision, changed, dryRun, changes, effective, findings: problems });
    return EXIT.done;
  }
  const says = !changed
    ? `Nothing changes: revision ${String(before.revision)} says so already.`
    : dryRun
      ? 'Would change (nothing is changed, because of --dry-run):'
      : `Revision ${String(after.revision)} is in force.`;
  const table = changes.length === 0 ? [] : limitChangesView(changes, output.screen);
  output.result([says, ...table].join('\n'));
  if (changed && problems.length > 0) {
    output.message(findingLines(problems, output.stderrScreen).join('\n'));
  }
  return EXIT.done;
}
