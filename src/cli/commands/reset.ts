import type { App } from '../../app.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { invalidInput } from '../../budget/errors.ts';
import { parseCount } from '../../budget/tokens.ts';
import { WINDOW_KINDS, type WindowKind } from '../../budget/windows.ts';
import type { ResetResult } from '../../ledger/resets.ts';
import { confirm } from '../confirm.ts';
import { withApp, type CommandContext } from '../context.ts';
import type { ResetDocument, ResetsDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { noteNearAiTypes } from '../near-ai-type.ts';
import { resetChangesView, resetDoneLines, resetListView } from '../views/resets.ts';
import { hang } from '../views/text.ts';

export interface ResetOptions {
  readonly aiType?: readonly string[];
  readonly window?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly list?: boolean;
  readonly undo?: string;
}

/** What the database's column can hold. */
const MAX_ID = 2_147_483_647;

/** One change that is shown, confirmed and then made. */
interface Plan {
  /** What must be typed to confirm it. */
  readonly name: string;
  readonly what: string;
  readonly undoable: boolean;
  /** The AI types that were named. */
  readonly aiTypes: readonly string[];
  run(app: App, dryRun: boolean): Promise<ResetResult>;
}

export async function reset(context: CommandContext, options: ResetOptions): Promise<number> {
  if (options.list === true) return list(context);
  const plan =
    options.undo === undefined ? resetPlan(context, options) : undoPlan(context, options);
  const { output } = context;
  const run = async (app: App): Promise<number> => {
    const planned = await plan.run(app, true);
    const changed = planned.changes.map(({ scope }) => scope);
    const unchanged = plan.aiTypes.filter((name) => !changed.includes(name));
    if (unchanged.length > 0) await noteNearAiTypes(output, app, unchanged);
    const dryRun = options.dryRun === true;
    if (dryRun || planned.changes.length === 0) {
      show(context, plan, planned, dryRun);
      return EXIT.done;
    }
    const asked = options.yes !== true;
    if (asked) {
      if (output.interactive) {
        output.message(resetChangesView(planned.changes, output.stderrScreen).join('\n'));
      }
      await confirm(output, plan.name, plan.what);
    }
    const done = await plan.run(app, false);
    // Who was asked has seen the changes.
    if (asked && !output.json) {
      output.result(resetDoneLines(plan, done.id, output.screen).join('\n'));
    } else {
      show(context, plan, done, false);
    }
    return EXIT.done;
  };
  return withApp(context, run);
}

async function list(context: CommandContext): Promise<number> {
  const { output } = context;
  const resets = await withApp(context, (app) => app.resets());
  if (output.json) output.document({ resets } satisfies ResetsDocument);
  else output.result(resetListView(resets, output.screen));
  return EXIT.done;
}

function resetPlan({ host }: CommandContext, options: ResetOptions): Plan {
  const aiTypes = [...new Set(options.aiType?.map((name) => parseAiType(name, '--ai-type')))];
  const window = parseWindow(options.window ?? 'all');
  const toTokens = options.to === undefined ? 0 : parseCount('--to', options.to);
  const { actor } = host;
  const reason = requireReason(options.reason);
  const name = aiTypes.length === 0 ? 'global' : aiTypes.join(',');
  return {
    name,
    what: `resetting ${name}`,
    undoable: true,
    aiTypes,
    run: (app, dryRun) => app.reset({ aiTypes, window, toTokens, actor, reason, dryRun }),
  };
}

function undoPlan({ host }: CommandContext, options: ResetOptions): Plan {
  const { aiType, window, to } = options;
  if (aiType !== undefined || window !== undefined || to !== undefined) {
    throw invalidInput(
      '--undo',
      'takes a whole reset back: leave --ai-type, --window and --to out',
    );
  }
  const id = parseCount('--undo', options.undo ?? '', 1, MAX_ID, 'tokenctl reset --list');
  const { actor } = host;
  const reason = options.reason ?? null;
  return {
    name: String(id),
    what: `undoing reset ${String(id)}`,
    undoable: false,
    aiTypes: [],
    run: (app, dryRun) => app.undoReset(id, { actor, reason, dryRun }),
  };
}

function requireReason(reason: string | undefined): string {
  if (reason === undefined || reason.trim() === '') {
    throw invalidInput(
      '--reason',
      'is needed: a reset is kept with its reason',
      'for example: --reason "new contract"',
    );
  }
  return reason.trim();
}

function parseWindow(text: string): WindowKind | 'all' {
  const windows = [...WINDOW_KINDS, 'all'] as const;
  const found = windows.find((window) => window === text.toLowerCase());
  if (found === undefined) {
    throw invalidInput(
      '--window',
      `"${text}" is no window`,
      `the windows are: ${windows.join(', ')}`,
    );
  }
  return found;
}

function show(
  { output }: CommandContext,
  plan: Plan,
  { id, changes }: ResetResult,
  dryRun: boolean,
): void {
  if (output.json) {
    output.document({ id, dryRun, changes } satisfies ResetDocument);
    return;
  }
  if (changes.length === 0) {
    output.result('Nothing to change: nothing is used there.');
    return;
  }
  const { screen } = output;
  const head = dryRun
    ? hang(
        '',
        `Would be changed by ${plan.what} (nothing is changed, because of --dry-run):`,
        screen.width,
      )
    : resetDoneLines(plan, id, screen);
  output.result([...head, '', ...resetChangesView(changes, screen)].join('\n'));
}
