/** `tokenctl serve` as a process of its own, on a ledger of its own, and a client that holds it to its OpenAPI document. */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect } from 'vitest';
import type { TokenRequest } from '../../src/app.ts';
import type { Settings } from '../../src/budget/limits.ts';
import { systemRuntime } from '../../src/platform/runtime.ts';
import { temporaryCli, type Cli } from './cli.ts';
import type { DatabaseName } from './databases.ts';
import { openTestLedger, UNLIMITED, type TestLedger } from './ledgers.ts';
import { startCli, type RunningCli } from './running-cli.ts';
import { strict } from './schemas.ts';

export interface RunningApi extends RunningCli {
  readonly url: string;
}

interface Process {
  readonly cli?: Cli;
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** 0 takes any that is free. */
  readonly port?: number;
}

/** Starts it and waits until it listens; killed when the test ends. */
export async function startApi(
  databaseUrl: string,
  { cli = temporaryCli(), args = [], env = {}, port = 0 }: Process = {},
): Promise<RunningApi> {
  const flags = ['--json', '--port', String(port), '--database', databaseUrl];
  const running = startCli(cli, ['serve', ...flags, ...args], { env });
  await running.prints('stdout', /\n/);
  const { url } = JSON.parse(running.lines()[0]!) as { url: string };
  return { ...running, url };
}

export interface Sent {
  readonly method?: string;
  readonly body?: unknown;
  /** Null sends none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Got<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** Sends a request; what comes back is as the document of the API says. */
export async function ask<T = Record<string, unknown>>(
  url: string,
  path: string,
  { method, body, token = null, headers = {} }: Sent = {},
): Promise<Got<T>> {
  const usual = method ?? (body === undefined ? 'GET' : 'POST');
  const response = await fetch(url + path, {
    method: usual,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const document: unknown = text === '' ? null : isText(response) ? text : JSON.parse(text);
  if (text !== '') expect(answerProblems(usual, path, response, document)).toBe('');
  return { status: response.status, headers: response.headers, body: document as T };
}

function isText({ headers }: Pick<Response, 'headers'>): boolean {
  return headers.get('content-type')?.startsWith('text/plain;') === true;
}

export interface OpenedApi extends TestLedger {
  readonly api: RunningApi;
  /** Asks it with a token that may do everything, unless another is named. */
  readonly ask: <T = Record<string, unknown>>(path: string, sent?: Sent) => Promise<Got<T>>;
  readonly token: (request?: Partial<TokenRequest>) => Promise<string>;
}

interface Options extends Process {
  readonly limits?: Settings['global'];
  readonly aiTypes?: Settings['aiTypes'];
}

export async function openApi(
  kind: DatabaseName,
  { limits = {}, aiTypes = {}, ...process }: Options = {},
): Promise<OpenedApi> {
  const settings = { aiTypes, global: { ...UNLIMITED.global, ...limits } };
  const ledger = await openTestLedger(kind, systemRuntime, settings);
  const token = async (request: Partial<TokenRequest> = {}): Promise<string> => {
    const usual = { name: 'test', scopes: ['admin'], aiTypes: null, expiresAtMs: null } as const;
    return (await ledger.app.createToken({ ...usual, actor: null, ...request })).secret;
  };
  const everything = await token();
  const api = await startApi(ledger.target.url, process);
  return {
    ...{ ...ledger, api, token },
    ask: (path, sent = {}) => ask(api.url, path, { token: everything, ...sent }),
  };
}

interface OpenApiOperation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly description: string;
  }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, { readonly content?: Record<string, { schema: object }> }>;
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, OpenApiOperation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

export const OPENAPI = JSON.parse(
  readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'),
) as OpenApiDocument;

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTuples: false });
formats.default(ajv, ['date-time']);
ajv.addVocabulary(['components', 'schemas']);
ajv.addSchema({ $id: 'urn:tokenctl:api', components: strict(OPENAPI.components) });
const compiled = new Map<string, ValidateFunction>();

/** What is wrong with an answer by the document; empty when nothing is. */
function answerProblems(
  method: string,
  path: string,
  { status, headers }: Response,
  body: unknown,
): string {
  const type = headers.get('content-type') ?? '';
  const problem = status >= 400;
  if (isText({ headers })) {
    const media = operationOf(method, path)?.responses[String(status)]?.content ?? {};
    return 'text/plain' in media ? '' : `${method} ${path} answers no text`;
  }
  if (type !== (problem ? 'application/problem+json' : 'application/json')) {
    return `the content-type is ${type}`;
  }
  if (problem) return problemsBy('#/components/schemas/Problem', body, status !== 400);
  const found = operationOf(method, path)?.responses[String(status)]?.content?.[type]?.schema;
  if (found === undefined) return `${method} ${path} has no answer ${String(status)}`;
  return problemsBy((found as { $ref: string }).$ref, body);
}

/** A denial has more members than a problem: those of a verdict. */
function problemsBy(reference: string, body: unknown, mayBeVerdict = false): string {
  const denial = mayBeVerdict && (body as { admitted?: boolean }).admitted === false;
  const known = compiled.get(reference);
  const validate = known ?? ajv.compile({ $ref: `urn:tokenctl:api${reference}` });
  compiled.set(reference, validate);
  if (!denial) {
    return validate(body) ? '' : ajv.errorsText(validate.errors, { separator: '\n' });
  }
  const { type, title, status, code, detail, field, fix, fixes, requestId, ...verdict } =
    body as Record<string, unknown>;
  const plain = { type, title, status, code, detail, field, fix, fixes, requestId };
  return problemsBy(reference, plain) + problemsBy('#/components/schemas/Verdict', verdict);
}

/** The operation that a path and method are. */
function operationOf(method: string, path: string): OpenApiOperation | undefined {
  const parts = (path.split('?')[0] ?? '').split('/');
  const fits = Object.entries(OPENAPI.paths).filter(([template]) => {
    const wanted = template.split('/');
    return (
      wanted.length === parts.length &&
      wanted.every((part, index) => part.startsWith('{') || part === parts[index])
    );
  });
  const exact = fits.find(([template]) => !template.includes('{')) ?? fits[0];
  return exact?.[1][method.toLowerCase()];
}
