import { describe, expect, test } from 'vitest';
import { TEN_WORDS_TOKENS } from '../support/anthropic-answers.ts';
import { HELLO, INPUT } from '../support/anthropic-client.ts';
import { openGateway, type OpenedGateway } from '../support/gateway.ts';
import { until } from '../support/processes.ts';
import { openSocket, rawRequest, requestBytes } from '../support/raw-http.ts';

const REQUEST = {
  headers: ['X-Api-Key: sk-test', 'X-Scenario: slow'],
  body: JSON.stringify({ ...HELLO, stream: true }),
};

/** A stream that has delivered two of its three deltas, and goes on when the test says so. */
async function openStream({ api, gateway }: OpenedGateway): Promise<{ received: () => string }> {
  const socket = openSocket(gateway.url);
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.write(requestBytes(gateway.url, REQUEST));
  await until(() => received.includes('message_start'));
  api.calls[0]!.send(2);
  await until(() => received.split('event: content_block_delta').length === 3);
  return { received: () => received };
}

const listens = (url: string): Promise<boolean> =>
  rawRequest(url, { method: 'GET', path: '/v1/models' }).then(
    () => true,
    () => false,
  );

describe('a gateway that is asked to stop', () => {
  test('takes no new calls, lets open ones finish, and settles them', async () => {
    const opened = await openGateway('sqlite');
    const { gateway, api, counts } = opened;
    // Kept open by its client for other calls, it holds nobody up.
    openSocket(gateway.url);
    const stream = await openStream(opened);
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
      const opened = await openGateway('sqlite', { args });
      const { gateway, api, counts } = opened;
      const stream = await openStream(opened);
      gateway.child.kill('SIGTERM');
      await gateway.prints('stderr', /stopping/);
      if (second !== null) gateway.child.kill(second);
      expect((await gateway.done).code).toBe(0);
      expect(stream.received()).not.toContain('message_stop');
      await until(() => api.calls[0]!.state === 'aborted');
      expect(await counts()).toMatchObject({ used: INPUT + 2 * TEN_WORDS_TOKENS, held: 0 });
    },
  );

  test('exits 130 after Ctrl-C', async () => {
    const { gateway } = await openGateway('sqlite');
    gateway.child.kill('SIGINT');
    expect((await gateway.done).code).toBe(130);
  });
});
