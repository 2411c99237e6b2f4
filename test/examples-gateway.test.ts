import { expect, test } from 'vitest';
import { charged, example, run } from './support/examples.ts';
import { openGateway } from './support/gateway.ts';
import { PYTHON } from './support/python.ts';

test('curl.sh: a stream as it comes', async () => {
  const opened = await openGateway('sqlite');
  const { code, stdout } = await run('sh', [example('curl.sh')], opened.gateway.url);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^event: message_start\n[^]*event: message_stop\n/);
  expect(await charged(opened)).toEqual([['sandbox', opened.api.billed()]]);
});

test('python-insert.py: one INSERT is counted', async () => {
  const opened = await openGateway('sqlite');
  const done = await run(PYTHON, [example('python-insert.py'), opened.target.url]);
  expect(done).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await charged(opened)).toEqual([['guardian', 612]]);
});
