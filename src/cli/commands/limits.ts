import type { App } from '../../app.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import {
  LIMIT_ENVIRONMENT_NAMES,
  settingsFromEnvironment,
} from '../../budget/environment-limits.ts';
import { invalidInput } from '../../budget/errors.ts';
import { NO_SETTINGS, type Settings } from '../../budget/limits.ts';
import { lintLimits } from '../../budget/lint.ts';
import {
  applyChanges,
  applyProfile,
  parseAssignment,
  parseKey,
  checkSettings,
  type SettingChange,
} from '../../budget/settings.ts';
import { parseCount } from '../../budget/tokens.ts';
import { limitsChangeDocument, limitsDocument } from '../../ledger/limits-documents.ts';
import { fileProblem, readSmallInput } from '../../platform/files.ts';
import { withApp, type CommandContext } from '../context.ts';
import type { LimitsHistoryDocument, LimitsLintDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { findingLines } from '../views/findings.ts';
import { limitChangesView, limitEffectView, wayBackLines } from '../views/limit-changes.ts';
import { limitHistoryView, limitsView } from '../views/limits.ts';
import { timeText } from '../views/text.ts';

export interface ChangeOptions {
  readonly aiType?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends ChangeOptions {
  readonly profile?: string;
  readonly env?: boolean;
  readonly file?: string;
  readonly prune?: boolean;
}

export async function showLimits(context: CommandContext): Promise<number> {
  const { output } = context;
  const inForce = await withApp(context, (app) => app.limits());
  if (output.json) output.document(limitsDocument(inForce));
  else output.result(limitsView(inForce, output.screen));
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
  const { profile, env, file, prune } = options;
  if ([profile, env, file].filter((each) => each !== undefined).length !== 1) {
    throw invalidInput(
      'limits apply',
      'needs one of --file F, --profile P and --env',
      'for example: tokenctl limits apply --profile paced',
    );
  }
  if (prune === true && file === undefined) {
    throw invalidInput('--prune', 'takes back what a file does not name: it needs --file F');
  }
  if (file !== undefined) {
    const changes = await readLimitsFile(file);
    const base = (settings: Settings): Settings => (prune === true ? NO_SETTINGS : settings);
    return change(context, 'file', (settings) => applyChanges(base(settings), changes), options);
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

async function readLimitsFile(file: string): Promise<readonly SettingChange[]> {
  const { MAX_LIMITS_FILE_BYTES, parseLimitsFile } = await import('../../config/limits-file.ts');
  const name = file === '-' ? 'standard input' : file;
  const text = await readSmallInput(file, MAX_LIMITS_FILE_BYTES).catch((error: unknown) => {
    throw invalidInput('--file', `${name} can't be read: ${fileProblem(error)}`);
  });
  if (text === null) {
    throw invalidInput(
      name,
      `is above ${String(MAX_LIMITS_FILE_BYTES / 1024)} KiB`,
      'is it a limits file?',
    );
  }
  return parseLimitsFile(text, name);
}

/** Prints what is set, in the form that `limits apply --file` reads. */
export async function exportLimits(context: CommandContext): Promise<number> {
  const { output } = context;
  const [{ revision, settings }, at] = await withApp(context, async (app) => {
    const inForce = await app.limits();
    // A database that has no revision yet has the defaults, from no time.
    const { revision } = inForce;
    return [inForce, revision === 0 ? null : (await app.limitRevision(revision)).at] as const;
  });
  const { limitsFileDocument, limitsFileText } = await import('../../config/limits-file.ts');
  if (output.json) {
    output.document(limitsFileDocument(settings));
    return EXIT.done;
  }
  const heading = [
    `The limits of tokenctl: revision ${String(revision)}${at === null ? '' : `, ${timeText(at)}`}.`,
    'What is not named here has its default. tokenctl limits apply --file FILE --prune sets exactly this.',
  ];
  output.result(limitsFileText(settings, heading).trimEnd());
  return EXIT.done;
}

/** Sets again what a revision had set. */
export async function rollbackLimits(
  context: CommandContext,
  text: string,
  options: ChangeOptions,
): Promise<number> {
  const number = parseCount('REV', text, 1, MAX_REVISION, 'tokenctl limits history');
  const target = `back to revision ${String(number)}`;
  const reason = options.reason === undefined ? target : `${target}: ${options.reason}`;
  const restore = async (_: Settings, app: App): Promise<Settings> => {
    const { settings } = await app.limitRevision(number);
    checkSettings(settings);
    return settings;
  };
  return change(context, 'rollback', restore, { ...options, reason });
}

/** What the database's column can hold. */
const MAX_REVISION = 2_147_483_647;

export async function lintCommand(context: CommandContext): Promise<number> {
  const { output } = context;
  const { revision, settings } = await withApp(context, (app) => app.limits());
  const findings = lintLimits(settings);
  const problems = findings.filter(({ severity }) => severity === 'problem');
  if (output.json) {
    output.document({ revision, findings } satisfies LimitsLintDocument);
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
  if (output.json) output.document({ revisions } satisfies LimitsHistoryDocument);
  else output.result(limitHistoryView(revisions, output.screen));
  return EXIT.done;
}

function aiTypeOf({ aiType }: ChangeOptions): string | null {
  return aiType === undefined ? null : parseAiType(aiType, '--ai-type');
}

async function change(
  context: CommandContext,
  source: string,
  apply: (settings: Settings, app: App) => Settings | Promise<Settings>,
  options: ChangeOptions,
): Promise<number> {
  const { output, host } = context;
  const { reason, dryRun = false } = options;
  const by = { source, actor: host.actor, reason: reason ?? null, dryRun };
  const changed = await withApp(
    context,
    (app) => app.changeLimits((settings) => apply(settings, app), by, aiTypeOf(options)),
    {
      // The environment may be what is being applied: comparing it with what was before would confuse.
      compareEnvironment: source !== 'environment',
    },
  );
  const document = limitsChangeDocument(changed, dryRun);
  const { changes, findings, effect, revision, revisionBefore } = document;
  if (output.json) {
    output.document(document);
    return EXIT.done;
  }
  if (effect === null) {
    output.result(`Nothing to change: revision ${String(revisionBefore)} says so already.`);
    return EXIT.done;
  }
  const says = dryRun
    ? 'Would change (nothing is changed, because of --dry-run):'
    : `Revision ${String(revision)} is in force.`;
  const table = changes.length === 0 ? [] : limitChangesView(changes, output.screen);
  // Where nothing was ever set there is no revision to go back to.
  const back = dryRun || revisionBefore === 0 ? [] : wayBackLines(revisionBefore, output.screen);
  output.result(
    [says, ...table, '', ...limitEffectView(effect, output.screen), ...back].join('\n'),
  );
  if (findings.length > 0) {
    output.message(findingLines(findings, output.stderrScreen).join('\n'));
  }
  return EXIT.done;
}
