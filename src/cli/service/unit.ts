/** The systemd units of what stays: as text, for the place where they are written to. Pure. */

export const SERVICES = ['monitor', 'serve', 'gateway'] as const;
export type ServiceName = (typeof SERVICES)[number];
/** A service of the whole system, or of one user. */
export type Scope = 'system' | 'user';

export interface UnitOptions {
  readonly service: ServiceName;
  readonly scope: Scope;
  /** The program and its arguments, as whole paths; the flags that name the database among them. */
  readonly command: readonly string[];
  /** The file that holds the database's URL; null where it is named otherwise. */
  readonly databaseFile: string | null;
  /** What the service needs of the environment. */
  readonly environment: Readonly<Record<string, string>>;
}

export function unitName(service: ServiceName): string {
  return `tokenctl-${service}.service`;
}

/** What starts it at boot, or when its user logs in. */
export const WANTED_BY: Readonly<Record<Scope, string>> = {
  system: 'multi-user.target',
  user: 'default.target',
};

export function unitText(options: UnitOptions): string {
  const { service, scope } = options;
  const sections = [
    ['Unit', ...unitSection(options)],
    [
      'Service',
      ...running(options),
      ...RESTART,
      ...END[service],
      ...(scope === 'system' ? OWN_USER : []),
      ...harden(scope),
    ],
    ['Install', `WantedBy=${WANTED_BY[scope]}`],
  ];
  return sections.map(([name, ...lines]) => `[${String(name)}]\n${lines.join('\n')}\n`).join('\n');
}

function unitSection({ service, scope }: UnitOptions): string[] {
  return [
    `Description=${DESCRIPTIONS[service]}`,
    ...(scope === 'system'
      ? ['Wants=network-online.target', 'After=network-online.target postgresql.service']
      : []),
    '# Restarts are never given up.',
    'StartLimitIntervalSec=0',
    ...(service === 'monitor'
      ? [
          '# It is started when the database has answered once. Who waits for that (a boot, systemctl start)',
          '# waits so long; the monitor goes on trying.',
          'JobRunningTimeoutSec=90',
        ]
      : []),
  ];
}

const DESCRIPTIONS: Readonly<Record<ServiceName, string>> = {
  monitor: 'tokenctl monitor: watches the budget of AI calls and raises alerts',
  serve: 'tokenctl serve: the HTTP API of the budget of AI calls',
  gateway: 'tokenctl gateway: puts calls to the Anthropic API under the budget',
};

function running({ service, scope, command, databaseFile, environment }: UnitOptions): string[] {
  const variables = Object.entries({
    ...environment,
    ...(databaseFile !== null && scope === 'user'
      ? { TOKENCTL_DATABASE_URL_FILE: databaseFile }
      : {}),
  });
  return [
    ...TYPE[service],
    `ExecStart=${command.map(execWord).join(' ')}`,
    ...(service === 'monitor' ? ['ExecReload=/bin/kill -HUP $MAINPID'] : []),
    ...(databaseFile !== null && scope === 'system'
      ? [
          '# postgresql://… or file:/var/lib/tokenctl/NAME.db, in a file that only root may read.',
          `LoadCredential=database-url:${databaseFile}`,
        ]
      : []),
    ...(service === 'monitor' && scope === 'system'
      ? [
          '# A secret of an alert channel, { "file": "slack-url" }, in the same way:',
          '# LoadCredential=slack-url:/etc/tokenctl/slack-url',
        ]
      : []),
    ...variables.map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
  ];
}

const NOTIFYING = [
  'Type=notify',
  '# It speaks to systemd by the program systemd-notify.',
  'NotifyAccess=all',
];

const TYPE: Readonly<Record<ServiceName, readonly string[]>> = {
  monitor: [
    ...NOTIFYING,
    'TimeoutStartSec=infinity',
    '# Fed by checks that the database answered. After 5 minutes without one it is started once more, and',
    '# is "activating" until the database answers.',
    'WatchdogSec=300',
    'WatchdogSignal=SIGTERM',
  ],
  serve: [
    ...NOTIFYING,
    '# Ready when it listens. Fed while it comes back from the database, answered or refused: a lost database',
    '# is waited for, a server that hangs is started anew.',
    'WatchdogSec=120',
  ],
  gateway: ['Type=exec'],
};

const RESTART = [
  'Restart=on-failure',
  'RestartSec=10',
  '# 2 is a wrong flag or configuration, which a restart does not mend.',
  'RestartPreventExitStatus=2',
  'KillMode=mixed',
];

const END: Readonly<Record<ServiceName, readonly string[]>> = {
  monitor: ['TimeoutStopSec=30'],
  // Open requests may go on for 10 seconds, with --gateway calls for 60.
  serve: ['TimeoutStopSec=90'],
  // Open calls may go on for 60 seconds.
  gateway: ['TimeoutStopSec=90'],
};

const OWN_USER = [
  '',
  '# A user that exists while it runs; what it keeps is in /var/lib/tokenctl.',
  'DynamicUser=yes',
  'User=tokenctl',
  'StateDirectory=tokenctl',
  'StateDirectoryMode=0700',
];

/** What works without privileges, in the manager of a user too. */
const FOR_BOTH = [
  'UMask=0077',
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
  'SystemCallErrorNumber=EPERM',
  'SystemCallFilter=@system-service',
];

const FOR_SYSTEM = [
  'SystemCallFilter=~@privileged @resources',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'DevicePolicy=closed',
  'PrivateDevices=yes',
  'PrivateTmp=yes',
  'PrivateUsers=yes',
  'ProcSubset=pid',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHome=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectProc=invisible',
  'ProtectSystem=strict',
  'RemoveIPC=yes',
];

function harden(scope: Scope): string[] {
  return [
    '',
    '# It needs its files, the network and nothing else. No MemoryDenyWriteExecute: Node.js compiles code',
    '# while it runs.',
    ...FOR_BOTH,
    ...(scope === 'system' ? FOR_SYSTEM : []),
  ];
}

/** A word of a command line, in which systemd sees no specifier and no variable. */
function execWord(word: string): string {
  return quoted(word.replaceAll('$', '$$$$'));
}

function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%');
  if (/^[\w@+=:,./%$-]+$/.test(plain)) return plain;
  return `"${plain.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}
