import { describe, expect, test } from 'vitest';
import { EVERYTHING, readLog } from '../../src/ledger/log.ts';
import { HELLO } from '../support/anthropic-client.ts';
import { TEN_WORDS_TOKENS } from '../support/anthropic-answers.ts';
import { INPUT } from '../support/anthropic-client.ts';
import { openGateway, openStream } from '../support/gateway.ts';
import { until } from '../support/processes.ts';
import { openSocket, rawRequest } from '../support/raw-http.ts';

const listens = (url: string): Promise<boolean> =>
  rawRequest(url, { method: 'GET', path: '/v1/models' }).then(
    () => true,
    () => false,
  );

describe('a gateway that is asked to stop', () => {
  test('takes no new calls, lets open ones finish, and settles them', async () => {
    const { gateway, api, counts } = await openGateway('sqlite');
    // Kept open by its client for other calls, it holds nobody up.
    openSocket(gateway.url);
    const stream = await openStream(gateway.url, api);
    gateway.child.kill('SIGTERM');
    await gateway.prints('stderr', /stopping when 1 open calls/);
    await until(async () => !(await listens(gateway.url)));
    api.calls[0]!.end();
    const { code, stderr } = await gateway.done;
    expect(code).toBe(0);
    expect(stderr).not.toContain('warning');
    expect(stream.received()).toContain('message_stop');
    expect(await counts()).toMatchObject({ used: api.billed(), held: 0 });
  });

  test.each([
    ['a second signal', ['--drain-timeout', '600'], 'SIGTERM'],
    ['the time being over', ['--drain-timeout', '0'], null],
  ] as const)(
    'breaks open calls off on %s, and charges what was delivered',
    async (_what, args, second) => {
      const { gateway, api, counts } = await openGateway('sqlite', { args });
      const stream = await openStream(gateway.url, api);
      gateway.child.kill('SIGTERM');
      await gateway.prints('stderr', /stopping/);
      if (second !== null) gateway.child.kill(second);
      expect((await gateway.done).code).toBe(0);
      expect(stream.received()).not.toContain('message_stop');
      await until(() => api.calls[0]!.state === 'aborted');
      expect(await counts()).toMatchObject({ used: INPUT + 2 * TEN_WORDS_TOKENS, held: 0 });
    },
  );

  test('logs that it was stopped, not that the client left', async () => {
    const { gateway, api, app } = await openGateway('sqlite', { args: ['--drain-timeout', '0'] });
    const call = {
      headers: ['X-Api-Key: sk-test', 'X-Scenario: hang'],
      body: JSON.stringify(HELLO),
    };
    const over = rawRequest(gateway.url, call).catch(() => null);
    await until(() => api.calls.length > 0);
    gateway.child.kill('SIGTERM');
    expect((await gateway.done).code).toBe(0);
    await over;
    const all = { filter: EVERYTHING, sinceMs: null, untilMs: null, limit: 10 };
    expect(await readLog(app.ledger, all)).toMatchObject([{ error: 'the gateway was stopped' }]);
  });

  test('exits 130 after Ctrl-C', async () => {
    const { gateway } = await openGateway('sqlite');
    gateway.child.kill('SIGINT');
    expect((await gateway.done).code).toBe(130);
  });
});
