import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { finished, temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES, emptyDatabase } from '../support/databases.ts';

const EXCERPT = fileURLToPath(
  new URL('../fixtures/azure-llm-code-2023-excerpt.csv', import.meta.url),
);
const COLUMNS = 'timestamp=TIMESTAMP,input=ContextTokens,output=GeneratedTokens';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const json = ({ stdout }: CliResult): unknown => JSON.parse(stdout);

/** The default database, as the first look at a new budget creates it. */
const createDatabase = async (): Promise<void> => {
  expect((await cli.run(['status'])).code).toBe(0);
};

describe('the first start', () => {
  it('creates the default database, says so once on standard error, and shows the contradiction', async () => {
    const first = await cli.run(['status']);
    expect(first.code).toBe(0);
    expect(first.stderr).toBe(`tokenctl: created the database ${cli.database}\n`);
    expect(first.stdout).toContain(cli.database);
    expect(first.stdout).toMatch(/requests of 195 to 1,000 tokens can never pass/);
    expect(first.stdout).toContain('tokenctl limits apply --profile paced');
    const second = await cli.run(['status', '--json']);
    expect(second.stderr).toBe('');
    expect(json(second)).toMatchObject({
      schemaVersion: 1,
      level: 'ok',
      database: { kind: 'sqlite', location: cli.database },
      windows: [
        { scope: 'global', window: 'month', used: 0, limit: 140_000 },
        { scope: 'global', window: 'day', limit: 4_667 },
        { scope: 'global', window: 'hour', limit: 194 },
      ],
      largestAdmissible: 194,
      binding: { scope: 'global', window: 'hour', limit: 194, remaining: 194 },
      burnRate: { lastHour: null },
      lastLogAt: null,
      findings: [{ code: 'hourly_below_request' }],
    });
  });

  it('takes its limits from the environment, and warns when they later differ', async () => {
    const before = { env: { GLOBAL_MONTHLY_LIMIT: '300_000' } };
    await cli.run(['status'], before);
    expect(json(await cli.run(['limits', '--json'], before))).toMatchObject({
      effective: { monthly: 300_000, enforcedMonthly: 210_000 },
    });
    const after = { env: { GLOBAL_MONTHLY_LIMIT: '400_000' } };
    const shown = await cli.run(['limits', '--json'], after);
    expect(json(shown)).toMatchObject({ effective: { monthly: 300_000 } });
    expect(shown.stderr).toMatch(/warning:.*GLOBAL_MONTHLY_LIMIT.*\n.*tokenctl limits apply --env/);
    const applied = await cli.run(['limits', 'apply', '--env'], after);
    expect(applied.code).toBe(0);
    expect(applied.stderr).not.toMatch(/warning/);
    const agreed = await cli.run(['limits', '--json'], after);
    expect(agreed.stderr).toBe('');
    expect(json(agreed)).toMatchObject({ revision: 2, effective: { monthly: 400_000 } });
  });
});

describe('limits', () => {
  beforeEach(createDatabase);

  it('gives every number of the specification', async () => {
    expect(json(await cli.run(['limits', '--json']))).toMatchObject({
      revision: 1,
      effective: {
        monthly: 200_000,
        enforcedMonthly: 140_000,
        daily: 4_667,
        hourly: 194,
        request: 1_000,
        requestsPerMinute: 42,
        requestsPerDay: 3_400,
        tokensPerRequest: 17_000,
        criticalRequest: 250,
        warningAt: 112_000,
        criticalAt: 133_000,
        emergencyAt: 137_200,
      },
    });
  });

  it('are changed by revisions that keep who, why and what', async () => {
    const dry = await cli.run(['limits', 'set', 'hourly=2800', '--dry-run', '--json']);
    expect(json(dry)).toMatchObject({
      dryRun: true,
      changed: true,
      changes: [{ scope: 'global', key: 'hourly', before: 194, after: 2_800 }],
    });
    expect((await cli.run(['limits', 'lint'])).code).toBe(3);
    expect((await cli.run(['limits', 'apply', '--profile', 'paced'])).code).toBe(0);
    expect((await cli.run(['limits', 'lint'])).code).toBe(0);
    const own = ['limits', 'set', 'monthly=50_000', '--ai-type', 'Sandbox', '--reason', 'trial'];
    expect((await cli.run(own)).code).toBe(0);
    expect((await cli.run(own)).stdout).toMatch(/Nothing to change/);
    expect((await cli.run(['limits', 'unset', 'hourly', 'daily'])).code).toBe(0);
    const { stdout } = await cli.run(['limits', 'history', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      revisions: [
        { revision: 4, source: 'unset', settings: { global: {} } },
        { revision: 3, source: 'set', reason: 'trial' },
        { revision: 2, source: 'profile', settings: { global: { hourly: '2%' } } },
        { revision: 1 },
      ],
    });
  });
});

describe('check', () => {
  beforeEach(createDatabase);

  it('denies what can never pass with its arithmetic and what to do, and exits 3', async () => {
    const denied = await cli.run(['check', '--ai-type', 'imperium', '--tokens', '195']);
    expect(denied.code).toBe(3);
    expect(denied.stdout).toMatch(
      /hour: the hourly limit of 194 makes a request of 195.*impossible/,
    );
    expect(denied.stdout).toContain('month: 0 used + 0 held + 195 requested is within 140,000');
    expect(denied.stdout).toContain('tokenctl limits apply --profile paced');
    const admitted = await cli.run(['check', '--ai-type', 'imperium', '--tokens', '194', '--json']);
    expect(admitted.code).toBe(0);
    expect(json(admitted)).toMatchObject({
      admitted: true,
      estimate: { input: 194, output: 0, total: 194 },
      reasons: [],
      reservation: null,
    });
  });

  it('estimates a prompt, by the estimator of the configuration file', async () => {
    const args = ['check', '--ai-type', 'x', '--prompt-file', '-', '--max-tokens', '100', '--json'];
    const words = await cli.run(args, { input: 'four words of text' });
    expect(json(words)).toMatchObject({ estimate: { input: 6, output: 100, total: 106 } });
    const config = join(cli.home, 'own.json');
    writeFileSync(config, '{"estimator": "bytes"}');
    const bytes = await cli.run([...args, '--config', config], { input: 'four words of text' });
    expect(json(bytes)).toMatchObject({ estimate: { input: 18 } });
    const messages = { messages: [{ role: 'user', content: 'four words of text' }] };
    const request = await cli.run(args, { input: JSON.stringify(messages) });
    expect(json(request)).toMatchObject({ estimate: { input: 14 } });
  });

  it('denies when the ledger does not answer: exit 4, and the verdict all the same', async () => {
    const lost = await cli.run([
      'check',
      '--ai-type',
      'imperium',
      '--tokens',
      '10',
      '--json',
      '--database',
      'none.db',
    ]);
    expect(lost.code).toBe(4);
    expect(json(lost)).toMatchObject({
      admitted: false,
      reasons: [{ code: 'ledger_unavailable' }],
      largestAdmissible: null,
    });
    expect(lost.stderr).toMatch(/there is no database/);
    expect(existsSync(join(cli.home, 'none.db'))).toBe(false);
  });
});

describe.each(DATABASES)('on %s', (kind) => {
  it('imports, shows, resets and undoes', async () => {
    const { url } = await emptyDatabase(kind);
    const run = (...args: string[]): Promise<CliResult> => cli.run(['--database', url, ...args]);
    expect((await run('status')).code).toBe(4);
    expect(json(await run('db', 'migrate', '--dry-run', '--json'))).toMatchObject({ dryRun: true });
    expect((await run('status')).code).toBe(4);
    expect((await run('db', 'migrate')).code).toBe(0);
    expect(json(await run('db', 'info', '--json'))).toMatchObject({ kind, state: 'current' });

    const load = ['import', EXCERPT, '--columns', COLUMNS, '--ai-type', 'imperium', '--json'];
    const first = await run(...load);
    expect(json(first)).toMatchObject({
      rows: 40,
      added: 40,
      known: 0,
      inputTokens: 105_353,
      outputTokens: 902,
      from: '2023-11-16T18:17:03.979Z',
    });
    expect(json(await run(...load))).toMatchObject({ added: 0, known: 40 });
    expect(json(await run('status', '--month', '2023-11', '--json'))).toMatchObject({
      windows: [{ window: 'month', used: 106_255, requests: 40 }],
      aiTypes: [{ aiType: 'imperium', inputTokens: 105_353, outputTokens: 902 }],
      binding: null,
      largestAdmissible: null,
    });

    const now = `timestamp,input,output,ai_type\n${new Date(Date.now() - 5_000).toISOString()},500,100,guardian\n`;
    const file = join(cli.home, 'now.csv');
    writeFileSync(file, now);
    expect((await run('import', file)).code).toBe(0);
    const used = async (): Promise<number> => {
      const { stdout } = await run('status', '--json');
      return (JSON.parse(stdout) as { windows: { used: number }[] }).windows[0]?.used ?? -1;
    };
    expect(await used()).toBe(600);
    expect((await run('reset', '--reason', 'test')).code).toBe(5);
    expect((await run('reset', '--reason', 'test', '--dry-run')).code).toBe(0);
    expect(await used()).toBe(600);
    const reset = await run(
      'reset',
      '--ai-type',
      'guardian',
      '--reason',
      'test',
      '--yes',
      '--json',
    );
    expect(reset.code).toBe(0);
    expect(await used()).toBe(0);
    const { id } = json(reset) as { id: number };
    expect(json(await run('reset', '--list', '--json'))).toMatchObject({
      resets: [{ id, reason: 'test', undone: false }],
    });
    expect((await run('reset', '--undo', String(id), '--yes')).code).toBe(0);
    expect(await used()).toBe(600);
    expect((await run('reset', '--undo', String(id), '--yes')).code).toBe(1);
    expect((await run('db', 'verify')).code).toBe(0);
    expect((await run('limits', 'history')).code).toBe(0);
    const once = await run('monitor', '--once', '--json');
    expect(json(once)).toMatchObject({ lost: false, level: 'ok', used: 600, limit: 140_000 });
    expect(once.stdout.trim().split('\n')).toHaveLength(1);
  });
});

describe('levels in exit codes', () => {
  it('follow the convention that was asked for', async () => {
    const at = new Date(Date.now() - 2_000).toISOString();
    await cli.run(['import', '-', '--ai-type', 'x', '--format', 'jsonl'], {
      input: `{"timestamp":"${at}","usage":{"input_tokens":1},"input":113000,"output":0}\n`,
    });
    const warning = await cli.run(['status', '--exit-code']);
    expect(warning.code).toBe(10);
    const nagios = await cli.run(['status', '--nagios']);
    expect(nagios.code).toBe(1);
    expect(nagios.stdout).toMatch(
      /^TOKENCTL WARNING - 80.71 % .* \| month=113000;112000;133000;0;140000 day=113000;;;0;4667 /,
    );
    const unknown = await cli.run(['status', '--nagios', '--database', 'none.db']);
    expect(unknown).toMatchObject({ code: 3, stderr: '' });
    expect(unknown.stdout).toMatch(/^TOKENCTL UNKNOWN - /);
  });
});

describe('the monitor', () => {
  it('prints a line a check and stops on a signal', async () => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 0],
    ] as const) {
      const child = cli.start(['monitor', '--interval', '1', '--json']);
      const done = finished(child);
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      child.kill(signal);
      const result = await done;
      expect(result.code).toBe(code);
      expect(JSON.parse(result.stdout.split('\n')[0] ?? '')).toMatchObject({ lost: false });
    }
  });

  it('shows a lost database as lost, and finds it again', async () => {
    const file = join(cli.home, 'later.db');
    const child = cli.start(['monitor', '--interval', '1', '--json', '--database', file]);
    const done = finished(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    expect((await cli.run(['db', 'migrate', '--database', file])).code).toBe(0);
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (text: string) => {
        if (text.includes('"lost":false')) resolve();
      });
    });
    child.kill('SIGTERM');
    const { code, stdout } = await done;
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/"lost":true.*"code":"database_missing"/);
    const once = await cli.run(['monitor', '--once', '--database', 'none.db']);
    expect(once.code).toBe(4);
  });
});

describe('places to write', () => {
  beforeEach(createDatabase);

  it('separate the result from everything else', async () => {
    const piped = await cli.run(['limits'], { env: { FORCE_COLOR: '0' } });
    expect(piped.stdout).toMatch(/^Revision 1\n/);
    expect(piped.stdout).not.toMatch(/[\u001b\u2500-\u259f]/);
    const forced = await cli.run(['status'], { env: { FORCE_COLOR: '1' } });
    expect(forced.stdout).toContain('\u001b[32mOK');
    const none = await cli.run(['status'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(none.stdout).not.toContain('\u001b');
    const flag = await cli.run(['status', '--no-color'], { env: { FORCE_COLOR: '1' } });
    expect(flag.stdout).not.toContain('\u001b');
  });

  it('may be closed early', async () => {
    const child = cli.start(['limits']);
    child.stdout?.destroy();
    const { stderr } = await finished(child);
    expect(stderr).toBe('');
  });

  it('accept the global flags before and after the command', async () => {
    const database = join(cli.home, 'a', 'b.db');
    mkdirSync(dirname(database));
    expect((await cli.run(['db', 'migrate', '--database', database])).code).toBe(0);
    const before = await cli.run(['--json', '--database', database, 'status']);
    const after = await cli.run(['status', '--json', '--database', database]);
    expect(json(before)).toMatchObject({ database: { location: database } });
    expect(json(after)).toMatchObject({ database: { location: database } });
  });
});
