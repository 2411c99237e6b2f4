/** Every command of the command line, how it is run, and what it then prints. */
import { ALERT, DENIED_REQUEST, PLAIN_REQUEST, TOKEN } from '../support/prepared.ts';
import type { DocumentName } from '../support/schemas.ts';

export interface Run {
  readonly args: readonly string[];
  readonly document: DocumentName;
  /** The exit code; 0 by default. */
  readonly code?: number;
  /** What it reads from standard input. */
  readonly input?: string;
  /** What differs on PostgreSQL. */
  readonly onPostgres?: Pick<Run, 'document' | 'code'>;
}

/**
 * A database that was just created looks healthy where only the environment is wrong, so a command that
 * is no first step of a new budget creates none.
 */
type Unmade = 'creates it' | 'says so and creates none' | 'does without';

export interface CommandRow {
  /** The words that name it; empty for tokenctl itself. */
  readonly command: string;
  /** The exit code without arguments; 'stays' when it goes on until it is stopped. */
  readonly bare: number | 'stays';
  /** Ways to run it on a database that is in use, none of which stays; none for a group of commands. */
  readonly runs: readonly Run[];
  /** What it does where there is no database in the default place, run the first way. */
  readonly unmade: Unmade;
  /** What the first of them does where there is no database; the exit code 4 and an error by default. */
  readonly lost?: Partial<Record<'sqlite' | 'postgresql', Pick<Run, 'document' | 'code'>>>;
}

/** A configuration with an alert channel, seen from a home. */
export const CHANNELS_FILE = '../channels.json';

const USAGE_LOG = 'timestamp,input,output\n2025-01-02 03:04:05,400,212\n';
const request = ['--ai-type', 'imperium', '--tokens', '10'];

const run = (args: string, document: DocumentName, rest: Partial<Run> = {}): Run => ({
  args: args.split(' ').filter((word) => word !== ''),
  document,
  ...rest,
});
const onBoth = (document: DocumentName, code = 4): NonNullable<CommandRow['lost']> => ({
  sqlite: { document, code },
  postgresql: { document, code },
});

export const COMMANDS: readonly CommandRow[] = [
  { command: '', bare: 2, unmade: 'does without', runs: [] },
  {
    command: 'status',
    bare: 0,
    unmade: 'creates it',
    runs: [
      run('', 'status'),
      run('--ai-type sandbox', 'status'),
      run('--month 2025-01', 'status'),
      run('--nagios', 'status'),
    ],
  },
  {
    command: 'check',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      { args: request, document: 'verdict' },
      run('--ai-type imperium --tokens 5000', 'verdict', { code: 3 }),
      run('--ai-type imperium --prompt-file - --max-tokens 5', 'verdict', { input: 'Hello' }),
    ],
    lost: onBoth('verdict'),
  },
  {
    command: 'wait',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      { args: [...request, '--timeout', '1s'], document: 'wait' },
      run('--below 100%', 'wait'),
      run('--ai-type imperium --tokens 5000', 'wait', { code: 2 }),
    ],
  },
  {
    command: 'usage',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [
      run('', 'usage'),
      run('--by month model --since 2025-01-01', 'usage'),
      run('--month 2025-01 --ai-type sandbox --by day --limit 1', 'usage'),
      run('--by hour --since 2d --request-type none', 'usage'),
      run('--by year', 'error', { code: 2 }),
    ],
  },
  {
    command: 'log',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'log'), run('--model none', 'log')],
  },
  {
    command: 'explain',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      run(DENIED_REQUEST, 'explain'),
      run(PLAIN_REQUEST, 'explain'),
      run('nobody', 'error', { code: 1 }),
    ],
  },
  { command: 'limits', bare: 0, unmade: 'says so and creates none', runs: [run('', 'limits')] },
  {
    command: 'limits set',
    bare: 2,
    unmade: 'creates it',
    runs: [
      run('hourly=5000', 'limits-change'),
      run('hourly=5001 --dry-run', 'limits-change'),
      run('monthly=40000 --ai-type sandbox', 'limits-change'),
    ],
  },
  {
    command: 'limits unset',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [run('monthly --ai-type sandbox', 'limits-change')],
  },
  {
    command: 'limits apply',
    bare: 2,
    unmade: 'creates it',
    runs: [
      run('--profile default', 'limits-change'),
      run('--file - --prune', 'limits-change', { input: '{"hourly": "3%"}' }),
    ],
  },
  {
    command: 'limits export',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'limits-export')],
  },
  {
    command: 'limits rollback',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [run('1', 'limits-change')],
  },
  {
    command: 'limits lint',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'limits-lint')],
  },
  {
    command: 'limits history',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'limits-history')],
  },
  {
    command: 'reset',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      run('--reason test --yes', 'reset'),
      run('--reason test --ai-type imperium --window hour --dry-run', 'reset'),
      run('--undo 1 --yes', 'reset'),
      run('--list', 'resets'),
      run('--reason test', 'error', { code: 5 }),
    ],
  },
  {
    command: 'import',
    bare: 2,
    unmade: 'creates it',
    runs: [run('- --ai-type conquest', 'import', { input: USAGE_LOG })],
  },
  {
    command: 'monitor',
    bare: 'stays',
    unmade: 'creates it',
    runs: [run('--once', 'monitor-line')],
    lost: onBoth('monitor-line'),
  },
  // They have tests of their own, among them those of a lost database (test/server).
  { command: 'serve', bare: 'stays', unmade: 'creates it', runs: [] },
  { command: 'gateway', bare: 'stays', unmade: 'creates it', runs: [] },
  { command: 'service', bare: 2, unmade: 'does without', runs: [] },
  {
    command: 'service install',
    bare: 2,
    unmade: 'does without',
    runs: [
      run('--user --dry-run', 'service-change'),
      run('--user', 'service-change'),
      run('--user --name gateway', 'service-change'),
      run('--user --name serve', 'service-change'),
      run('--user --system', 'error', { code: 2 }),
    ],
    lost: onBoth('service-change', 0),
  },
  {
    command: 'service uninstall',
    bare: 2,
    unmade: 'does without',
    runs: [run('--user', 'service-change')],
    lost: onBoth('service-change', 0),
  },
  {
    command: 'service status',
    bare: 2,
    unmade: 'does without',
    runs: [run('--user', 'service-status', { code: 3 })],
    lost: onBoth('service-status', 3),
  },
  { command: 'alerts', bare: 0, unmade: 'says so and creates none', runs: [run('', 'alerts')] },
  {
    command: 'alerts list',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'alerts')],
  },
  {
    command: 'alerts test',
    bare: 2,
    unmade: 'does without',
    runs: [
      run(`--config ${CHANNELS_FILE}`, 'alerts-test', { code: 1 }),
      run('', 'error', { code: 2 }),
    ],
    lost: onBoth('alerts-test', 1),
  },
  {
    command: 'alerts retry',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'alerts-retry'), run('00000000', 'error', { code: 1 })],
  },
  {
    command: 'alerts ack',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [run(ALERT, 'alerts-ack'), run('00000000', 'error', { code: 1 })],
  },
  {
    command: 'alerts silence',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [run('--for 2h --reason test', 'alerts-silence'), run('--off', 'alerts-silence')],
  },
  { command: 'token', bare: 2, unmade: 'does without', runs: [] },
  {
    command: 'token create',
    bare: 2,
    unmade: 'creates it',
    runs: [
      run('--name ci', 'token-create'),
      run('--name ci --scope read reserve --ai-type imperium --expires never', 'token-create'),
    ],
  },
  { command: 'token list', bare: 0, unmade: 'says so and creates none', runs: [run('', 'tokens')] },
  {
    command: 'token revoke',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      run(`${TOKEN} --dry-run`, 'token-revoke'),
      run(TOKEN, 'error', { code: 5 }),
      run(`${TOKEN} --yes`, 'token-revoke'),
      run('nobody --yes', 'error', { code: 1 }),
    ],
  },
  { command: 'db', bare: 2, unmade: 'does without', runs: [] },
  {
    command: 'db migrate',
    bare: 0,
    unmade: 'does without',
    runs: [run('--dry-run', 'db-migrate')],
    lost: { sqlite: { document: 'db-migrate', code: 0 } },
  },
  {
    command: 'db verify',
    bare: 0,
    unmade: 'says so and creates none',
    runs: [run('', 'db-verify'), run('--repair', 'db-verify')],
  },
  {
    command: 'db info',
    bare: 0,
    unmade: 'does without',
    runs: [run('', 'db-info')],
    lost: { sqlite: { document: 'db-info', code: 4 } },
  },
  {
    command: 'db backup',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      // There is no pg_dump where the tests run it.
      run('copy.db', 'db-backup', { onPostgres: { document: 'error', code: 1 } }),
    ],
  },
  {
    command: 'db prune',
    bare: 2,
    unmade: 'says so and creates none',
    runs: [
      run('--before 2025-02 --yes', 'db-prune'),
      run('--before 2025-02 --dry-run', 'db-prune'),
      run('--before 2025-02', 'error', { code: 5 }),
    ],
  },
  {
    command: 'completion',
    bare: 2,
    unmade: 'does without',
    runs: [run('bash', 'completion'), run('fish', 'completion')],
    lost: onBoth('completion', 0),
  },
  {
    command: 'help',
    bare: 0,
    unmade: 'does without',
    runs: ['exit-codes', 'environment', 'formats', 'limits'].map((topic) =>
      run(topic, 'help-topic'),
    ),
    lost: onBoth('help-topic', 0),
  },
  {
    command: 'doctor',
    bare: 0,
    unmade: 'does without',
    runs: [run('', 'doctor')],
    lost: onBoth('doctor'),
  },
];
