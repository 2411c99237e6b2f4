import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import type { Suggest } from '../../budget/suggest.ts';
import type { Documents } from './documents.ts';
import type { Doorman } from './doorman.ts';
import { names } from './etag.ts';
import { checked, hasBody, readJson, repeated } from './input.ts';
import type { Answer, Call, Operation, Services } from './operation.ts';
import { answerOfProblem, Problem, problemOf } from './problem.ts';
import { OPERATIONS } from './routes/all.ts';
import { ClientLeft } from '../body.ts';
import { PAGE_PATHS, pageAnswer } from '../dashboard/files.ts';

/** What the composed application needs. */
export interface ApiOptions {
  readonly services: Services;
  readonly doorman: Doorman;
  /** Told of a defect. */
  readonly onError: (error: unknown) => void;
}

type Env = {
  Bindings: HttpBindings;
  /** For the commands in an answer; unset while it is not known who asks, or everybody may. */
  Variables: { suggest?: Suggest };
};
type Given = Context<Env>;
/** What an operation's own schemas made of a request. */
type Input = Pick<Call<never, never, never, never>, 'params' | 'query' | 'headers' | 'body'>;
export type ApiApp = Hono<Env>;

/** The name of a request, which every answer has. */
export const REQUEST_ID = 'x-request-id';

const NOTHING = z.strictObject({});

/** Every operation on its path; other methods of a path and other paths are told. */
export function createApi(options: ApiOptions): ApiApp {
  const app: ApiApp = new Hono<Env>();
  const methods = new Map<string, string[]>();
  for (const operation of OPERATIONS) {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
    app.on(operation.method.toUpperCase(), path, (context) => serve(options, operation, context));
    const allowed = operation.method === 'get' ? ['GET', 'HEAD'] : [operation.method.toUpperCase()];
    methods.set(path, [...(methods.get(path) ?? []), ...allowed]);
  }
  for (const path of PAGE_PATHS) {
    app.get(path, (context) => pageAnswer(path, context.req.raw.headers));
    methods.set(path, ['GET', 'HEAD']);
  }
  for (const [path, allowed] of methods) {
    app.all(path, (context) => refuse(context, wrongMethod(context, allowed)));
  }
  const known = [...methods.keys()].map(
    (path) => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
  );
  app.notFound((context) => refuse(context, unknownPath(context, known)));
  app.onError((error, context) => {
    const problem = problemOf(error);
    if (problem.code === 'internal' && !(error instanceof ClientLeft)) options.onError(error);
    return refuse(context, problem);
  });
  return app;
}

async function serve(
  { services, doorman }: ApiOptions,
  operation: Operation,
  context: Given,
): Promise<Response> {
  const { incoming } = context.env;
  const { access, params = NOTHING, query = NOTHING, headers, body, polled = false } = operation;
  const caller = await doorman.admit(access, incoming);
  if (access !== 'open') context.set('suggest', services.documents.suggest);
  const given = {
    params: checked(params, context.req.param(), 'path'),
    query: checked(query, queryOf(context), 'query'),
    headers: headers === undefined ? {} : checked(headers, headersOf(incoming, headers), 'headers'),
    body: await bodyOf(incoming, body),
  };
  const answerTo = (who: Pick<Call<never, never, never, never>, 'caller' | 'stillAllowed'>) =>
    operation.answer({ ...(given as Input), ...who, services });
  const answer = await (polled
    ? services.shared.share(keyOf(operation, given), () => answerTo(NOBODY))
    : answerTo({ caller, stillAllowed: () => doorman.stillAdmits(access, incoming) }));
  return responseOf(context, answer, { polled, documents: services.documents });
}

/** What is shared by callers must not depend on who asked first. */
const NOBODY = { caller: null, stillAllowed: () => Promise.resolve(false) };

function keyOf(
  { id }: Operation,
  { params, query }: { readonly params: object; readonly query: object },
): string {
  return `${id} ${JSON.stringify([params, query])}`;
}

async function bodyOf(incoming: IncomingMessage, schema: z.ZodType | undefined): Promise<unknown> {
  const body = await readJson(incoming);
  if (schema !== undefined) return checked(schema, body, 'body');
  if (body === undefined) return undefined;
  throw new Problem('invalid_input', 'body: is not known here', {
    field: 'body',
    fix: 'leave it out',
  });
}

/** @throws invalid_input for a parameter that is there more than once */
function queryOf(context: Given): object {
  return Object.fromEntries(
    Object.entries(context.req.queries()).map(([name, values]) => [name, only(name, values)]),
  );
}

/** @throws invalid_input for a header that is there more than once */
function headersOf({ headersDistinct }: IncomingMessage, schema: z.ZodObject): object {
  return Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, only(name, headersDistinct[name] ?? [])]),
  );
}

function only(name: string, values: readonly string[]): string | undefined {
  if (values.length > 1) throw repeated(name);
  return values[0];
}

interface Rendering {
  readonly polled: boolean;
  readonly documents: Documents;
}

function responseOf(context: Given, answer: Answer, { polled, documents }: Rendering): Response {
  if ('stream' in answer) {
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
    return new Response(answer.stream, { status: 200, headers });
  }
  if ('text' in answer) {
    const headers = { 'content-type': answer.contentType, 'cache-control': 'no-store' };
    return new Response(answer.text, { status: 200, headers });
  }
  const { status, body, headers = {} } = answer;
  if (!polled) {
    const text = documents.text(body);
    const always = { ...contentHeaders(text), 'cache-control': 'no-store' };
    return new Response(text, { status, headers: { ...always, ...headers } });
  }
  const { text, etag } = documents.rendered(body);
  const cached = { 'cache-control': 'private, no-cache', etag };
  if (names(context.req.header('if-none-match'), etag)) {
    return new Response(null, { status: 304, headers: cached });
  }
  return new Response(text, { status, headers: { ...contentHeaders(text), ...cached } });
}

function contentHeaders(text: string): Record<string, string> {
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
  };
}

function refuse(context: Given, problem: Problem): Response {
  const { incoming, outgoing } = context.env;
  const requestId = String(outgoing.getHeader(REQUEST_ID) ?? '');
  const { status, headers, body } = answerOfProblem(problem, requestId, context.get('suggest'));
  // What is left of a body that nobody reads must not be taken for the next request.
  if (hasBody(incoming) && !incoming.complete) headers.push('connection', 'close');
  const pairs: [string, string][] = [];
  for (let index = 0; index < headers.length; index += 2) {
    pairs.push([headers[index] ?? '', headers[index + 1] ?? '']);
  }
  return new Response(body, { status, headers: pairs });
}

function wrongMethod(context: Given, allowed: readonly string[]): Problem {
  const { method } = context.req;
  const allow = allowed.join(', ');
  return new Problem('method_not_allowed', `${method} ${shown(context)}: it takes ${allow}`, {
    field: 'method',
    fix: `use ${allow}`,
    headers: { allow },
  });
}

/** @param known the paths that there are */
function unknownPath(context: Given, known: readonly RegExp[]): Problem {
  const asked = shown(context);
  // As people write it whose other servers do not mind a slash.
  const meant = asked.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const isKnown = meant !== asked && known.some((path) => path.test(meant));
  return new Problem('not_found', `${context.req.method} ${asked}: there is no such path`, {
    field: 'path',
    fix: isKnown ? `ask for ${meant}` : '/openapi.json has them all',
  });
}

function shown(context: Given): string {
  return context.req.path.slice(0, 200).replaceAll(/\p{C}/gu, '?');
}
