/** What holds for every command alike. A command without a row in command-rows.ts fails the first test. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { temporaryCli, type Cli, type CliResult } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { prepareDatabase, type Prepared } from '../support/prepared.ts';
import { until } from '../support/processes.ts';
import { startInPty } from '../support/pty.ts';
import { schemaNames, schemaProblems, type DocumentName } from '../support/schemas.ts';
import { CHANNELS_FILE, COMMANDS, type CommandRow, type Run } from './command-rows.ts';

const root = mkdtempSync(join(tmpdir(), 'tokenctl-commands-'));
const prepared = new Map<string, Prepared>();
let homes = 0;

/** A channel that nobody listens on. */
const NOBODY = {
  ...{ type: 'webhook', name: 'nobody' },
  ...{ url: 'http://127.0.0.1:1', allowPrivate: ['127.0.0.1'] },
};

beforeAll(async () => {
  writeFileSync(
    join(root, basename(CHANNELS_FILE)),
    JSON.stringify({ alerts: { channels: [NOBODY] } }),
  );
  for (const kind of DATABASES) prepared.set(kind, await prepareDatabase(kind, root));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A home of its own without a database. */
function emptyCli(): Cli {
  homes += 1;
  return temporaryCli({ home: mkdtempSync(join(root, `home-${String(homes)}-`)) });
}

/** One whose database is in use. */
async function usedCli(): Promise<Cli> {
  const cli = emptyCli();
  await prepared.get('sqlite')!.copy(cli.database);
  return cli;
}

type Case = CommandRow & { readonly name: string; readonly words: string[] };
const cases: Case[] = COMMANDS.map((row) => ({
  ...row,
  name: `tokenctl ${row.command}`.trim(),
  words: row.command.split(' ').filter((word) => word !== ''),
}));
/** Those that do something, with the first way to run each. */
const runs = cases.flatMap(({ runs: [first], ...row }) =>
  first === undefined
    ? []
    : [{ ...row, ...first, input: first.input ?? '', args: [...row.words, ...first.args] }],
);

const STACK = /^\s+at .*:\d+:\d+/m;

/** Neither a stack nor a document among what is said. */
function expectPlain(stderr: string): void {
  expect(stderr).not.toMatch(STACK);
  expect(stderr).not.toMatch(/^\s*[{[]/m);
}

/** Standard output is this one document, and nothing in it is undocumented. */
function expectDocument({ stdout, stderr }: CliResult, name: DocumentName): void {
  expect(schemaProblems(name, JSON.parse(stdout))).toBe('');
  expectPlain(stderr);
}

describe('the table', () => {
  it('has every command of the program', () => {
    // What the shells ask for is hidden, and never prints an error or a document.
    const visible = (command: Command): Command[] => command.createHelp().visibleCommands(command);
    const names = (command: Command, words: readonly string[]): string[] => [
      words.join(' '),
      ...command.commands
        .filter((each) => visible(command).includes(each))
        .flatMap((each) => names(each, [...words, each.name()])),
    ];
    const program = createProgram(
      async () => undefined,
      () => undefined,
    );
    expect(COMMANDS.map(({ command }) => command).toSorted()).toEqual(
      names(program, []).toSorted(),
    );
  });

  it('has every document', () => {
    const used = COMMANDS.flatMap((row) => row.runs.map(({ document }) => document));
    // What a command that stays prints has a test of its own below.
    expect([...new Set([...used, 'log-line', 'serve', 'gateway'])].toSorted()).toEqual(
      schemaNames().toSorted(),
    );
  });

  it('of the documentation names every schema', () => {
    const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
    const named = [...page.matchAll(/\(\.\.\/schemas\/([\w-]+)\.json\)/g)].map(([, name]) => name);
    expect(named.toSorted()).toEqual(schemaNames().toSorted());
  });
});

describe.concurrent('help', () => {
  it.each(cases)('of $name', async ({ words, runs: ways, name }) => {
    const { code, stdout, stderr } = await emptyCli().run([...words, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: ${name} `);
    if (ways.length > 0) expect(stdout).toMatch(/\nExamples:\n {2}\S/);
    const long = stdout.split('\n').filter((line) => line.length > 80 && /\S\s+\S/.test(line));
    expect(long).toEqual([]);
  });
});

describe.concurrent('without arguments', () => {
  it.each(cases.filter(({ bare }) => bare !== 'stays'))(
    '$name exits $bare',
    async ({ words, bare, runs: ways }) => {
      const cli = await usedCli();
      const { code, stdout, stderr } = await cli.run(words);
      expect(code).toBe(bare);
      expectPlain(stderr);
      if (bare === 0) expect(stdout).not.toBe('');
      else expect(stdout).toBe('');
      if (bare === 2) expect(stderr).toMatch(ways.length === 0 ? /^Usage: / : /\n {2}-> .+\n$/);
    },
  );

  it.each([
    { name: 'monitor', args: ['monitor'], document: 'monitor-line' },
    { name: 'log --follow', args: ['log', '--follow'], document: 'log-line' },
    { name: 'serve', args: ['serve', '--port', '0'], document: 'serve' },
    { name: 'gateway', args: ['gateway', '--port', '0'], document: 'gateway' },
    {
      name: 'serve --gateway',
      args: ['serve', '--gateway', '--port', '0', '--gateway-port', '0'],
      document: 'serve',
    },
  ] as const)('$name stays, prints documents, and ends when it is asked', async (row) => {
    const cli = await usedCli();
    const child = cli.start([...row.args, '--json']);
    let stdout = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    await until(() => stdout.endsWith('\n'), 20_000);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    for (const line of stdout.trimEnd().split('\n')) {
      expect(schemaProblems(row.document, JSON.parse(line))).toBe('');
    }
  });
});

describe.concurrent.each(DATABASES)('--json on %s', (kind) => {
  const ways = cases.flatMap((row) => row.runs.map((way) => ({ ...row, ...way })));
  it.each(ways.map((way) => ({ ...way, line: [...way.words, ...way.args].join(' ') })))(
    '$line',
    async ({ words, args, input = '', ...rest }) => {
      const { document, code = 0 }: Pick<Run, 'document' | 'code'> =
        (kind === 'postgresql' ? rest.onPostgres : undefined) ?? rest;
      const cli = emptyCli();
      const database = await prepared.get(kind)!.copy(join(cli.home, 'budget.db'));
      const line = [...words, ...args, '--json', '--database', database];
      const result = await cli.run(line, { input, env: { PATH: '' } });
      expectDocument(result, document);
      expect(result.code).toBe(code);
    },
  );
});

describe.concurrent('an unknown flag', () => {
  const named = /^tokenctl: unknown option '--bogus'\n {2}-> (did you mean --|tokenctl .*--help\n)/;

  it.each(cases)('of $name exits 2 and changes nothing', async ({ words, runs: [first], name }) => {
    const cli = emptyCli();
    const args = [...words, ...(first?.args ?? []), '--bogus'];
    const plain = await cli.run(args);
    expect([plain.code, plain.stdout]).toEqual([2, '']);
    expect(plain.stderr).toMatch(named);
    expect(plain.stderr).toMatch(new RegExp(`did you mean|${name} --help`));
    const json = await cli.run([...args, '--json']);
    expect(json.code).toBe(2);
    expectDocument(json, 'error');
    expect(json.stderr).toMatch(named);
    expect(readdirSync(cli.home)).toEqual([]);
  });
});

describe.concurrent.each([
  ['sqlite', 'missing.db'],
  ['postgresql', 'postgresql://bob:s3cret@127.0.0.1:1/x'],
] as const)('a database that is gone, on %s', (kind, database) => {
  it.each(runs)('$name', async ({ args, input, lost }) => {
    const cli = emptyCli();
    const result = await cli.run([...args, '--json', '--database', database], { input });
    const { document, code = 4 } = lost?.[kind] ?? { document: 'error' };
    expectDocument(result, document);
    expect(result.code).toBe(code);
    expect(result.stdout + result.stderr).not.toContain('s3cret');
    expect(readdirSync(cli.home)).toEqual([]);
  });
});

describe.concurrent('without a database in the default place', () => {
  it.each(runs)('$name $unmade', async ({ args, input, unmade, code = 0, lost }) => {
    const cli = emptyCli();
    const result = await cli.run(args, { input });
    const { stdout, stderr } = result;
    const created = `created the database ${cli.database}\n`;
    const missing = `there is no database at ${cli.database}`;
    expect([existsSync(cli.database), stderr.includes(created)]).toEqual(
      unmade === 'creates it' ? [true, true] : [false, false],
    );
    if (unmade === 'creates it') expect(result.code).toBe(code);
    if (unmade !== 'says so and creates none') return;
    expect(result.code).toBe(4);
    expect(stderr).toContain(missing);
    expect(stderr).toMatch(/^ {2}-> .*: tokenctl db (migrate|info)$/m);
    if (lost === undefined) expect(stdout).toBe('');
    expect(readdirSync(cli.home)).toEqual([]);
  });
});

describe.concurrent('standard output', () => {
  it.each(runs)('of $name that nobody reads', async ({ args, input, code = 0 }) => {
    const cli = await usedCli();
    const shell = '"$@" | true; exit ${PIPESTATUS[0]}';
    const result = await cli.run(args, { input, shell });
    expect(result.code).toBe(code);
    expectPlain(result.stderr);
  });

  it.each(runs)('of $name on a full disk', async ({ args, input }) => {
    const cli = await usedCli();
    const result = await cli.run(args, { input, shell: '"$@" >/dev/full' });
    expect(result.stderr).toContain(
      'tokenctl: the result could not be written: there is no space left\n',
    );
    expect(result.code).toBe(1);
    expectPlain(result.stderr);
  });

  it('in a file that has room for its beginning only', async () => {
    const cli = emptyCli();
    // Without the signal, a file that may not grow is what a full disk is: a write does a part of it.
    const shell = 'trap "" XFSZ; ulimit -f 1; "$@" >help.txt';
    const { code, stderr } = await cli.run(['--help'], { shell });
    expect(readFileSync(join(cli.home, 'help.txt')).length).toBe(1_024);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tokenctl: the result could not be written: the file may not grow/);
  });
});

describe.concurrent('standard input that is closed', () => {
  const shell = '"$@" <&-';

  it.each(runs.filter(({ input }) => input === ''))('of $name', async ({ args, code = 0 }) => {
    const result = await (await usedCli()).run(args, { shell });
    expect(result.code).toBe(code);
    expect(result.stdout).not.toBe('');
    expectPlain(result.stderr);
  });

  it.each([
    { args: ['reset', '--reason', 'test'] },
    { args: ['db', 'prune', '--before', '2025-02'] },
  ])('$args is not confirmed, and --yes is named', async ({ args }) => {
    const { code, stdout, stderr } = await (await usedCli()).run(args, { shell });
    expect([code, stdout]).toEqual([5, '']);
    expect(stderr).toMatch(/needs --yes .*\n.*--dry-run, then add --yes\n$/);
  });
});

describe('a terminal of 20 columns', () => {
  const clock = new Date().toISOString();
  const printed = async ({ args, code = 0 }: (typeof runs)[number], cols: number) => {
    const { home } = await usedCli();
    const env = { XDG_DATA_HOME: join(home, 'data') };
    const pty = startInPty(args, { home, env, clock, cols, rows: 200 });
    expect(await pty.exited()).toBe(code);
    return pty.printed();
  };
  const numbers = (lines: readonly string[]): string[] =>
    lines
      .join(' ')
      // What is free on the disk is not the same a moment later.
      .replace(/[\d,]+\s+MiB free/, '')
      .match(/(?<!\S)\d{1,3}(,\d{3})*(\.\d+)?(?!\S)/g) ?? [];
  /** The words that the terminal itself broke. */
  const broken = (lines: readonly string[], cols: number): string[] =>
    lines.flatMap((line) =>
      [...line.matchAll(/\S+/g)]
        .filter(({ index, 0: word }) => index % cols > (index + word.length - 1) % cols)
        .map(([word]) => word),
    );

  it('cuts no number of any command', async () => {
    const problems: Record<string, string[]> = {};
    const waiting = runs.filter(({ input }) => input === '');
    const work = async (): Promise<void> => {
      for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
        const [narrow, wide] = [await printed(each, 20), await printed(each, 160)];
        expect(narrow.join('\n')).not.toMatch(STACK);
        const known = new Set(numbers(wide));
        const unknown = numbers(narrow).filter((number) => !known.has(number));
        const cut = [...numbers(broken(narrow, 20)), ...unknown];
        if (cut.length > 0) problems[each.name] = cut;
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    expect(problems).toEqual({});
  }, 60_000);
});
