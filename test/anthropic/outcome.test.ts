import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  outcomeOfAnswer,
  outcomeOfError,
  outcomeOfStatus,
  usageOfAttempts,
} from '../../src/anthropic/outcome.ts';

const usage = {
  inputTokens: 1,
  outputTokens: 2,
  cacheCreationInputTokens: 3,
  cacheReadInputTokens: 4,
};

/** How `fetch` fails. */
async function failureOf(url: string, signal?: AbortSignal): Promise<unknown> {
  return fetch(url, signal === undefined ? {} : { signal }).then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );
}

describe('what an attempt is charged', () => {
  it.each([400, 401, 404, 413, 429, 500, 503, 529, 304])('HTTP status %i is free', (status) => {
    expect(outcomeOfStatus(status)).toMatchObject({ kind: 'free' });
  });

  it('an answer is charged its usage, and the hold when it reports none', () => {
    expect(outcomeOfStatus(200)).toBeNull();
    const whole = { usage, model: 'm', stopReason: 'end_turn', error: null };
    expect(outcomeOfAnswer(whole)).toMatchObject({ kind: 'used', usage, model: 'm' });
    const error = 'the answer was cut';
    const cut = outcomeOfAnswer({ usage: null, model: null, stopReason: null, error });
    expect(cut).toEqual({ kind: 'unknown', error });
  });

  it('a connection that was never made is free', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const refused = await failureOf(`http://127.0.0.1:${String(port)}`);
    expect(outcomeOfError(refused).kind).toBe('free');
    expect(outcomeOfError(await failureOf('http://no-such-host.invalid')).kind).toBe('free');
    expect(outcomeOfError({ code: 'UND_ERR_CONNECT_TIMEOUT' }).kind).toBe('free');
    expect(outcomeOfError({ cause: { code: 'CERT_HAS_EXPIRED' } }).kind).toBe('free');
    const both = { errors: [{ syscall: 'connect' }, { syscall: 'connect' }] };
    expect(outcomeOfError({ cause: both }).kind).toBe('free');
  });

  it('a connection that was lost, or a time-out, is unknown', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const lost = await failureOf(`http://127.0.0.1:${String(port)}`);
    await new Promise((resolve) => server.close(resolve));
    expect(outcomeOfError(lost).kind).toBe('unknown');
    expect(outcomeOfError(new DOMException('late', 'TimeoutError')).kind).toBe('unknown');
    expect(outcomeOfError({ errors: [{ syscall: 'connect' }, { syscall: 'read' }] }).kind).toBe(
      'unknown',
    );
    expect(outcomeOfError(undefined).kind).toBe('unknown');
    const circular: { cause?: unknown } = {};
    circular.cause = circular;
    expect(outcomeOfError(circular).kind).toBe('unknown');
  });

  it('attempts whose charge is unknown count as the estimate beside the last one', () => {
    const estimate = { input: 100, output: 50, total: 150 };
    expect(usageOfAttempts(usage, 0, estimate)).toEqual(usage);
    const more = { ...usage, inputTokens: 201, outputTokens: 102 };
    expect(usageOfAttempts(usage, 2, estimate)).toEqual(more);
    expect(usageOfAttempts(null, 1, estimate)).toMatchObject({
      inputTokens: 100,
      outputTokens: 50,
    });
  });
});
