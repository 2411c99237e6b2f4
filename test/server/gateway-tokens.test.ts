import Anthropic from '@anthropic-ai/sdk';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HELLO } from '../support/anthropic-client.ts';
import { temporaryCli } from '../support/cli.ts';
import { openGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';

test('with --require-token clients bring tokens, and only the provider sees the key', async () => {
  const cli = temporaryCli();
  const file = join(cli.home, 'key');
  writeFileSync(file, 'sk-real\n');
  const { gateway, api, target, app } = await openGateway('sqlite', {
    cli,
    args: ['--require-token', '--debug'],
    env: { ANTHROPIC_API_KEY_FILE: file },
  });
  const token = async (...flags: string[]): Promise<string> => {
    const create = ['token', 'create', '--name', 'test', '--database', target.url];
    return (await cli.run([...create, ...flags])).stdout.trim();
  };
  const ask = async (secret: string, baseURL = gateway.url): Promise<number> =>
    new Anthropic({ apiKey: secret, baseURL, maxRetries: 0 }).messages
      .create(HELLO)
      .then(() => 200)
      .catch((error: unknown) => (error as { status: number }).status);

  const any = await token();
  const guardian = await token('--ai-type', 'guardian');
  const reader = await token('--scope', 'read');
  expect(await ask(any)).toBe(200);
  // A token for one AI type spends for it, and for no other.
  expect(await ask(guardian)).toBe(200);
  expect(await ask(guardian, `${gateway.url}/guardian`)).toBe(200);
  expect(await ask(guardian, `${gateway.url}/imperium`)).toBe(403);
  expect(await ask(reader)).toBe(403);
  expect(await ask('sk-real')).toBe(401);
  expect(await ask(`${any}x`)).toBe(401);
  expect(api.calls).toHaveLength(3);
  for (const { headers } of api.calls) {
    expect(headers['x-api-key']).toBe('sk-real');
    expect(headers.authorization).toBeUndefined();
  }
  await until(async () => (await app.status()).windows[0]?.held === 0);
  const { aiTypes } = await app.status();
  expect(aiTypes.map(({ aiType, requests }) => [aiType, requests]).toSorted()).toEqual([
    ['guardian', 2],
    ['imperium', 1],
  ]);
  gateway.child.kill('SIGTERM');
  const { stdout, stderr } = await gateway.done;
  expect(stderr.match(/^POST \/v1\/messages guardian 200 in \d+ out \d+ \d+ ms /gm)).toHaveLength(
    1,
  );
  for (const secret of ['sk-real', any, guardian]) expect(stdout + stderr).not.toContain(secret);
});

test('without it, a token is not passed on to the provider', async () => {
  const { client, api } = await openGateway('sqlite', { sdk: { apiKey: `tkc_${'a'.repeat(48)}` } });
  await expect(client.messages.create(HELLO)).rejects.toThrow(/--require-token/);
  expect(api.calls).toEqual([]);
});
