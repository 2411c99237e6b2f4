import { describe, expect, it, onTestFinished } from 'vitest';
import { newToken } from '../../src/platform/secret.ts';
import { ask, OPENAPI, openApi, startApi } from '../support/api.ts';
import { temporaryCli } from '../support/cli.ts';
import { DATABASES } from '../support/databases.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { until } from '../support/processes.ts';

const RESERVE = '/api/v1/reservations';
const SUMMARY = '/api/token-usage/summary';
const body = { aiType: 'imperium', estimate: { input: 5, output: 5 } };

/** Every operation, as a request that its input lets pass or not: only who may is looked at. */
const operations = Object.entries(OPENAPI.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    path: path.replaceAll(/\{\w+\}/g, 'x1'),
    method: method.toUpperCase(),
    needs: (operation as unknown as { security: object[] }).security,
  })),
);

describe.each(DATABASES)('who may, on %s', (kind) => {
  it('on loopback: reads need no token, writes the right scope', async () => {
    const opened = await openApi(kind);
    const tokens = {
      read: await opened.token({ scopes: ['read'] }),
      reserve: await opened.token({ scopes: ['reserve'] }),
    };
    const { url } = opened.api;
    for (const { path, method, needs } of operations.filter(
      ({ path: p }) => !p.includes('events'),
    )) {
      const { status } = await ask(url, path, { method, token: tokens.read });
      const open = needs.length !== 1;
      expect([method, path, status === 401 || status === 403]).toEqual([method, path, !open]);
    }
    expect(await ask(url, RESERVE, { body, token: tokens.read })).toMatchObject({
      ...{ status: 403, body: { code: 'forbidden', detail: /./ } },
    });
    expect((await ask(url, RESERVE, { body, token: tokens.reserve })).status).toBe(201);
    const limits = { method: 'PATCH', body: { set: { hourly: 1 } }, token: tokens.reserve };
    expect((await ask(url, '/api/v1/limits', limits)).status).toBe(403);
  });

  it('a token spends for its AI types only, and ends their reservations only', async () => {
    const opened = await openApi(kind);
    const token = await opened.token({ scopes: ['reserve'], aiTypes: ['guardian'] });
    const { url } = opened.api;
    const other = await ask(url, RESERVE, { body, token });
    expect([other.status, other.body['field']]).toEqual([403, 'aiType']);
    const made = await opened.ask<{ reservation: { id: string } }>(RESERVE, { body });
    for (const end of ['settle', 'release']) {
      const path = `${RESERVE}/${made.body.reservation.id}/${end}`;
      const used = end === 'settle' ? { inputTokens: 1, outputTokens: 1 } : {};
      const ended = await ask(url, path, { body: used, token });
      expect([ended.status, ended.body['code']]).toEqual([404, 'reservation_not_found']);
    }
    const own = { ...body, aiType: 'guardian' };
    const { body: mine } = await ask<{ reservation: { id: string } }>(url, RESERVE, {
      ...{ body: own, token },
    });
    const release = `${RESERVE}/${mine.reservation.id}/release`;
    expect((await ask(url, release, { method: 'POST', token })).status).toBe(200);
    expect((await opened.app.status()).windows[0]).toMatchObject({ held: 10 });
  });

  it('revoked and expired tokens are refused, with the reason', async () => {
    const opened = await openApi(kind);
    const { url } = opened.api;
    const soon = await opened.token({ name: 'soon', expiresAtMs: Date.now() + 1_500 });
    const revoked = await opened.token({ name: 'gone' });
    for (const token of [soon, revoked]) {
      expect((await ask(url, RESERVE, { body, token })).status).toBe(201);
    }
    await opened.app.revokeToken('gone', { dryRun: false });
    const reason = async (token: string) => {
      const { status, body: problem, headers } = await ask(url, RESERVE, { body, token });
      if (status !== 201) expect(headers.get('www-authenticate')).toMatch(/^Bearer/);
      return typeof problem['detail'] === 'string' ? problem['detail'] : String(status);
    };
    await until(async () => (await reason(soon)) === 'the token has expired');
    // Answers of the database are used for 5 seconds.
    await until(async () => (await reason(revoked)).startsWith('the token was revoked'), 15_000);
  });
});

it('ten calls a minute without a good token, then 429; a good one passes all the same', async () => {
  const { api, ask: asGood } = await openApi('sqlite');
  const tried: number[] = [];
  const bad = [null, 'x', 'tkc_x', newToken(), `${newToken()}x`];
  for (let index = 0; index < 15; index += 1) {
    const answer = await ask(api.url, RESERVE, { body, token: bad[index % bad.length]! });
    tried.push(answer.status);
    if (answer.status === 429) {
      expect(answer.body['code']).toBe('too_many_failures');
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    }
  }
  expect(tried).toEqual([...Array<number>(10).fill(401), ...Array<number>(5).fill(429)]);
  expect((await asGood(RESERVE, { body })).status).toBe(201);
  expect((await ask(api.url, SUMMARY)).status).toBe(200);
});

it.each([
  ['host', 'evil.example'],
  ['host', 'localhost.evil.example:4000'],
  ['origin', 'https://evil.example'],
  ['origin', 'null'],
])('a page in a browser is kept out by its %s %s', async (field, value) => {
  const { api } = await openApi('sqlite');
  const host = new URL(api.url).host;
  expect(await askAs(api.url, host, {})).toBe(200);
  expect(await askAs(api.url, host, { [field]: value })).toBe(403);
});

it('by another name than its own nobody is answered, unless that was allowed', async () => {
  const { target, app } = await openTestLedger('sqlite');
  const api = await startApi(target.url, { args: ['--allow-host', 'budget.example'] });
  const named = (host: string, more: Record<string, string> = {}) => {
    return askAs(api.url, host, more);
  };
  expect(await named('other.example')).toBe(403);
  expect(await named('localhost:1234')).toBe(200);
  // Through a proxy, or by a name of its own, it is not this machine that calls.
  expect(await named('budget.example')).toBe(401);
  expect(await named('localhost', { 'x-forwarded-for': '10.0.0.9' })).toBe(401);
  const { secret } = await app.createToken({
    ...{ name: 'x', scopes: ['read'], aiTypes: null, expiresAtMs: null, actor: null },
  });
  expect(await named('budget.example', { authorization: `Bearer ${secret}` })).toBe(200);
});

describe('an address beyond this machine', () => {
  it('is refused without a token, with the command that makes one', async () => {
    const { target } = await openTestLedger('sqlite');
    const cli = temporaryCli();
    const args = ['serve', '--host', '0.0.0.0', '--port', '0', '--database', target.url];
    const { code, stdout, stderr } = await cli.run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /--host: on 0\.0\.0\.0 every caller needs a token.*\n {2}-> tokenctl .*token create/,
    );
  });

  it('answers nobody without a token but health checks', async () => {
    const { target, app } = await openTestLedger('sqlite');
    const { secret } = await app.createToken({
      ...{ name: 'x', scopes: ['admin'], aiTypes: null, expiresAtMs: null, actor: null },
    });
    const api = await startApi(target.url, { args: ['--host', '0.0.0.0'] });
    const url = api.url.replace('0.0.0.0', '127.0.0.1');
    expect((await ask(url, SUMMARY)).status).toBe(401);
    expect((await ask(url, '/api/v1/check', { body })).status).toBe(401);
    expect((await ask(url, '/openapi.json')).status).toBe(401);
    expect((await ask(url, '/healthz')).status).toBe(200);
    expect((await ask(url, '/readyz')).status).toBe(200);
    expect((await ask(url, SUMMARY, { token: secret })).status).toBe(200);
  });
});

/** With a Host header of its own, which fetch does not send. */
async function askAs(url: string, host: string, more: Record<string, string>): Promise<number> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const sent = request(url + SUMMARY, { headers: { host, ...more } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    onTestFinished(() => void sent.destroy());
    sent.on('error', reject).end();
  });
}
