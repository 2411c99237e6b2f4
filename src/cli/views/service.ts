import type { Screen } from '../output.ts';
import type { ServicePlan } from '../service/plan.ts';
import type { FileState } from '../service/unit-file.ts';
import { fixLine, hang, oneLine } from './text.ts';

/** What `service install` and `service uninstall` did or would do. */
export interface ServiceChange {
  readonly action: 'install' | 'uninstall';
  readonly scope: 'system' | 'user';
  /** Such as `tokenctl-monitor.service`. */
  readonly unit: string;
  /** Where it is written. */
  readonly file: string;
  /** Whether the file changed; with a dry run, whether it would. */
  readonly changed: boolean;
  readonly dryRun: boolean;
  /** The unit's whole text, as `service install` writes it. */
  readonly text: string;
  /** What to run next, in this order; empty where nothing need be done. */
  readonly commands: readonly string[];
}

/** `service status` */
export interface ServiceState {
  readonly scope: 'system' | 'user';
  readonly unit: string;
  readonly file: string;
  /** `outdated` is a file that another version or other flags wrote, `changed` one that someone has changed. */
  readonly installed: FileState;
  /** What systemd says; null where it does not answer. */
  readonly systemd: SystemdState | null;
}

export interface SystemdState {
  /** `active`, `activating`, `reloading`, `inactive`, `failed`, … */
  readonly active: string;
  readonly sub: string | null;
  /** `enabled`, `disabled`, …; null where there is no unit. */
  readonly enabled: string | null;
  /** What the service says of itself: its last check. */
  readonly says: string | null;
}

type Unit = Pick<ServicePlan, 'scope' | 'unit'>;

function systemctl({ scope }: Unit, words: string): string {
  return scope === 'user' ? `systemctl --user ${words}` : `sudo systemctl ${words}`;
}

/** What starts a unit that was just written. */
export function installSteps(plan: ServicePlan): string[] {
  const { scope, unit, databaseFile } = plan;
  const sudo = scope === 'system' ? 'sudo ' : '';
  return [
    ...(databaseFile === null ? [] : [`${sudo}install -D -m 600 /dev/stdin ${databaseFile}`]),
    systemctl(plan, 'daemon-reload'),
    systemctl(plan, `enable --now ${unit}`),
    ...(scope === 'user' ? ['loginctl enable-linger'] : []),
  ];
}

/** What ends a service whose unit was just removed. */
export function uninstallSteps(plan: Unit): string[] {
  return [systemctl(plan, `stop ${plan.unit}`), systemctl(plan, 'daemon-reload')];
}

export function changedText(change: ServiceChange, plan: ServicePlan, screen: Screen): string {
  const { action, changed, dryRun, file, text, commands } = change;
  const would = (did: string, wouldDo: string): string => (dryRun ? `Would ${wouldDo}` : did);
  if (action === 'uninstall') {
    const first = changed
      ? `${would('Removed', 'remove')} ${file}.`
      : `There is no ${file}: nothing to remove.`;
    return [...hang('', first, screen.width), ...steps(commands, screen)].join('\n');
  }
  const first = changed
    ? `${would('Wrote', 'write')} ${file}.`
    : `${file} is there as it should be.`;
  return [
    ...hang('', first, screen.width),
    '',
    ...hang('Runs      ', plan.command.join(' '), screen.width),
    ...hang('Database  ', plan.database, screen.width),
    ...hang('As        ', AS[plan.scope], screen.width),
    ...(dryRun ? ['', text.trimEnd()] : []),
    ...(plan.databaseFile === null
      ? []
      : [
          '',
          ...hang(
            '',
            `Write the database's URL into ${plan.databaseFile} (paste it, Enter, Ctrl-D): it is not put into the unit, which everyone may read.`,
            screen.width,
          ),
        ]),
    ...steps(commands, screen),
  ].join('\n');
}

const AS = {
  system: 'a user of its own (tokenctl), which sees no home directories',
  user: 'you, while you are logged in; with lingering always',
};

function steps(commands: readonly string[], screen: Screen): string[] {
  if (commands.length === 0) return [];
  return ['', 'Next:', ...commands.map((command) => fixLine(command, screen))];
}

export function serviceStatusText(state: ServiceState, screen: Screen): string {
  const { file, installed, systemd } = state;
  const { width } = screen;
  const says = systemd?.says ?? null;
  const enabled = systemd?.enabled === 'enabled' ? 'started at boot' : 'not started at boot';
  const runs =
    systemd === null
      ? 'systemd does not answer'
      : `${systemd.active} (${systemd.sub ?? '-'}), ${enabled}`;
  return [
    ...hang('Unit      ', `${file}: ${INSTALLED[installed]}`, width),
    ...hang('State     ', runs, width),
    ...(says === null ? [] : hang('Says      ', oneLine(says), width)),
    ...statusSteps(state).map((command) => fixLine(command, screen)),
  ].join('\n');
}

const INSTALLED: Readonly<Record<FileState, string>> = {
  missing: 'not installed',
  current: 'installed',
  outdated: 'installed by another version, or with other flags',
  changed: 'changed by someone, or not by tokenctl',
};

function statusSteps({ installed, scope, unit, systemd }: ServiceState): string[] {
  const service = unit.slice('tokenctl-'.length, -'.service'.length);
  const name = service === 'monitor' ? '' : ` --name ${service}`;
  if (installed === 'missing' || installed === 'outdated') {
    return [`tokenctl service install --${scope}${name}`];
  }
  if (systemd === null || systemd.active === 'active') return [];
  const own = scope === 'user' ? '--user ' : '';
  return systemd.active === 'inactive'
    ? [systemctl({ scope, unit }, `start ${unit}`)]
    : [`journalctl ${own}-u ${unit} -n 50`];
}
