/**
 * The example for Python, with the official SDK that pip installs. Apart from the tests, as not every
 * machine that runs them reaches an index of Python packages: `npm run python-sdk`.
 */
import { expect, test } from 'vitest';
import { charged, example, run } from './support/examples.ts';
import { openGateway } from './support/gateway.ts';
import { pythonWithSdk } from './support/python-sdk.ts';

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
