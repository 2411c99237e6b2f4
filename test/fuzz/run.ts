/** Requests of every kind, made from the OpenAPI document, at a real server: none may fail by a defect or hang. */
import { request as send, Agent } from 'node:http';
import fc from 'fast-check';
import { OPENAPI } from '../support/api.ts';

/** One request, as text and bytes: also what no client library would send. */
interface FuzzRequest {
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface FuzzReport {
  readonly requests: number;
  /** How often each status came. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What must not be, each in a line. */
  readonly wrongs: readonly string[];
  readonly slowestMs: number;
}

export interface FuzzOptions {
  readonly url: string;
  /** A token that may do everything, and those that may not. */
  readonly token: string;
  readonly badTokens: readonly string[];
  readonly requests: number;
  readonly seed: number;
}

/** How long an answer may take: longer than the ledger's own time-outs. */
const HANG_MS = 20_000;
const AT_ONCE = 20;

interface Node {
  readonly [key: string]: unknown;
}

/** Text that JSON can say and no database keeps. */
const odd = fc.constantFrom('a\0b', '\0', '\ud800', 'a\udfffb', '\udc00\ud800');

/** Values that a schema takes, and text that it must not. */
function fitting(schema: Node): fc.Arbitrary<unknown> {
  const { $ref, type, properties, items } = schema;
  if (typeof $ref === 'string') {
    return fitting(OPENAPI.components.schemas[$ref.split('/').pop()!] as Node);
  }
  if (schema['const'] !== undefined) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  const shapes = (schema['anyOf'] ?? schema['oneOf']) as readonly Node[] | undefined;
  if (shapes !== undefined) return fc.oneof(...shapes.map(fitting));
  switch (Array.isArray(type) ? (type as string[])[0] : type) {
    case 'integer':
      return fc.integer({
        min: Number(schema['minimum'] ?? 0),
        max: Math.min(5_000, Number(schema['maximum'] ?? 5_000)),
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fitting((items ?? {}) as Node), { maxLength: 3 });
    case 'object': {
      const required = (schema['required'] ?? []) as string[];
      const fields = Object.entries((properties ?? {}) as Record<string, Node>);
      return fc.record(Object.fromEntries(fields.map(([name, field]) => [name, fitting(field)])), {
        requiredKeys: required,
      });
    }
    case 'string':
      if (schema['pattern'] !== undefined) {
        const matching = fc.stringMatching(new RegExp(schema['pattern'] as string));
        const usual = fc.constantFrom('imperium', 'guardian');
        return fc.oneof({ arbitrary: usual, weight: 4 }, { arbitrary: matching, weight: 1 }, odd);
      }
      return fc.oneof(
        fc.constantFrom('imperium', 'guardian', '15%', 'off', 'a test', 'x'),
        fc.string({ minLength: 1, maxLength: 30 }),
        odd,
      );
    default:
      return fc.jsonValue();
  }
}

const HOSTILE = [
  '../../etc/passwd',
  '%2e%2e%2f',
  '..%5c',
  '%00',
  'a%00b',
  '%ff',
  '%ed%a0%80',
  '%0d%0aset-cookie:%20a=b',
  '__proto__',
  'constructor',
  '%27%20OR%201=1%20--',
  '%',
  'a'.repeat(300),
  '\u202e%E2%80%AE'.slice(1),
  '2147483648',
  '-1',
  'NaN',
];

/** Text that may stand in a request line. */
const segment = fc.oneof(
  fc.constantFrom('imperium', '1', '01a20e10-ded8-750e-8598-44e049e8071a', ...HOSTILE),
  fc.string({ maxLength: 20 }).map(encodeURIComponent),
);

/** Values for parameters that the operation has. */
function queryOf(names: readonly string[]): fc.Arbitrary<string> {
  const value = fc.oneof(
    segment,
    fc.constantFrom('1', '1d', '2026-01-01', '2026-01', 'day', 'model', 'used', '1e999'),
    fc.constantFrom('%00', 'a%00b', '%ed%a0%80'),
  );
  return fc
    .array(fc.tuple(fc.constantFrom(...names, 'x'), value), { minLength: 1, maxLength: 2 })
    .map((pairs) => `?${pairs.map(([name, text]) => `${name}=${text}`).join('&')}`);
}

const headerValue = fc
  .string({ maxLength: 60 })
  .map((text) => text.replaceAll(/[^\x20-\x7e]/g, '~'));

function bodyFor(schema: Node | undefined): fc.Arbitrary<string | null> {
  const wild = fc.oneof(
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.string({ maxLength: 200 }),
    fc.constantFrom('', '{', 'null', '[]', '{"__proto__":{"admitted":true}}', '[[[[', '1e999'),
    fc.constantFrom(
      '['.repeat(30_000),
      `{"aiType":"${'x'.repeat(70_000)}"}`,
      '{"a":'.repeat(10_000),
    ),
  );
  if (schema === undefined) {
    return fc.oneof({ arbitrary: fc.constant(null), weight: 4 }, { arbitrary: wild, weight: 1 });
  }
  const fits = fitting(schema).map((value) => JSON.stringify(value));
  // A good body in which one value was replaced by another.
  const spoilt = fc
    .tuple(fitting(schema), fc.jsonValue(), fc.nat())
    .map(([value, other, at]) => JSON.stringify(replaced(value, other, at)));
  return fc.oneof(
    { arbitrary: fits, weight: 4 },
    { arbitrary: spoilt, weight: 4 },
    { arbitrary: wild, weight: 2 },
  );
}

function replaced(value: unknown, other: unknown, at: number): unknown {
  if (typeof value !== 'object' || value === null) return other;
  const keys = [...Object.keys(value), 'unknownField'];
  const key = keys[at % keys.length]!;
  const inner = (value as Record<string, unknown>)[key];
  const spoilt = at % 3 === 0 ? replaced(inner, other, at >> 2) : other;
  return { ...value, [key]: spoilt };
}

/** Every method of every path of the document, and others. */
function requestsOf({ token, badTokens }: FuzzOptions): fc.Arbitrary<FuzzRequest> {
  const known = Object.entries(OPENAPI.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody, parameters = [] }]) => ({
      path,
      method: method.toUpperCase(),
      query: parameters.filter((each) => each.in === 'query').map(({ name }) => name),
      schema: requestBody?.content['application/json']?.schema as Node | undefined,
    })),
  );
  const authorization = fc.oneof(
    { arbitrary: fc.constant(`Bearer ${token}`), weight: 12 },
    { arbitrary: fc.constantFrom(...badTokens.map((bad) => `Bearer ${bad}`)), weight: 1 },
    { arbitrary: headerValue, weight: 1 },
  );
  const headers = fc.tuple(
    authorization,
    fc.dictionary(
      fc.constantFrom(
        ...['idempotency-key', 'x-request-id', 'if-none-match', 'accept', 'x-forwarded-for'],
        ...['origin', 'range', 'content-encoding', 'accept-encoding', 'cookie', 'expect'],
      ),
      headerValue,
      { maxKeys: 2 },
    ),
    fc.oneof(
      { arbitrary: fc.constant('application/json'), weight: 9 },
      { arbitrary: headerValue, weight: 1 },
    ),
  );
  return fc.constantFrom(...known).chain(({ path, method, query, schema }) =>
    fc
      .record({
        method: fc.oneof(
          { arbitrary: fc.constant(method), weight: 9 },
          {
            arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'),
            weight: 1,
          },
        ),
        segments: fc.array(segment, { minLength: 4, maxLength: 4 }),
        tail: fc.oneof(
          { arbitrary: fc.constant(''), weight: 8 },
          { arbitrary: segment.map((text) => `?${text}=1`), weight: 1 },
          { arbitrary: segment.map((text) => `/${text}`), weight: 1 },
          { arbitrary: queryOf(query), weight: query.length === 0 ? 0 : 16 },
        ),
        headers,
        body: bodyFor(schema),
      })
      .map(({ headers: [auth, more, type], segments, tail, ...rest }) => ({
        operation: `${method} ${path}`,
        method: rest.method,
        path: path.replaceAll(/\{\w+\}/g, () => segments.pop() ?? 'x') + tail,
        headers: {
          authorization: auth,
          ...(rest.body === null ? {} : { 'content-type': type }),
          ...more,
        },
        body: rest.method === 'GET' || rest.method === 'HEAD' ? null : rest.body,
      })),
  );
}

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Sends it as it is; a stream is left after its head. */
function answerOf(url: string, agent: Agent, { path, method, headers, body }: FuzzRequest) {
  const { hostname, port } = new URL(url);
  return new Promise<Answered>((resolve, reject) => {
    const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = send(
      { hostname, port, agent, path, method, headers: { ...headers, ...length }, timeout: HANG_MS },
      (answer) => {
        const type = answer.headers['content-type'] ?? '';
        let text = '';
        const done = (): void => resolve({ status: answer.statusCode ?? 0, type, text });
        if (type === 'text/event-stream') {
          done();
          sent.destroy();
          return;
        }
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.on('end', done).on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer in ${String(HANG_MS)} ms`)));
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

/** What is wrong with an answer; null when it is one that the API gives. */
function wrongOf({ status, type, text }: Answered): string | null {
  if (status >= 500 && status !== 503) return `${String(status)}: ${text.slice(0, 300)}`;
  if (status === 503) return `503 of a ledger that answers: ${text.slice(0, 300)}`;
  if (status < 400 || text === '') return null;
  if (type !== 'application/problem+json') return `${String(status)} is ${type}`;
  const problem = JSON.parse(text) as Record<string, unknown>;
  const whole = ['code', 'detail', 'requestId'].every((name) => typeof problem[name] === 'string');
  return whole && problem['status'] === status ? null : `no problem: ${text.slice(0, 300)}`;
}

/** Sends so many requests, some at once. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { url, requests, seed } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const waiting = fc.sample(requestsOf(options), { numRuns: requests, seed });
  const statuses: Record<string, number> = {};
  const wrongs: string[] = [];
  let slowestMs = 0;
  const work = async (): Promise<void> => {
    for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
      const startedMs = performance.now();
      const wrong = await answerOf(url, agent, each).then(
        (answered) => {
          const status = String(answered.status);
          statuses[status] = (statuses[status] ?? 0) + 1;
          return wrongOf(answered);
        },
        (error: unknown) => (wentAway(error) ? null : String(error)),
      );
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      if (wrong !== null) wrongs.push(`${wrong}\n  ${JSON.stringify(each).slice(0, 1_000)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // Connections that ended early must not have been the server's end.
  const health = { operation: '', method: 'GET', path: '/healthz', headers: {}, body: null };
  const alive = await answerOf(url, agent, health).catch((error: unknown) => String(error));
  if (typeof alive === 'string' || alive.status !== 200) wrongs.push('the server is gone');
  agent.destroy();
  return { requests, statuses, wrongs, slowestMs };
}

/** The server answered and ended the connection while a long body was still being sent. */
function wentAway(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ECONNRESET';
}
