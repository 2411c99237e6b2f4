import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Verdict } from '../../src/budget/verdict.ts';
import { ask, OPENAPI, openApi, startApi } from '../support/api.ts';
import { temporaryCli } from '../support/cli.ts';
import { openTestLedger } from '../support/ledgers.ts';
import { startProxy } from '../support/postgres-proxy.ts';
import { until } from '../support/processes.ts';
import { openSocket, parseAnswer, rawRequest } from '../support/raw-http.ts';

const RESERVE = '/api/v1/reservations';
const good = { aiType: 'imperium', estimate: { input: 5, output: 5 } };

const BODIES: readonly (readonly [body: unknown, field: string, detail: RegExp])[] = [
  ['{', 'body', /is not JSON/],
  ['', 'body', /is needed/],
  ['[]', 'body', /must be an object, not a list/],
  ['null', 'body', /must be an object, not null/],
  [{ ...good, ai_type: 'x' }, 'ai_type', /is not known here.*/],
  [{ ...good, request_id: 'x' }, 'request_id', /is not known here/],
  [{ aiType: 'imperium' }, 'estimate', /is needed/],
  [{ ...good, aiType: 7 }, 'aiType', /must be text, not 7/],
  [{ ...good, aiType: 'a b' }, 'aiType', /is no AI type/],
  [{ ...good, aiType: 'global' }, 'aiType', /"global" is reserved/],
  [
    { ...good, estimate: { input: '5', output: 5 } },
    'estimate.input',
    /must be a number, not text/,
  ],
  [{ ...good, estimate: { input: -1, output: 5 } }, 'estimate.input', /at least 0/],
  [{ ...good, estimate: { input: 1.5, output: 5 } }, 'estimate.input', /whole number/],
  [{ ...good, estimate: { input: 1e13, output: 5 } }, 'estimate.input', /at most 1000000000000/],
  [{ ...good, estimate: { input: 0, output: 0 } }, 'estimate', /at least 1/],
  [{ ...good, estimate: { input: 1 } }, 'estimate.output', /is needed/],
  [{ ...good, estimate: { input: 1, outputs: 2 } }, 'estimate.outputs', /not known/],
  [{ ...good, estimate: { items: [] } }, 'estimate.items', /at least 1 entry$/],
  [
    { ...good, estimate: { items: [{ input: 1, output: 'x' }] } },
    'estimate.items[0].output',
    /number/,
  ],
  [
    { ...good, estimate: { prompt: { messages: 'x' }, maxTokens: 1 } },
    'estimate.prompt.messages',
    /a list/,
  ],
  [{ ...good, requestId: '' }, 'requestId', /at least 1 character$/],
  [{ ...good, requestId: 'x'.repeat(201) }, 'requestId', /at most 200 characters/],
  [{ ...good, ttlSeconds: 0 }, 'ttlSeconds', /at least 1/],
  [{ ...good, ttlSeconds: 2 ** 53 }, 'ttlSeconds', /at most 2678400$/],
  [
    { ...good, estimate: { input: 2 ** 53, output: 5 } },
    'estimate.input',
    /at most 1000000000000$/,
  ],
  [
    '{"aiType":"imperium","estimate":{"input":1e999,"output":5}}',
    'estimate.input',
    /is too large a number/,
  ],
];

const CALLS = 'send { input, output } or { prompt, maxTokens }';
const ESTIMATES = `${CALLS}; { items } is only for a batch`;

/** Estimates that do not say which form they have, with what is told of them. */
const FORMS: readonly (readonly [estimate: unknown, detail: string, fix: string | null])[] = [
  [{}, 'estimate.input: is needed', ESTIMATES],
  ['a', 'estimate: must be an object, not text', ESTIMATES],
  [
    { prompt: 'a', output: 5 },
    'estimate.prompt: does not go together with estimate.output',
    ESTIMATES,
  ],
  [
    { input: 5, output: 5, items: [{ input: 1, output: 1 }] },
    ...(['estimate.items: does not go together with estimate.input', ESTIMATES] as const),
  ],
  [{ items: [{}] }, 'estimate.items[0].input: is needed', CALLS],
  [
    { items: [{ input: 1, maxTokens: 1 }] },
    ...([
      'estimate.items[0].maxTokens: does not go together with estimate.items[0].input',
      CALLS,
    ] as const),
  ],
  [{ prompt: 5, maxTokens: 5 }, 'estimate.prompt: must be text or an object, not 5', null],
  [{ prompt: 'a' }, 'estimate.maxTokens: is needed', null],
  [{ items: 5 }, 'estimate.items: must be a list, not 5', null],
  [
    { input: 1, outputs: 2 },
    'estimate.outputs: is not known here',
    'did you mean output? it takes input, output, prompt, maxTokens, items',
  ],
];

const USAGE =
  'send { inputTokens, outputTokens } as the provider reports them; { "unknown": true } only where nobody knows: it charges the whole hold';

const SETTLES: readonly (readonly [body: unknown, detail: string, fix: string | null])[] = [
  ['', 'body: is needed', USAGE],
  [{}, 'inputTokens: is needed', USAGE],
  [{ error: 'boom' }, 'inputTokens: is needed', USAGE],
  [{ unknown: false }, 'unknown: must be true', USAGE],
  [{ unknown: true, inputTokens: 1 }, 'unknown: does not go together with inputTokens', USAGE],
  [
    { unknown: false, inputTokens: 1, outputTokens: 1 },
    ...(['unknown: does not go together with inputTokens', USAGE] as const),
  ],
  [{ inputTokens: 1 }, 'outputTokens: is needed', null],
  [{ inputTokens: -1, outputTokens: 1 }, 'inputTokens: must be at least 0', null],
];

const HOURLY =
  'send a whole number of tokens, N% of enforcedMonthly or off; of an AI type a whole number of tokens';

const LIMITS: readonly (readonly [body: unknown, field: string, problem: string, fix: string])[] = [
  [{ set: { hourly: null } }, 'set.hourly', 'must be a number or text, not null', HOURLY],
  [{ set: { hourly: true } }, 'set.hourly', 'must be a number or text, not true', HOURLY],
  [
    { set: { hourly: 'x%' } },
    ...(['set.hourly', 'must be N%, not "x%"'] as const),
    'it takes a whole number of tokens, N% of enforcedMonthly or off',
  ],
  [
    { set: { warning: '1e1%' } },
    ...(['set.warning', 'must be N%, not "1e1%"', 'it takes 1 to 100 % or off'] as const),
  ],
  [
    { set: { reservationTtl: 'off' } },
    ...(['set.reservationTtl', "can't be off", 'it takes a whole number of seconds'] as const),
  ],
  [
    { aiType: 'imperium', set: { hourly: 'lots' } },
    ...(['set.hourly', 'must be a whole number, not "lots"'] as const),
    'it takes a whole number of tokens',
  ],
  [
    { aiType: 'imperium', set: { warning: 5 } },
    ...(['set.warning', 'is no limit that an AI type can have'] as const),
    'the keys are: monthly, daily, hourly, request',
  ],
];

const REQUESTS: readonly (readonly [string, string, number, string, string])[] = [
  ['GET', '/nope', 404, 'not_found', 'path'],
  ['GET', '/api/v1/status/', 404, 'not_found', 'path'],
  ['GET', '/api/v1/../v1/statu', 404, 'not_found', 'path'],
  ['GET', RESERVE, 405, 'method_not_allowed', 'method'],
  ['DELETE', '/api/token-usage/monthly', 405, 'method_not_allowed', 'method'],
  ['OPTIONS', '/api/v1/limits', 405, 'method_not_allowed', 'method'],
  ['POST', `${RESERVE}/nobody/release`, 404, 'reservation_not_found', 'reservationId'],
  ['GET', '/api/v1/status?x=1', 400, 'invalid_input', 'x'],
  ['GET', '/api/v1/usage?by=day&by=model', 400, 'invalid_input', 'by'],
  ['GET', '/api/v1/usage?limit=9007199254740993', 400, 'invalid_input', 'limit'],
  ['POST', '/api/v1/resets/x/undo', 400, 'invalid_input', 'id'],
  ['GET', '/api/token-usage/status/a%20b', 400, 'invalid_input', 'ai_type'],
  ['GET', '/api/token-usage/status/%ff', 400, 'invalid_input', 'ai_type'],
];

describe('what is wrong with a request is told by its code and field', () => {
  it('in a body', async () => {
    const opened = await openApi('sqlite');
    for (const [body, field, detail] of BODIES) {
      const sent = { body, method: 'POST', headers: { 'content-type': 'application/json' } };
      const { status, body: problem } = await opened.ask(RESERVE, sent);
      const told = [status, problem['code'], problem['field']];
      expect([body, ...told]).toEqual([body, 400, 'invalid_input', field]);
      expect(problem['detail']).toMatch(detail);
    }
  });

  it('in an estimate that has no form, or parts of two', async () => {
    const { ask: asGood } = await openApi('sqlite');
    for (const [estimate, detail, fix] of FORMS) {
      const { status, body } = await asGood(RESERVE, { body: { ...good, estimate } });
      const told = [status, body['detail'], body['fix']];
      expect([estimate, ...told]).toEqual([estimate, 400, detail, fix]);
    }
  });

  it('in a settle, which charges nothing', async () => {
    const { ask: asGood } = await openApi('sqlite');
    const { body: admitted } = await asGood<Verdict>(RESERVE, { body: good });
    const settle = `${RESERVE}/${admitted.reservation!.id}/settle`;
    for (const [sent, detail, fix] of SETTLES) {
      const headers = { 'content-type': 'application/json' };
      const { status, body } = await asGood(settle, { body: sent, headers });
      const told = [status, body['detail'], body['fix']];
      expect([sent, ...told]).toEqual([sent, 400, detail, fix]);
    }
    const settled = await asGood(settle, { body: { inputTokens: 1, outputTokens: 1 } });
    expect(settled.body['charged']).toBe(2);
  });

  it('in a limit, by its path and as it was sent', async () => {
    const { ask: asGood, app } = await openApi('sqlite');
    const { revision } = await app.limits();
    for (const [sent, field, problem, fix] of LIMITS) {
      const { status, body } = await asGood('/api/v1/limits', { method: 'PATCH', body: sent });
      const told = [status, body['field'], body['detail'], body['fix']];
      expect([sent, ...told]).toEqual([sent, 400, field, `${field}: ${problem}`, fix]);
    }
    expect((await app.limits()).revision).toBe(revision);
  });

  it('in a path, method or query', async () => {
    const opened = await openApi('sqlite');
    for (const [method, path, status, code, field] of REQUESTS) {
      const { headers, body, ...answer } = await opened.ask(path, { method });
      const told = [method, path, answer.status, body['code'], body['field']];
      expect(told).toEqual([method, path, status, code, field]);
      if (status === 405) expect(headers.get('allow')).toMatch(/^[A-Z, ]+$/);
    }
  });

  it.each([
    ['/api/v1/status/', 'ask for /api/v1/status'],
    ['//api//v1/status', 'ask for /api/v1/status'],
    [`${RESERVE}/x/settle/`, `ask for ${RESERVE}/x/settle`],
    ['/api/token-usage/monthly/imperium/', 'ask for /api/token-usage/monthly/imperium'],
    ['/healthz/', 'ask for /healthz'],
    ['/api/v1/', '/openapi.json has them all'],
    ['/openapi-json/', '/openapi.json has them all'],
  ])('a path that is not there: %s', async (path, fix) => {
    const { ask: asGood } = await openApi('sqlite');
    const { status, body } = await asGood(path);
    expect([status, body['fix']]).toEqual([404, fix]);
  });

  it('in what is said twice, of which nobody knows which was meant', async () => {
    const { api, ask: asGood, token, app } = await openApi('sqlite');
    const query = await asGood('/api/v1/usage?month=2025-01&month=2025-02');
    expect(query.body).toMatchObject({ detail: 'month: is given more than once' });
    const both = { set: { hourly: 5 }, unset: ['daily', 'hourly'] };
    const limits = await asGood('/api/v1/limits', { method: 'PATCH', body: both });
    expect([limits.status, limits.body['detail']]).toEqual([400, 'unset: hourly is set too']);
    expect((await app.limits()).revision).toBe(1);
    const keys = await rawRequest(api.url, {
      path: RESERVE,
      headers: [
        ...[`Authorization: Bearer ${await token()}`, 'Content-Type: application/json'],
        ...['Idempotency-Key: a', 'Idempotency-Key: b'],
      ],
      body: JSON.stringify(good),
    });
    expect(JSON.parse(keys.body.toString())).toMatchObject({
      ...{ status: 400, detail: 'idempotency-key: is given more than once' },
    });
  });

  it('a token that is not sent as one', async () => {
    const { api, token } = await openApi('sqlite');
    for (const authorization of [await token(), 'Basic YTpi', 'Bearer', 'Bearer a b']) {
      const { status, body } = await ask(api.url, RESERVE, {
        ...{ body: good, headers: { authorization } },
      });
      expect([status, body['detail']]).toEqual([
        ...[401, 'a token is needed: the header is not Bearer TOKEN'],
      ]);
    }
    const none = await ask(api.url, RESERVE, { body: good });
    expect(none.body['detail']).toBe('a token is needed');
  });

  it('a charset that is not UTF-8', async () => {
    const { ask: asGood } = await openApi('sqlite');
    for (const [charset, status] of [
      ['latin1', 415],
      ['"utf-16"', 415],
      ['UTF-8', 200],
      ['"utf-8"', 200],
      ['utf8', 200],
    ] as const) {
      const headers = { 'content-type': `application/json; charset=${charset}` };
      const answer = await asGood('/api/v1/check', { body: good, headers });
      expect([charset, answer.status]).toEqual([charset, status]);
    }
  });

  it('a body that is too long, no JSON by its type, encoded, or no UTF-8', async () => {
    const { ask: asGood, api } = await openApi('sqlite');
    const long = await asGood(RESERVE, { body: { ...good, model: 'x'.repeat(70_000) } });
    expect([long.status, long.body['code']]).toEqual([413, 'body_too_large']);
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/jsonp' },
      { 'content-encoding': 'gzip' },
    ]) {
      const { status, body } = await asGood(RESERVE, { body: good, headers });
      expect([status, body['code']]).toEqual([415, 'unsupported_media_type']);
    }
    const response = await fetch(`${api.url}/api/v1/check`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    });
    expect(await response.json()).toMatchObject({ status: 400, field: 'body' });
  });
});

describe('every answer', () => {
  it('has an id, the caller’s own where it is one, and keeps browsers from guessing', async () => {
    const { ask: asGood } = await openApi('sqlite');
    for (const path of ['/healthz', '/api/v1/status', '/nope']) {
      const { headers } = await asGood(path, { headers: { 'x-request-id': 'mine-1:2.3' } });
      expect(headers.get('x-request-id')).toBe('mine-1:2.3');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
    for (const id of ['a b', '<x>', 'x'.repeat(129)]) {
      const { headers } = await asGood('/nope', { headers: { 'x-request-id': id } });
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('is a problem also where what came is no request', async () => {
    const { api } = await openApi('sqlite');
    const socket = openSocket(api.url);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write('NONSENSE\r\n\r\n');
    await once(socket, 'close');
    const { head, body } = parseAnswer(Buffer.concat(chunks));
    expect(head).toContain('content-type: application/problem+json');
    expect(JSON.parse(body.toString())).toMatchObject({
      ...{ status: 400, code: 'invalid_input' },
      fix: 'begin it as GET /healthz HTTP/1.1 does, without TLS',
    });
    const nameless = openSocket(api.url);
    const answer: Buffer[] = [];
    nameless.on('data', (chunk) => answer.push(chunk));
    nameless.write('GET /healthz HTTP/1.1\r\n\r\n');
    await once(nameless, 'close');
    expect(JSON.parse(parseAnswer(Buffer.concat(answer)).body.toString())).toMatchObject({
      ...{ status: 400, code: 'invalid_input', field: 'host' },
    });
    const long = await rawRequest(api.url, {
      method: 'GET',
      path: '/healthz',
      headers: [`x: ${'y'.repeat(20_000)}`],
    });
    expect(JSON.parse(long.body.toString())).toMatchObject({ code: 'headers_too_large' });
    const proxied = await rawRequest(api.url, { method: 'GET', path: 'http://x.example/healthz' });
    expect(JSON.parse(proxied.body.toString())).toMatchObject({ status: 400, field: 'path' });
  });

  it('of a body that is far too long arrives', async () => {
    const { api, token } = await openApi('sqlite');
    const { head, body } = await rawRequest(api.url, {
      path: RESERVE,
      headers: [`authorization: Bearer ${await token()}`, 'content-type: application/json'],
      body: 'x'.repeat(10_000_000),
    });
    expect(head[0]).toBe('HTTP/1.1 413 Payload Too Large');
    expect(JSON.parse(body.toString())).toMatchObject({ code: 'body_too_large', field: 'body' });
  });

  it('of a client that went away before its token was checked holds up nothing, nor the end', async () => {
    const { api, target, token } = await openApi('postgresql');
    const headers = [
      ...[`POST ${RESERVE} HTTP/1.1`, 'host: localhost', 'content-type: application/json'],
      ...[`authorization: Bearer ${await token()}`, 'content-length: 100'],
    ];
    const client = new pg.Client({ connectionString: target.url });
    onTestFinished(() => client.end());
    await client.connect();
    await client.query('BEGIN; LOCK TABLE access_tokens');
    const waits = async (): Promise<boolean> => {
      const { rows } = await client.query(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'access_tokens'::regclass",
      );
      return rows.length > 0;
    };
    const socket = openSocket(api.url);
    socket.write(`${headers.join('\r\n')}\r\n\r\n{`);
    await until(waits);
    socket.destroy();
    // The server has seen that it went when it answers what came after.
    await ask(api.url, '/healthz');
    await client.query('COMMIT');
    api.child.kill('SIGTERM');
    const { code, stderr } = await api.done;
    expect(code).toBe(0);
    expect(stderr).not.toContain('defect');
  });

  it('of a client that went away before its request was whole is no defect', async () => {
    const { api, token } = await openApi('sqlite', { args: ['--debug'] });
    const socket = openSocket(api.url);
    const headers = [
      ...[`POST ${RESERVE} HTTP/1.1`, 'host: localhost', 'content-type: application/json'],
      ...[`authorization: Bearer ${await token()}`, 'content-length: 100', 'expect: 100-continue'],
    ];
    // Told to go on, it has been let in.
    socket.write(`${headers.join('\r\n')}\r\n\r\n{`);
    await once(socket, 'data');
    socket.destroy();
    await api.prints('stderr', /POST \/api\/v1\/reservations left/);
    api.child.kill('SIGTERM');
    expect((await api.done).stderr).not.toContain('defect');
  });

  it('of HEAD is that of GET without its body', async () => {
    const { api } = await openApi('sqlite');
    const paths = Object.entries(OPENAPI.paths).flatMap(([path, { get }]) =>
      get === undefined || get.operationId === 'listen' ? [] : [path.replace(/{\w+}/, 'imperium')],
    );
    expect(paths.length).toBeGreaterThan(10);
    for (const path of ['/', '/nope', ...paths]) {
      const [head, got] = [
        await fetch(api.url + path, { method: 'HEAD' }),
        await fetch(api.url + path),
      ];
      const typeOf = ({ status, headers }: Response) => [path, status, headers.get('content-type')];
      expect(typeOf(head)).toEqual(typeOf(got));
      expect(await head.text()).toBe('');
      await got.text();
    }
  });

  it('of HEAD has no body, also where GET stays open', async () => {
    const { api } = await openApi('sqlite');
    for (const path of ['/healthz', '/api/v1/status', '/api/v1/events', '/nope']) {
      const response = await fetch(api.url + path, { method: 'HEAD' });
      expect([path, response.status, await response.text()]).toEqual([
        path,
        path === '/nope' ? 404 : 200,
        '',
      ]);
    }
  });
});

it('while the database is lost, calls are answered with 503; then it serves again', async () => {
  const { app, target } = await openTestLedger('postgresql');
  const usual = { name: 'x', scopes: ['admin'], aiTypes: null, expiresAtMs: null } as const;
  const { secret: token } = await app.createToken({ ...usual, actor: null });
  const proxy = await startProxy(target);
  proxy.mode = 'refuses';
  const api = await startApi(proxy.target.url);
  await api.prints('stderr', /calls are answered with 503 until it does/);
  const { host, pathname } = new URL(proxy.target.url);
  const lost = async () => {
    const open = JSON.stringify((await ask(api.url, '/readyz')).body);
    expect(open).toContain('the database does not answer');
    for (const where of [host, pathname.slice(1)]) expect(open).not.toContain(where);
    for (const [path, sent] of [
      ['/readyz', {}],
      ['/api/token-usage/summary', {}],
      ['/api/v1/limits', {}],
      ['/api/v1/check', { body: good }],
      [RESERVE, { body: good, token }],
    ] as const) {
      const { status, body, headers } = await ask(api.url, path, sent);
      expect([path, status, body['code']]).toEqual([path, 503, 'ledger_unavailable']);
      expect(headers.get('retry-after')).toBe('2');
      expect(JSON.stringify(body)).not.toContain(new URL(target.url).password || 'postgres:');
    }
    expect((await ask(api.url, '/healthz')).status).toBe(200);
  };
  await lost();
  proxy.mode = 'passes';
  expect((await ask(api.url, RESERVE, { body: good, token })).status).toBe(201);
  expect((await ask(api.url, '/readyz')).status).toBe(200);
  proxy.mode = 'refuses';
  proxy.cut();
  await lost();
  proxy.mode = 'passes';
  expect((await ask(api.url, '/readyz')).status).toBe(200);
  // Why is said where the operator looks: once when it begins, once when it is over.
  api.child.kill('SIGTERM');
  const { stderr } = await api.done;
  const told = stderr.split('\n').filter((line) => /answer/.test(line));
  expect(told).toEqual([
    expect.stringMatching(`${host}.*calls are answered with 503 until it does`),
    'tokenctl: warning: the database answers again',
    expect.stringMatching(`${host}.*calls are answered with 503 until it does`),
    'tokenctl: warning: the database answers again',
  ]);
}, 120_000);

describe('tokenctl serve', () => {
  it('says in a line that the port is taken, and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    const { code, stderr } = await temporaryCli().run(['serve', '--port', port]);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      new RegExp(`--port: ${port} is taken on 127.0.0.1\n {2}-> choose another`),
    );
  });

  it.each([
    [['--port', 'x'], /^tokenctl: --port: must be a whole number/],
    [['--port', '70000'], /^tokenctl: --port: must be at most 65535/],
  ])('%j is refused before anything is opened', async (args, message) => {
    const { code, stdout, stderr } = await temporaryCli().run(['serve', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('created the database');
  });

  it('of a database that is not there ends before it listens', async () => {
    const { code, stdout } = await temporaryCli().run(['serve', '--database', './none.db']);
    expect([code, stdout]).toEqual([4, '']);
  });
});
