import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { beforeEach, describe, expect, it } from 'vitest';
import { LIMIT_ENVIRONMENT_NAMES } from '../../src/budget/environment-limits.ts';
import type { ErrorCode } from '../../src/budget/errors.ts';
import { AI_TYPE_LIMIT_KEYS, LIMIT_KEYS } from '../../src/budget/limits.ts';
import type { ReasonCode } from '../../src/budget/verdict.ts';
import { createProgram } from '../../src/cli/program.ts';
import { TOPICS } from '../../src/cli/table/topics.ts';
import { environment } from '../../src/cli/topics/environment.ts';
import { exitCodes } from '../../src/cli/topics/exit-codes.ts';
import { formats } from '../../src/cli/topics/formats.ts';
import { limits } from '../../src/cli/topics/limits.ts';
import { topicView } from '../../src/cli/views/topic.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { startProgramInPty } from '../support/pty.ts';
import { schemaNames } from '../support/schemas.ts';

const BINARY = fileURLToPath(new URL('../../bin/tokenctl.js', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

let cli: Cli;
beforeEach(() => {
  cli = temporaryCli();
});

async function topic(name: string): Promise<string> {
  const { code, stdout, stderr } = await cli.run(['help', name]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** The words of every command and subcommand. */
function commandsOf(command: Command, words: string[] = []): string[][] {
  return command.commands.flatMap((each) => {
    const own = [...words, each.name()];
    return [own, ...commandsOf(each, own)];
  });
}

describe('help', () => {
  it('of a command is what --help of it says', async () => {
    const commands = commandsOf(
      createProgram(
        async () => undefined,
        () => undefined,
      ),
    );
    expect(commands.length).toBeGreaterThan(25);
    for (const words of commands) {
      const asked = await cli.run(['help', ...words]);
      const flag = await cli.run([...words, '--help']);
      expect(asked).toMatchObject({ code: 0, stderr: '' });
      // `limits` is a topic, too, which stands below.
      if (words.join(' ') === 'limits') expect(asked.stdout.startsWith(flag.stdout)).toBe(true);
      else expect(asked).toEqual(flag);
    }
  }, 120_000);

  it('alone is that of the program, and lists the topics', async () => {
    const help = await cli.run(['help']);
    expect(help).toEqual(await cli.run(['--help']));
    expect(help.code).toBe(0);
    for (const { about } of TOPICS) expect(help.stdout).toContain(about);
    expect(help.stdout).not.toContain('__complete');
  });

  it.each([
    [['stats'], /unknown command or topic 'stats'\n.*did you mean status\?/],
    [['enviroment'], /unknown command or topic 'enviroment'\n.*did you mean environment\?/],
    [['exit'], /did you mean exit-codes\?/],
    [['limits', 'sett'], /unknown command 'sett'\n.*did you mean set\?/],
    [['xyzzy'], /unknown command or topic 'xyzzy'\n.*tokenctl help/],
    [['status', 'x'], /unknown command 'x'/],
  ])('%j is wrong usage, and names the nearest', async (words, problem) => {
    const { code, stdout, stderr } = await cli.run(['help', ...words]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(problem);
  });

  it.each([
    ['environment', environment],
    ['exit-codes', exitCodes],
    ['formats', formats],
    ['limits', limits],
  ])(
    'of the topic %s fits 80 and 60 columns, and is a document with --json',
    async (name, parts) => {
      for (const cols of [80, 60]) {
        const text = topicView(parts, cols);
        expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(cols);
        const command = [process.execPath, BINARY, 'help', name];
        // node-pty may lose the end of a long output of a program that is gone: so the shell stays.
        const pty = startProgramInPty('sh', ['-c', '"$@"; read -r _', 'sh', ...command], {
          ...{ home: cli.home, cols, rows: 40 },
        });
        await pty.waitFor(text);
      }
      const { stdout } = await cli.run(['help', name, '--json']);
      expect(JSON.parse(stdout)).toEqual({ topic: name, text: topicView(parts, 80) });
    },
  );
});

describe('the topic', () => {
  it('environment names every variable that is read', async () => {
    const text = await topic('environment');
    const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
      .map((file) => readFileSync(join(SOURCES, file), 'utf8'))
      .join('\n');
    const read = [...sources.matchAll(/(?:environment|env)\['(\w+)'\]/g)].map(([, name]) => name!);
    expect(read).toEqual(expect.arrayContaining(['NO_COLOR', 'DATABASE_URL', 'ProgramData']));
    for (const name of [...read, ...LIMIT_ENVIRONMENT_NAMES]) expect(text).toContain(name);
  });

  it('exit-codes names every code of an error', async () => {
    const text = await topic('exit-codes');
    for (const code of [0, 1, 2, 3, 4, 5, 130])
      expect(text).toMatch(new RegExp(`^  ${code} `, 'm'));
    const codes: ErrorCode[] = ['invalid_input', 'database_newer', 'interrupted', 'reset_undone'];
    for (const code of codes) expect(text).toContain(code);
  });

  it('limits names every key, its default, and what denies', async () => {
    const text = (await topic('limits')).replaceAll(/\s+/g, ' ');
    for (const [key, { about }] of Object.entries(LIMIT_KEYS)) {
      expect(text).toContain(`${key} ${about}. By default`);
    }
    expect(text).toContain('hourly tokens an hour. By default 194 tokens (daily / 24)');
    expect(text).toContain(AI_TYPE_LIMIT_KEYS.join(', '));
    const codes: ReasonCode[] = [
      ...(['emergency_shutdown', 'request_too_large', 'provider_request_too_large'] as const),
      ...(['critical_restricts_large', 'window_exceeded', 'rate_exceeded'] as const),
    ];
    for (const code of codes) expect(text).toContain(code);
  });

  it('formats names schemas that there are', async () => {
    const rows = formats[0]?.rows ?? [];
    const named = rows.flatMap(([, text]) => /^[a-z-]+(?=$|:)/.exec(text)?.[0] ?? []);
    expect(named.length).toBeGreaterThan(6);
    for (const name of named) expect(schemaNames()).toContain(name);
  });
});
