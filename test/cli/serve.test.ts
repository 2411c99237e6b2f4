import { expect, it } from 'vitest';
import { temporaryCli } from '../support/cli.ts';

it.each([
  ['--gateway-port', '4010'],
  ['--ai-type', 'imperium'],
  ['--upstream', 'https://api.anthropic.com'],
  ['--require-token'],
  ['--pass-unknown'],
  ['--max-wait', '5'],
  ['--drain-timeout', '5'],
])('serve %s says nothing without --gateway, and is refused', async (...flags) => {
  const { code, stdout, stderr } = await temporaryCli().run(['serve', ...flags]);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toBe(
    `tokenctl: ${flags[0]}: only with --gateway\n  -> add --gateway, or run tokenctl gateway\n`,
  );
});

it.each([
  [['--gateway-port', 'x'], /^tokenctl: --gateway-port: must be a whole number/],
  [['--port', '70000'], /^tokenctl: --port: must be at most 65535/],
  [['--port', '4010'], /^tokenctl: --gateway-port: 4010 is the port of the API\n {2}-> choose/],
  [['--ai-type', 'global'], /^tokenctl: --ai-type: "global" is reserved/],
  [['--gateway-port', '5', '--upstream', 'http://localhost:5'], /is this gateway itself/],
  [['--host', '0.0.0.0'], /^tokenctl: --host: .*\n {2}-> .* add --require-token/],
  [['--require-token'], /^tokenctl: --require-token: .*\n {2}-> set ANTHROPIC_API_KEY/],
  [['--drain-timeout', '1h'], /^tokenctl: --drain-timeout: must be a whole number/],
])('serve --gateway %j is refused before anything is opened', async (args, message) => {
  const { code, stdout, stderr } = await temporaryCli().run(['serve', '--gateway', ...args]);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('created the database');
});
