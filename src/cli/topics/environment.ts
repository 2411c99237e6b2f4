import { LIMIT_OF_VARIABLE } from '../../budget/environment-limits.ts';
import type { TopicPart } from '../views/topic.ts';

export const environment: readonly TopicPart[] = [
  {
    title: 'Which database',
    text: 'The first that is set: --database, then the variables in this order, then "database" in the configuration file, then a file of your own. tokenctl db info says which one it is.',
    rows: [
      ['TOKENCTL_DATABASE_URL', 'file:PATH, sqlite:PATH, a path, or postgresql://…'],
      [
        'TOKENCTL_DATABASE_URL_FILE',
        'a file that holds the same, so that no secret is in the environment',
      ],
      ['CREDENTIALS_DIRECTORY', "systemd's credentials: its file database-url, where there is one"],
      ['DATABASE_URL', 'the same as TOKENCTL_DATABASE_URL, for what many programs read'],
    ],
  },
  {
    title: 'Limits',
    text: "They set a new database's first revision. Later the revision in force holds; where they differ from it, each command warns and names tokenctl limits apply --env.",
    rows: Object.entries(LIMIT_OF_VARIABLE).map(([name, key]) => [
      name,
      name.endsWith('THRESHOLD')
        ? `${key}: 80, 80%, 0.8, or tokens that are a whole percentage of the enforced limit`
        : `${key}: tokens`,
    ]),
  },
  {
    title: 'Alerts',
    rows: [
      [
        'TOKENCTL_ALERTS_FILE',
        'where monitor keeps its alert log; else "alerts" of the configuration file, else token_usage_alerts.json beside the default database',
      ],
    ],
  },
  {
    title: 'Gateway',
    rows: [
      ['ANTHROPIC_BASE_URL', 'the API behind it, unless --upstream names it'],
      [
        'ANTHROPIC_API_KEY',
        "the provider's key, with --require-token; else clients bring their own",
      ],
      [
        'ANTHROPIC_API_KEY_FILE',
        "a file that holds it; else systemd's credential anthropic-api-key",
      ],
    ],
  },
  {
    title: 'Metrics',
    text: 'Of serve and gateway, with --otlp alone. docs/metrics.md names what else the library of OpenTelemetry reads.',
    rows: [
      ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', 'where to, unless --otlp names it'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'else the same, without its path /v1/metrics'],
      ['OTEL_METRIC_EXPORT_INTERVAL', 'how often, in ms: 1000 to 3600000, 60000 by default'],
      ['OTEL_EXPORTER_OTLP_HEADERS', 'what is sent along, such as api-key=…'],
      ['OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES', 'what says who sends: else tokenctl'],
    ],
  },
  {
    title: 'Service',
    text: 'Set by systemd for what it starts.',
    rows: [
      ['NOTIFY_SOCKET', 'where monitor says that it is ready, alive, reloading or stopping'],
      ['WATCHDOG_USEC, WATCHDOG_PID', 'monitor checks at least twice in this time'],
      ['JOURNAL_STREAM', 'where this is the stream that is written to, each line has its priority'],
    ],
  },
  {
    title: 'Terminal',
    text: 'First --no-color, then NO_COLOR, then FORCE_COLOR, then TERM and whether it is a terminal.',
    rows: [
      ['NO_COLOR', 'no colour, unless it is empty'],
      ['FORCE_COLOR', '1, 2 or 3: colour (16, 256, all) also off a terminal; 0: none'],
      ['TERM', 'dumb: no colour'],
      [
        'LC_ALL, LC_CTYPE, LANG',
        'the first that is set says whether a terminal is shown more than ASCII',
      ],
      ['WT_SESSION', 'where none of them is set: Windows Terminal, which shows more than ASCII'],
      ['TZ', 'the local clock of status'],
    ],
  },
  {
    title: 'Directories',
    text: 'Of the configuration files the first that sets a key holds: --config FILE alone, else config.json in the directory of the user, then in that of the system (/etc/tokenctl).',
    rows: [
      ['HOME', 'your own directory: ~'],
      [
        'XDG_DATA_HOME',
        'Linux: the database lies in its directory tokenctl; else in ~/.local/share',
      ],
      ['XDG_CONFIG_HOME', 'Linux: config.json lies in its directory tokenctl; else in ~/.config'],
      ['LOCALAPPDATA, APPDATA', 'Windows: the same for database and configuration'],
      ['ProgramData', "Windows: the system's configuration"],
    ],
  },
  {
    title: 'Other programs',
    rows: [
      [
        'PGUSER, PGHOST, PGPORT, PGPASSWORD, PGPASSFILE, PGSSLMODE',
        "what a postgresql:// URL leaves out, as PostgreSQL's own programs read it",
      ],
      ['PATH', 'where db backup finds pg_dump'],
    ],
  },
];
