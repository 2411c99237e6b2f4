import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { openApi } from './support/api.ts';
import { example } from './support/examples.ts';
import { PYTHON } from './support/python.ts';

test('python-http.py: the standard library reserves, and settles', async () => {
  const { api, token, app } = await openApi('sqlite');
  const child = spawn(PYTHON, [example('python-http.py')], {
    env: {
      PATH: process.env['PATH'],
      TOKENCTL_URL: api.url,
      TOKENCTL_TOKEN: await token({ scopes: ['reserve'], aiTypes: ['guardian'] }),
    },
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (said[name] += text));
  }
  const [code] = (await once(child, 'close')) as [number];
  expect([code, said.stderr]).toEqual([0, '']);
  expect(said.stdout).toMatch(/^settled: 612 tokens\n$/);
  const { aiTypes } = await app.status();
  expect(aiTypes).toMatchObject([{ aiType: 'guardian', used: 612, held: 0, requests: 1 }]);
});
