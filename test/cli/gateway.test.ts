import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryCli } from '../support/cli.ts';

test.each([
  [['--port', 'x'], /^tokenctl: --port: must be a whole number/],
  [['--port', '70000'], /^tokenctl: --port: must be at most 65535/],
  [['--ai-type', 'global'], /^tokenctl: --ai-type: "global" is reserved/],
  [['--upstream', 'api.anthropic.com'], /^tokenctl: --upstream: is no URL/],
  [['--upstream', 'ftp://x'], /^tokenctl: --upstream: must be an http or https URL/],
  [['--upstream', 'https://me:secret@x'], /^tokenctl: --upstream: must hold no credentials/],
  [['--upstream', 'https://x/?y=1'], /^tokenctl: --upstream: must hold no query/],
  [['--upstream', 'http://localhost:4010/v1'], /^tokenctl: --upstream: .* is this gateway itself/],
  [['--host', '0.0.0.0'], /^tokenctl: --host: .*\n {2}-> .* add --require-token/],
  [['--require-token'], /^tokenctl: --require-token: .*\n {2}-> set ANTHROPIC_API_KEY/],
  [['--max-wait', '-1'], /^tokenctl: --max-wait: must be at least 0/],
  [['--drain-timeout', '1h'], /^tokenctl: --drain-timeout: must be a whole number/],
])('gateway %j is refused before anything is opened', async (args, message) => {
  const cli = temporaryCli();
  const { code, stdout, stderr } = await cli.run(['gateway', ...args]);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/secret|created the database/);
});

test('what ANTHROPIC_BASE_URL and the key files name is checked too, and never shown', async () => {
  const cli = temporaryCli();
  const run = (env: Record<string, string>) => cli.run(['gateway', '--require-token'], { env });
  const base = await run({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:4010' });
  expect([base.code, base.stderr]).toEqual([2, expect.stringContaining('this gateway itself')]);
  const file = await run({ ANTHROPIC_API_KEY_FILE: 'none.key' });
  expect([file.code, file.stderr]).toEqual([
    2,
    expect.stringContaining('ANTHROPIC_API_KEY_FILE: there is no file none.key'),
  ]);
  const key = await run({ ANTHROPIC_API_KEY: 'sk real' });
  expect([key.code, key.stderr]).toEqual([
    2,
    expect.stringContaining('ANTHROPIC_API_KEY: is no key'),
  ]);
  expect(key.stderr).not.toContain('sk real');
});

test('a port that is taken is named', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const port = String((other.address() as AddressInfo).port);
  const { code, stderr } = await temporaryCli().run(['gateway', '--port', port]);
  expect(code).toBe(2);
  expect(stderr).toContain(`--port: ${port} is taken on 127.0.0.1`);
});
