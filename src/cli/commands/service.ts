import { invalidInput } from '../../budget/errors.ts';
import { readTextFile } from '../../platform/files.ts';
import { removeFile, replaceFile } from '../../platform/new-file.ts';
import { runProgram } from '../../platform/program.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { notAllowed, servicePlan, type ServiceFlags, type ServicePlan } from '../service/plan.ts';
import { fileState } from '../service/unit-file.ts';
import {
  changedText,
  installSteps,
  serviceStatusText,
  uninstallSteps,
  type ServiceChange,
  type ServiceState,
  type SystemdState,
} from '../views/service.ts';

interface ChangeFlags extends ServiceFlags {
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

const STATE_MS = 5_000;

/** Writes the unit; systemd itself is left to the commands that it prints. */
export async function installService(context: CommandContext, flags: ChangeFlags): Promise<number> {
  const plan = await servicePlan(context, flags);
  const state = fileState(readTextFile(plan.file), plan.text);
  if (state === 'changed') requireForce(plan, flags);
  const { dryRun = false } = flags;
  const changed = state !== 'current';
  if (changed && !dryRun) {
    try {
      replaceFile(plan.file, plan.text, context.runtime.newId(), 0o644);
    } catch (error) {
      throw notAllowed(plan.file, error);
    }
  }
  return say(context, plan, { action: 'install', changed, dryRun, commands: installSteps(plan) });
}

/** Removes the unit and what starts it at boot. The commands that it prints stop what runs. */
export async function uninstallService(
  context: CommandContext,
  flags: ChangeFlags,
): Promise<number> {
  const plan = await servicePlan(context, flags);
  const state = fileState(readTextFile(plan.file), plan.text);
  if (state === 'changed') requireForce(plan, flags);
  const { dryRun = false } = flags;
  const changed = state !== 'missing';
  if (changed && !dryRun) {
    try {
      removeFile(plan.link);
      removeFile(plan.file);
    } catch (error) {
      throw notAllowed(plan.file, error);
    }
  }
  const commands = changed ? uninstallSteps(plan) : [];
  return say(context, plan, { action: 'uninstall', changed, dryRun, commands });
}

/** Exits 0 where it is installed as it would be now, and runs. */
export async function serviceStatus(context: CommandContext, flags: ServiceFlags): Promise<number> {
  const { output } = context;
  const plan = await servicePlan(context, flags);
  const { scope, unit, file } = plan;
  const systemd = await systemdState(context, plan);
  const state: ServiceState = {
    ...{ scope, unit, file },
    installed: fileState(readTextFile(file), plan.text),
    systemd,
  };
  if (output.json) output.document(state);
  else output.result(serviceStatusText(state, output.screen));
  return state.installed === 'current' && systemd?.active === 'active' ? EXIT.done : EXIT.found;
}

function requireForce({ file, scope, unit }: ServicePlan, { force = false }: ChangeFlags): void {
  if (force) return;
  const own = scope === 'user' ? ' --user' : '';
  throw invalidInput(
    file,
    'was changed by someone, or is not by tokenctl',
    `look at it with systemctl${own} cat ${unit}; --force takes it all the same`,
  );
}

type Said = Pick<ServiceChange, 'action' | 'changed' | 'dryRun' | 'commands'>;

function say({ output }: CommandContext, plan: ServicePlan, said: Said): number {
  const { scope, unit, file, text } = plan;
  const document: ServiceChange = { ...said, scope, unit, file, text };
  if (output.json) output.document(document);
  else output.result(changedText(document, plan, output.screen));
  return EXIT.done;
}

/** What systemd says of it; null where it does not answer. */
async function systemdState(
  { host }: CommandContext,
  { scope, unit }: ServicePlan,
): Promise<SystemdState | null> {
  const names = ['ActiveState', 'SubState', 'UnitFileState', 'StatusText'];
  const end = await runProgram(
    'systemctl',
    [...(scope === 'user' ? ['--user'] : []), 'show', unit, `--property=${names.join(',')}`],
    host.environment,
    AbortSignal.timeout(STATE_MS),
  );
  if (end?.code !== 0) return null;
  const shown = new Map(
    end.output.split('\n').map((line) => {
      const [name = '', ...value] = line.split('=');
      return [name, value.join('=')];
    }),
  );
  const active = shown.get('ActiveState');
  if (active === undefined) return null;
  const text = (name: string): string | null => shown.get(name) || null;
  return {
    ...{ active, sub: text('SubState'), enabled: text('UnitFileState') },
    says: text('StatusText'),
  };
}
