/** Commands in the answers of the servers work as they are pasted anywhere, on the server's own database; strangers get none that say where it is. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startAnthropicApi } from '../support/anthropic-api.ts';
import { HELLO } from '../support/anthropic-client.ts';
import { ask, openApi, startApi } from '../support/api.ts';
import { temporaryCli, type Cli } from '../support/cli.ts';
import { startGateway } from '../support/gateway.ts';

const NAME = "ann's budget.db";
/** More than the hour's 194 tokens, so that it can never pass. */
const TOO_MUCH = { aiType: 'imperium', estimate: { input: 190, output: 10 } };

interface Problem {
  readonly fix: string;
  readonly reasons: readonly { readonly fix: string | null }[];
}

/** A database with the default limits, and a token that may do everything. */
async function prepared(named: readonly string[]): Promise<{ cli: Cli; token: string }> {
  const cli = temporaryCli();
  expect((await cli.run(['db', 'migrate', ...named])).code).toBe(0);
  const scope = ['--name', 'test', '--scope', 'admin'];
  const { stdout } = await cli.run(['token', 'create', ...scope, ...named]);
  return { cli, token: stdout.trim() };
}

/** What the first event of the stream says. */
async function firstEvent(url: string): Promise<unknown> {
  const { body } = await fetch(`${url}/api/v1/events`);
  let text = '';
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [, data] = /^data: (.+)$/m.exec(text) ?? [];
    if (data !== undefined && text.endsWith('\n\n')) return JSON.parse(data);
  }
  throw new Error('the stream ended before its first event');
}

describe('tokenctl serve', () => {
  it('names the file by its whole path, in findings, denials, problems and events', async () => {
    const { cli, token } = await prepared(['--database', NAME]);
    const api = await startApi(`./${NAME}`, { cli });
    const begin = `tokenctl --database '${join(cli.home, NAME).replaceAll("'", `'\\''`)}'`;
    const paced = `${begin} limits apply --profile paced`;
    expect((await ask(api.url, '/api/v1/command')).body).toEqual({ command: begin });
    const { body: status } = await ask(api.url, '/api/v1/status');
    expect(status).toMatchObject({ findings: [{ fix: paced }] });

    const denied = await ask<Problem>(api.url, '/api/v1/reservations', { body: TOO_MUCH, token });
    expect([denied.status, denied.body.fix]).toEqual([422, paced]);
    expect(denied.body.reasons.map(({ fix }) => fix)).toEqual([paced]);
    const { body: checked } = await ask(api.url, '/api/v1/check', { body: TOO_MUCH });
    expect(checked).toMatchObject({ reasons: [{ fix: paced }] });
    const { body: denials } = await ask(api.url, '/api/v1/denials');
    expect(denials).toMatchObject({ denials: [{ fix: paced, fixes: [paced] }] });
    const missing = await ask<Problem>(api.url, '/api/v1/resets/9/undo', { method: 'POST', token });
    expect(missing.body.fix).toBe(`${begin} reset --list`);
    expect(await firstEvent(api.url)).toMatchObject({ findings: [{ fix: paced }] });

    expect((await cli.shell(`cd / && ${paced}`)).code).toBe(0);
    expect((await ask(api.url, '/api/v1/status')).body['findings']).toEqual([]);
    const { status: admitted } = await ask(api.url, '/api/v1/reservations', {
      ...{ body: TOO_MUCH, token },
    });
    expect(admitted).toBe(201);
  });

  it('names the configuration file that names the database, by its whole path too', async () => {
    const cli = temporaryCli();
    writeFileSync(join(cli.home, 'own.json'), JSON.stringify({ database: 'own.db' }));
    expect((await cli.run(['--config', 'own.json', 'db', 'migrate'])).code).toBe(0);
    const api = await startApi('own.db', { cli, args: ['--config', 'own.json'] });
    const { body } = await ask(api.url, '/api/v1/command');
    expect(body).toEqual({
      command: `tokenctl --database ${join(cli.home, 'own.db')} --config ${join(cli.home, 'own.json')}`,
    });
  });

  it('leaves the password out', async () => {
    const { target, ask: asked } = await openApi('postgresql');
    const url = new URL(target.url);
    url.password = 'secret';
    const api = await startApi(url.toString());
    const { body } = await ask(api.url, '/api/v1/command');
    url.password = '';
    expect(body).toEqual({ command: `tokenctl --database ${url.toString()}` });
    expect((await asked('/api/v1/command')).headers.get('etag')).toMatch(/^W\//);
  });

  it('tells strangers no more than the command', async () => {
    const { api, target } = await openApi('sqlite', { args: ['--host', '0.0.0.0'] });
    const url = api.url.replace('0.0.0.0', '127.0.0.1');
    for (const [path, sent] of [
      ['/readyz', {}],
      ['/healthz', {}],
      ['/nope', {}],
      ['/api/v1/command', {}],
      ['/api/v1/status', {}],
      ['/api/v1/resets', { body: { reason: 'x' } }],
      ['/api/v1/reservations', { body: TOO_MUCH, token: 'tkc_wrong' }],
    ] as const) {
      const { body } = await ask(url, path, sent);
      expect(JSON.stringify(body)).not.toContain(target.url);
      expect(JSON.stringify(body)).not.toContain('--database');
    }
  });
});

it('tokenctl gateway names the database in the verdict of a refusal, and to strangers not', async () => {
  const api = await startAnthropicApi();
  onTestFinished(() => api.close());
  const { cli, token } = await prepared(['--database', NAME]);
  const gateway = await startGateway(`./${NAME}`, api.url, {
    cli,
    args: ['--require-token'],
    env: { ANTHROPIC_API_KEY: 'sk-test' },
  });
  const call = (key: string) =>
    fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ ...HELLO, max_tokens: 500 }),
    });
  const refused = await call(token);
  expect(refused.status).toBe(400);
  const { error } = (await refused.json()) as { error: { details: Problem } };
  const [fix] = error.details.reasons.flatMap((reason) => reason.fix ?? []);
  expect(fix).toMatch(/^tokenctl --database '\/.*ann'\\''s budget\.db' limits apply /);
  expect((await cli.shell(`cd / && ${fix!}`)).code).toBe(0);
  expect((await call(token)).status).toBe(200);
  expect(await (await call('tkc_wrong')).text()).not.toContain('--database');
});
