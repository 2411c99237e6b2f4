import { describe, expect, it } from 'vitest';
import { ask, openApi, type OpenedApi } from '../support/api.ts';
import { DATABASES } from '../support/databases.ts';
import { until } from '../support/processes.ts';
import { startServiceManager } from '../support/service-manager.ts';

interface Heard {
  /** The events so far: their names and data. */
  readonly events: readonly { readonly name: string; readonly data: Record<string, unknown> }[];
  readonly ended: Promise<void>;
  readonly leave: () => void;
}

/** Listens to the server's events. */
async function listen({ api }: OpenedApi, headers: Record<string, string> = {}): Promise<Heard> {
  const leaving = new AbortController();
  const response = await fetch(`${api.url}/api/v1/events`, { signal: leaving.signal, headers });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const events: { name: string; data: Record<string, unknown> }[] = [];
  const read = async (): Promise<void> => {
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop()!;
      for (const part of parts) {
        const [, name] = /^event: (.+)$/m.exec(part) ?? [];
        const [, data] = /^data: (.+)$/m.exec(part) ?? [];
        if (name !== undefined) events.push({ name, data: JSON.parse(data!) as object as never });
      }
    }
  };
  return { events, ended: read().catch(() => undefined), leave: () => leaving.abort() };
}

describe.each(DATABASES)('events on %s', (kind) => {
  it('tell how things are, and each change once, to everybody', async () => {
    const opened = await openApi(kind);
    const [first, second] = [await listen(opened), await listen(opened)];
    await until(() => first.events.length > 0 && second.events.length > 0);
    expect(first.events[0]).toMatchObject({ name: 'status', data: { level: 'ok' } });
    const body = { aiType: 'imperium', estimate: { input: 5, output: 5 } };
    expect((await opened.ask('/api/v1/reservations', { body })).status).toBe(201);
    for (const { events } of [first, second]) {
      await until(() => events.length > 1);
      const { aiTypes } = events[1]!.data as { aiTypes: object[] };
      expect(aiTypes).toMatchObject([{ aiType: 'imperium', held: 10 }]);
    }
    first.leave();
    await first.ended;
  });

  it('end for a token that was revoked, also while there is always news', async () => {
    const opened = await openApi(kind);
    const read = await opened.token({ name: 'read', scopes: ['read'] });
    // What comes through a proxy needs a token.
    const headers = { authorization: `Bearer ${read}`, 'x-forwarded-for': '192.0.2.1' };
    const { events, ended } = await listen(opened, headers);
    await until(() => events.length > 0);
    await opened.app.revokeToken('read', { dryRun: false });
    let over = false;
    void ended.then(() => (over = true));
    const body = { aiType: 'imperium', estimate: { input: 1, output: 0 } };
    for (let told = events.length; !over; told = events.length) {
      await opened.ask('/api/v1/reservations', { body });
      await until(() => over || events.length > told);
    }
    expect(events.filter(({ name }) => name === 'heartbeat')).toEqual([]);
  }, 40_000);

  it('a stopping server says so, ends what is open, and exits 0', async () => {
    const opened = await openApi(kind);
    const { events, ended } = await listen(opened);
    await until(() => events.length > 0);
    const { child, done } = opened.api;
    child.kill('SIGTERM');
    await ended;
    expect(events.at(-1)).toMatchObject({ name: 'stopping' });
    expect((await done).code).toBe(0);
  });
});

it('Ctrl-C exits 130, and open requests are answered before', async () => {
  const opened = await openApi('sqlite');
  const body = { aiType: 'imperium', estimate: { input: 5, output: 5 } };
  const open = Array.from({ length: 20 }, () => opened.ask('/api/v1/reservations', { body }));
  const [first] = await Promise.all([open[0]]);
  expect(first!.status).toBe(201);
  opened.api.child.kill('SIGINT');
  const ends = await Promise.allSettled(open);
  for (const end of ends) {
    if (end.status === 'fulfilled') expect(end.value.status).toBe(201);
  }
  expect((await opened.api.done).code).toBe(130);
  const answered = ends.filter(({ status }) => status === 'fulfilled').length;
  expect((await opened.app.status()).windows[0]!.held).toBeGreaterThanOrEqual(answered * 10);
});

it('a service manager hears that it is ready, alive and stopping', async () => {
  const manager = await startServiceManager();
  const env = { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '1000000' };
  const { api } = await openApi('sqlite', { env });
  await manager.hears(/^READY=1$/);
  await manager.hears(/^WATCHDOG=1$/);
  expect((await ask(api.url, '/healthz')).status).toBe(200);
  api.child.kill('SIGTERM');
  await manager.hears(/^STOPPING=1$/);
  expect((await api.done).code).toBe(0);
});
