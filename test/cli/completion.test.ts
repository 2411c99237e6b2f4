/** What the scripts of completion are told, and what asking for it must never do. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { DATABASES, emptyDatabase } from '../support/databases.ts';
import { requireShell } from '../support/shells.ts';
import { timed } from '../support/timed.ts';

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

const KNOWN_AI_TYPES = ['conquest', 'guardian', 'imperium', 'sandbox'];

/** The candidates for the last of these words, and nothing else is said. */
async function candidates(words: string[], env: Record<string, string> = {}): Promise<string[]> {
  return answer(['--', ...words], env);
}

async function answer(args: string[], env: Record<string, string> = {}): Promise<string[]> {
  const { code, stdout, stderr } = await cli.run(['__complete', ...args], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!);
}

describe('a line is completed with', () => {
  it.each([
    [['sta'], ['status']],
    [['limits', 'r'], ['rollback']],
    [['--json', 'db', 'v'], ['verify']],
    [['--database=x.db', 'db', 'v'], ['verify']],
    [['log', '--sta'], ['--state']],
    [
      ['usage', '--by', 'mo'],
      ['model', 'month'],
    ],
    [['usage', '--by', 'day', 'ai'], ['ai-type']],
    [
      ['usage', '--sort', ''],
      ['used', 'key'],
    ],
    [['log', '--state', 're'], ['released']],
    [['log', '--state=re'], ['--state=released']],
    [['log', '-f', '--limit=5', '--state', 're'], ['released']],
    [['status', '--qu'], ['--quiet']],
    [['status', '--quiet', '--qu'], []],
    [
      ['reset', '--window', ''],
      ['month', 'day', 'hour', 'all'],
    ],
    [['reset', '--ai-type', 'imperium', 'gu'], ['guardian']],
    [['reset', '--ai-type', 'imperium', '--wi'], ['--window']],
    [['limits', 'set', 'hou'], ['hourly=']],
    // A shell would insert a single one by itself.
    [['limits', 'set', 'hourly='], []],
    [['limits', 'set', 'hourly=o'], ['hourly=off']],
    [['limits', 'set', 'hourly=5', 'hou'], []],
    [
      ['limits', 'set', '--ai-type', 'x', ''],
      ['monthly=', 'daily=', 'hourly=', 'request='],
    ],
    [['limits', 'set', '--ai-type', 'x', 'hourly='], []],
    [['limits', 'unset', 'criticalR'], ['criticalRequest']],
    [
      ['limits', 'apply', '--profile', ''],
      ['default', 'paced'],
    ],
    [['status', '--format', '{month.re'], ['{month.resets_in}']],
    [
      ['status', '--format', '{level} {la'],
      ['{level} {largest}', '{level} {last_log_age}'],
    ],
    [
      ['import', '--format', ''],
      ['csv', 'jsonl'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['help', 'e'],
      ['explain', 'environment', 'exit-codes'],
    ],
    [['help', 'limits', 'ro'], ['rollback']],
    [['import', ''], [':files']],
    [['db', 'backup', 'x'], [':files']],
    [['limits', 'apply', '--file', ''], [':files']],
    [['--config', ''], [':files']],
    [['--database', ''], [':files']],
    [['explain', 'req'], []],
    [['nonsense', ''], []],
    [['status', '--nonsense='], []],
    [['status', '--', '--js'], []],
  ])('%j: %j', async (words, expected) => {
    expect(await candidates(words)).toEqual(expected);
  });

  it('flags where no word is known', async () => {
    expect(await candidates(['doctor', ''])).toEqual(
      expect.arrayContaining(['--help', '--json', '--database']),
    );
  });

  it('the months up to this one', async () => {
    const months = await candidates(['status', '--month', '']);
    expect(months).toHaveLength(12);
    expect(months[0]).toBe(new Date().toISOString().slice(0, 7));
  });

  it('descriptions', async () => {
    const { stdout } = await cli.run(['__complete', '--', 'limits', 'set', 'hou']);
    expect(stdout).toBe('hourly=\ttokens an hour\n');
  });
});

describe("bash's line", () => {
  const BREAKS = ' \t\n"\'><=;|&(:';

  it.each([
    ['tokenctl sta', ['status']],
    ['tokenctl   limits  "set" hou', ['hourly=']],
    ['tokenctl log --state=re', ['released']],
    ['tokenctl limits set hourly=', []],
    ['tokenctl limits set hourly=o', ['off']],
    ["tokenctl status --format '{level} {month.re", ['{level} {month.resets_in}']],
    ['tokenctl --config "a file.json" log --state re', ['released']],
    ['tokenctl --config a\\ file.json log --state re', ['released']],
    ['tokenctl ', expect.arrayContaining(['status', 'help'])],
  ])('%j: %j', async (line, expected) => {
    expect(await answer([`--line=${line}`, `--breaks=${BREAKS}`])).toEqual(expected);
  });

  it('keeps a word whole where bash does not break it', async () => {
    expect(await answer(['--line=tokenctl log --state=re', '--breaks= '])).toEqual([
      '--state=released',
    ]);
  });
});

describe.each(DATABASES)('on %s', (kind) => {
  it('AI types of the month and of limits, models, resets and revisions are known', async () => {
    const { url } = await emptyDatabase(kind);
    const on = ['--database', url];
    const now = new Date().toISOString();
    const input = `timestamp,input,output,model\n${now},7,0,claude-a\n${now},6,0,$(id)\n`;
    await cli.run(['db', 'migrate', ...on]);
    await cli.run(['import', '-', '--format', 'csv', '--ai-type', 'logged', ...on], { input });
    await cli.run([
      'limits',
      'set',
      'monthly=5',
      '--ai-type',
      'limited',
      '--reason',
      'a\tb',
      ...on,
    ]);
    await cli.run(['reset', '--reason', 'first', '--yes', ...on]);
    await cli.run(['reset', '--undo', '1', '--yes', ...on]);
    await cli.run(['reset', '--reason', 'second', '--yes', ...on]);
    const all = [...KNOWN_AI_TYPES, 'limited', 'logged'].toSorted();
    expect(await candidates([...on, 'status', '--ai-type', ''])).toEqual(all);
    expect(await candidates(['status', '--ai-type', ''], { DATABASE_URL: url })).toEqual(all);
    writeFileSync(join(cli.home, 'own.json'), JSON.stringify({ database: url }));
    expect(await candidates(['--config', 'own.json', 'status', '--ai-type', ''])).toEqual(all);
    expect(await candidates(['--config=~/own.json', 'status', '--ai-type', ''])).toEqual(all);
    expect(await candidates([...on, 'usage', '--model', ''])).toEqual(['claude-a']);
    expect(await candidates([...on, 'usage', '--request-type', 'i'])).toEqual(['import']);
    expect(await candidates([...on, 'reset', '--undo', ''])).toEqual(['2']);
    expect(await candidates([...on, 'limits', 'rollback', ''])).toEqual(['2', '1']);
    const set = [...on, 'limits', 'set'];
    expect(await candidates([...set, 'hourly='])).toEqual(['hourly=194', 'hourly=off']);
    await cli.run([...set, 'hourly=2%']);
    expect(await candidates([...set, 'hourly='])).toEqual(['hourly=2%', 'hourly=off']);
    await cli.run([...set, 'hourly=off']);
    expect(await candidates([...set, 'hourly='])).toEqual([]);
    expect(await candidates([...set, '--ai-type', 'limited', 'monthly='])).toEqual([]);
    expect(await candidates([...set, '--ai-type', 'limited', 'monthly=5'])).toEqual(['monthly=5']);
  });
});

describe('a database that can not be asked', () => {
  const line = ['status', '--ai-type', ''];

  it('leaves what is known without it, and nothing is created', async () => {
    const before = readdirSync(cli.home);
    expect(await candidates(line)).toEqual(KNOWN_AI_TYPES);
    expect(await candidates(['--database', 'none.db', ...line])).toEqual(KNOWN_AI_TYPES);
    expect(await candidates(['--config', 'none.json', ...line])).toEqual(KNOWN_AI_TYPES);
    expect(await candidates(line, { DATABASE_URL: 'mysql://h/x' })).toEqual(KNOWN_AI_TYPES);
    expect(readdirSync(cli.home)).toEqual(before);
  });

  it('because it never answers is not waited for', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = `postgresql://x@127.0.0.1:${String(port)}/x`;
    const [found, ms] = await timed(candidates(['--database', url, ...line]));
    expect(found).toEqual(KNOWN_AI_TYPES);
    // Half a second beside the start of a process. Whoever waits as other commands do needs five.
    expect(ms).toBeLessThan(3_000);
  });
});

describe('tokenctl completion', () => {
  it.each([
    ['bash', '-n'],
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ] as const)('%s prints what the shell can read', async (shell, onlyRead) => {
    requireShell(shell);
    const { code, stdout, stderr } = await cli.run(['completion', shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const file = join(cli.home, 'script');
    writeFileSync(file, stdout);
    execFileSync(shell, [onlyRead, file]);
    const { stdout: document } = await cli.run(['completion', shell, '--json']);
    expect(JSON.parse(document)).toEqual({ shell, script: stdout });
  });

  it.each([
    [[], /shell: is needed: bash, zsh or fish/],
    [['tcsh'], /"tcsh" is none that is known: bash, zsh or fish/],
  ])('%j names the shells and exits 2', async (args, problem) => {
    const { code, stdout, stderr } = await cli.run(['completion', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(problem);
  });
});
