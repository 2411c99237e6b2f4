import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openTokenctl, type Tokenctl } from '../src/index.ts';
import { startAnthropicApi, type AnthropicApi } from './support/anthropic-api.ts';
import { tokens } from './support/budget.ts';
import { temporaryDirectory } from './support/sqlite.ts';

const project = fileURLToPath(new URL('..', import.meta.url));

let api: AnthropicApi;
let tokenctl: Tokenctl;
let databaseUrl: string;
beforeEach(async () => {
  api = await startAnthropicApi();
  databaseUrl = join(temporaryDirectory(), 'budget.db');
  tokenctl = await openTokenctl({ databaseUrl, create: true });
  onTestFinished(async () => {
    await tokenctl.close();
    await api.close();
  });
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example as it is, on the built library, against the stand-in of the API. */
function run(example: string): Promise<Run> {
  const env = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    TOKENCTL_DATABASE_URL: databaseUrl,
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: 'test',
  };
  return new Promise((resolve) => {
    const words = ['--import', 'tsx', join('examples', example)];
    execFile(process.execPath, words, { cwd: project, env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

describe('the example of the TypeScript SDK', () => {
  it('answers, and is charged what the provider billed', async () => {
    expect(await run('typescript-sdk.ts')).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^one two three/) as string,
      stderr: '',
    });
    expect(api.billed()).toBeGreaterThan(0);
    const { aiTypes } = await tokenctl.status();
    expect(aiTypes).toMatchObject([{ aiType: 'imperium', used: api.billed(), held: 0 }]);
  });

  it('says why the budget denied it, and sends nothing', async () => {
    await tokenctl.reserve(tokens(190));
    const { code, stdout, stderr } = await run('typescript-sdk.ts');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/hour: 0 used \+ 190 held .*\nIt would pass at \d{4}-/);
    expect(api.calls).toEqual([]);
  });
});
