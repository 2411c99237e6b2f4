import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openGateway, type OpenedGateway } from './support/gateway.ts';
import { until } from './support/processes.ts';
import { pythonWithSdk } from './support/python-sdk.ts';

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example as it is, with the gateway as its base URL. */
function run(program: string, args: readonly string[], baseUrl = ''): Promise<Run> {
  const env = {
    PATH: process.env['PATH'],
    ANTHROPIC_BASE_URL: baseUrl,
    ANTHROPIC_API_KEY: 'sk-test',
  };
  return new Promise((resolve) => {
    execFile(program, args, { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

async function charged({ app }: OpenedGateway): Promise<unknown> {
  await until(async () => (await app.status()).windows[0]?.held === 0);
  return (await app.status()).aiTypes.map(({ aiType, used }) => [aiType, used]);
}

test('python-sdk.py: the official SDK is under the budget by its base URL', async () => {
  const python = await pythonWithSdk();
  const opened = await openGateway('sqlite');
  const { api, gateway } = opened;
  expect(await run(python, [example('python-sdk.py')], `${gateway.url}/guardian`)).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^one two three/) as string,
    stderr: '',
  });
  expect(api.billed()).toBeGreaterThan(0);
  expect(await charged(opened)).toEqual([['guardian', api.billed()]]);
}, 300_000);

test('python-sdk.py says why the budget denied it, tries once, and sends nothing', async () => {
  const python = await pythonWithSdk();
  const { api, gateway, app } = await openGateway('sqlite', { limits: { request: 50 } });
  const { code, stdout, stderr } = await run(python, [example('python-sdk.py')], gateway.url);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^denied by tokenctl: a request of \d+ tokens can never pass/);
  expect(api.calls).toEqual([]);
  expect((await app.status()).windows[0]).toMatchObject({ requests: 0, denied: 1 });
}, 300_000);

test('curl.sh: a stream as it comes', async () => {
  const opened = await openGateway('sqlite');
  const { code, stdout } = await run('sh', [example('curl.sh')], opened.gateway.url);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^event: message_start\n[^]*event: message_stop\n/);
  expect(await charged(opened)).toEqual([['sandbox', opened.api.billed()]]);
});

test('python-insert.py: one INSERT is counted', async () => {
  const opened = await openGateway('sqlite');
  const done = await run('python3', [example('python-insert.py'), opened.target.url]);
  expect(done).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await charged(opened)).toEqual([['guardian', 612]]);
});
